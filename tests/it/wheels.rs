//! Wheels as pip brings and builds them, from a folder that stands for an index.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use pgbundle::base::Sha256;
use pgbundle::profile;
use pgbundle::store::Store;
use pgbundle::wheel::pip::{PipError, Wanted, bring};
use pgbundle::wheel::{Interpreter, Sdist, Wheel};

use crate::python::Node;
use crate::sample::accepts;

/// A build backend (PEP 517) of the standard library alone. Like setuptools, it
/// takes times from SOURCE_DATE_EPOCH and modes from the files as they lie there.
const BACKEND: &str = r#"
import os, time, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "tiny_tool-1.0-py3-none-any.whl"
    about = "tiny_tool-1.0.dist-info/"
    texts = {about + "METADATA": "Metadata-Version: 2.1\nName: tiny-tool\nVersion: 1.0\n",
             about + "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", about + "RECORD": ""}
    moment = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in [("tiny_tool.py", open("tiny_tool.py").read()), *texts.items()]:
            entry = zipfile.ZipInfo(path, moment)
            entry.external_attr = os.stat("tiny_tool.py").st_mode << 16
            wheel.writestr(entry, text)
    return name
"#;

const PYPROJECT: &str = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n\n[project]\nname = \"tiny-tool\"\nversion = \"1.0\"\n";

/// Where Debian has the wheels of pip's own tools (python3-setuptools-whl, python3-wheel-whl).
const DEBIAN: &str = "/usr/share/python-wheels";

/// Those of Debian's wheels whose names begin so, with where they lie.
pub fn debian_wheels(names: &[&str]) -> Vec<(PathBuf, Wheel)> {
    let wheels = fs::read_dir(DEBIAN);
    let wheels = wheels
        .expect("python3-pip-whl, python3-setuptools-whl and python3-wheel-whl are installed");
    let paths = wheels.map(|entry| entry.unwrap().path());
    let is_wanted = |path: &PathBuf| {
        let file = path.file_name().unwrap().to_str().unwrap();
        names.iter().any(|name| file.starts_with(name))
    };
    let wanted = paths.filter(is_wanted);
    wanted
        .map(|path| {
            let wheel = pinned(&path);
            (path, wheel)
        })
        .collect()
}

fn pinned(path: &Path) -> Wheel {
    let bytes = fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    Wheel {
        name: name.parse().unwrap(),
        size: bytes.len() as u64,
        sha256: Sha256::of(&bytes),
        sdist: None,
    }
}

/// A folder with a source distribution and the tools that build it.
struct Index {
    folder: tempfile::TempDir,
    tools: Vec<Wheel>,
    sdist: Sha256,
}

impl Index {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut tools = Vec::new();
        for (path, wheel) in debian_wheels(&["setuptools-", "wheel-"]) {
            fs::copy(&path, folder.path().join(wheel.name.as_str())).unwrap();
            tools.push(wheel);
        }
        assert_eq!(tools.len(), 2, "{DEBIAN} has setuptools and wheel");
        let sdist = sdist();
        fs::write(folder.path().join("tiny-tool-1.0.tar.gz"), &sdist).unwrap();
        let sdist = Sha256::of(&sdist);
        Self {
            folder,
            tools,
            sdist,
        }
    }

    fn bring(&self, wheels: &[Wheel], store: &Store) -> Result<(), PipError> {
        let wanted = Wanted {
            wheels,
            interpreter: &python39(),
            tools: &self.tools,
            folder: Some(self.folder.path()),
        };
        bring(wanted, store)
    }

    /// The wheel that is built from the source, with a digest that is taken for its own.
    fn built(&self, size: u64, sha256: Sha256) -> Wheel {
        let name = "tiny_tool-1.0-py3-none-any.whl".parse().unwrap();
        let sdist = Some(Sdist { sha256: self.sdist });
        Wheel {
            name,
            size,
            sha256,
            sdist,
        }
    }
}

/// A Python that is not this machine's.
fn python39() -> Interpreter {
    Interpreter {
        minor: 9,
        machine: "x86_64".to_owned(),
        glibc_minor: 34,
    }
}

fn sdist() -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let metadata = "Metadata-Version: 1.0\nName: tiny-tool\nVersion: 1.0\n";
    for (name, content) in [
        ("PKG-INFO", metadata),
        ("pyproject.toml", PYPROJECT),
        ("backend.py", BACKEND),
        ("tiny_tool.py", "ANSWER = 42\n"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let path = format!("tiny-tool-1.0/{name}");
        tar.append_data(&mut header, path, content.as_bytes())
            .unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path()).unwrap();
    (folder, store)
}

#[test]
fn wheels_come_by_digest_for_a_python_that_is_not_this_machines() {
    let (index, (_folder, store)) = (Index::new(), store());
    index.bring(&index.tools, &store).unwrap();
    for wheel in &index.tools {
        assert!(store.has(wheel.sha256), "{}", wheel.name);
    }
    let gone = Index {
        folder: tempfile::tempdir().unwrap(),
        ..Index::new()
    };
    gone.bring(&index.tools, &store)
        .expect("what the store has is not asked for");
}

#[test]
fn what_exists_as_source_alone_is_built_to_the_pinned_digest() {
    let (index, (_folder, store)) = (Index::new(), store());
    let unknown = index.built(1, Sha256::of(b"another"));
    let fault = index.bring(&[unknown], &store).unwrap_err();
    let PipError::BuiltOther {
        found, found_size, ..
    } = fault
    else {
        panic!("{fault}");
    };
    // A second build, later and elsewhere, makes the same bytes.
    index
        .bring(&[index.built(found_size, found)], &store)
        .unwrap();
    let built = store.open(found, found_size).unwrap().read().unwrap();
    assert!(built.windows(12).any(|part| part == b"tiny_tool.py"));
}

#[test]
fn another_file_under_the_pinned_name_is_refused() {
    let (mut index, (_folder, store)) = (Index::new(), store());
    index.tools[0].sha256 = Sha256::of(b"the one that was reviewed");
    let fault = index
        .bring(&index.tools[..1], &store)
        .unwrap_err()
        .to_string();
    assert!(
        fault.contains("cannot download") && fault.contains("Expected sha256"),
        "{fault}"
    );
    index.sdist = Sha256::of(b"the source that was reviewed");
    let fault = index
        .bring(&[index.built(1, Sha256::of(b""))], &store)
        .unwrap_err()
        .to_string();
    assert!(fault.contains("Expected sha256"), "{fault}");
}

#[test]
fn a_wheel_that_the_index_does_not_have_is_named() {
    let (index, (_folder, store)) = (Index::new(), store());
    let mut absent = index.tools[0].clone();
    absent.name = "patroni-9.9.9-py3-none-any.whl".parse().unwrap();
    absent.sha256 = Sha256::of(b"absent");
    let fault = index.bring(&[absent], &store).unwrap_err().to_string();
    assert!(fault.contains("patroni==9.9.9"), "{fault}");
}

/// A Python 3.6, which is no distribution's any more.
fn python36() -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        let version = Command::new(path).arg("--version").output();
        version.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).starts_with("Python 3.6."))
    };
    let pyenv = std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv/versions"));
    let versions = pyenv.and_then(|folder| fs::read_dir(folder).ok());
    let installed = versions.into_iter().flatten().flatten();
    let installed = installed.map(|version| version.path().join("bin/python3"));
    [PathBuf::from("python3.6")]
        .into_iter()
        .chain(installed)
        .find(runs)
}

#[test]
fn what_centos7_pins_comes_from_the_index_and_runs_on_its_python() {
    let text = crate::support::read_source("profiles/centos7.toml");
    let pinned = profile::parse(&text, None).unwrap().python.unwrap();
    let (_folder, store) = store();
    let wanted = Wanted {
        wheels: &pinned.wheels,
        interpreter: &pinned.interpreter,
        tools: &pinned.tools,
        folder: None,
    };
    bring(wanted, &store).unwrap();
    let Some(python) = python36() else {
        eprintln!("no Python 3.6 is at hand: the wheels were brought and built, and not run");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let lay = |wheel: &Wheel| {
        let path = folder.path().join(wheel.name.as_str());
        let blob = store.open(wheel.sha256, wheel.size).unwrap();
        fs::write(&path, blob.read().unwrap()).unwrap();
        (path, wheel.clone())
    };
    let wheels: Vec<_> = pinned.wheels.iter().map(lay).collect();
    let node = Node::with(&python, pinned.pip.as_str());
    node.run(&wheels).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        accepts(Command::new(node.program(program)).args(arguments))
    };
    assert_eq!(run("patroni", &["--version"]).trim(), "patroni 3.3.11");
    assert_eq!(
        run("patronictl", &["version"]).trim(),
        "patronictl version 3.3.11"
    );
    run("python3", &["-c", "import psycopg2, patroni.dcs.etcd3"]);
    run("python3", &["-m", "pip", "check"]);
}
