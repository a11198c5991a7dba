//! A cluster of three nodes that is built from a tiny archive by the program
//! itself, in a folder of its own and without a network.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::archive_mirror::{Archive, BASE, SUITE};
use crate::support::{Ran, Sandbox};

/// Where a build puts the release.
pub const RELEASE: &str = "dist/demo-tiny-amd64";
pub const PUBLIC: &str = "dist/demo-tiny-amd64/public";

/// Where it writes the lock.
pub const LOCK: &str = "demo.tiny-amd64.lock";

/// What `build` is told each time but for where things are.
const SPEC: &str = r#"version = 1

[cluster]
name = "demo"
profile = "tiny"

[network]
gateway = "10.0.0.1"
dns = ["10.0.0.2"]

[vip]
address = "10.0.0.100/24"

[[node]]
name = "db-1"
address = "10.0.0.11/24"
roles = ["etcd", "postgres", "proxy"]

[[node]]
name = "db-2"
address = "10.0.0.12/24"
roles = ["etcd", "postgres", "proxy"]

[[node]]
name = "db-3"
address = "10.0.0.13/24"
roles = ["etcd"]
"#;

/// The sandbox with archive, profile, spec and the hosts' program.
pub struct Tiny {
    pub sandbox: Sandbox,
    pub archive: Archive,
}

/// One file or folder of an output: its mode, and a file's bytes.
#[derive(PartialEq, Eq)]
pub struct Entry {
    pub mode: u32,
    pub bytes: Option<Vec<u8>>,
}

impl Tiny {
    pub fn new() -> Self {
        Self::with("")
    }

    /// With more in the spec.
    pub fn with(more: &str) -> Self {
        Self::of(Archive::new(), more)
    }

    /// With another archive.
    pub fn of(archive: Archive, more: &str) -> Self {
        let tiny = Self {
            sandbox: Sandbox::new(),
            archive,
        };
        tiny.archive.publish(&tiny.path("mirror"));
        tiny.spec(more);
        tiny.profile("");
        tiny.sandbox.write("profiles/bases/tiny.deb822", BASE);
        fs::create_dir(tiny.path("keys")).unwrap();
        fs::write(tiny.path("keys/tiny.gpg"), tiny.archive.certificate()).unwrap();
        fs::write(tiny.path("node"), [b"\x7fELF", &[7; 5000][..]].concat()).unwrap();
        tiny
    }

    /// A cluster that has been built.
    pub fn built() -> Self {
        let tiny = Self::new();
        tiny.build(&[]).succeeded();
        tiny
    }

    /// Locked and fetched, and the mirror gone.
    pub fn fetched() -> Self {
        let tiny = Self::new();
        tiny.ask("lock", &[]).succeeded();
        tiny.ask("fetch", &[]).succeeded();
        fs::remove_dir_all(tiny.path("mirror")).unwrap();
        tiny
    }

    /// Writes the spec, with more at its end.
    pub fn spec(&self, more: &str) {
        self.sandbox.write("demo.toml", &format!("{SPEC}{more}"));
    }

    /// Writes the profile, with more at its end.
    pub fn profile(&self, more: &str) {
        let text = format!(
            "version = 1\nextends = \"debian12\"\nname = \"tiny\"\ntitle = \"Tiny\"\n\
             without_sources = [\"debian\", \"debian-security\"]\n\n\
             [[source]]\nid = \"tiny\"\nsuites = [\"{SUITE}\"]\ncodenames = [\"{SUITE}\"]\n\
             components = [\"main\"]\norigin = \"Tiny\"\nkeys = [\"{}\"]\nmirrors = []\n\n\
             [[base]]\nname = \"tiny\"\nfile = \"bases/tiny.deb822\"\n{more}",
            self.archive.fingerprint()
        );
        self.sandbox.write("profiles/tiny.toml", &text);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    /// Puts a blob into the store, by its digest.
    pub fn put(&self, bytes: &[u8]) -> String {
        let digest = pgbundle::base::Sha256::of(bytes).to_string();
        let folder = self.path("store/sha256").join(&digest[..2]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(&digest), bytes).unwrap();
        digest
    }

    /// Where the store has the package of this name.
    pub fn blob(&self, name: &str) -> PathBuf {
        let lock = fs::read_to_string(self.path(LOCK)).unwrap();
        let lock: toml::Table = lock.parse().unwrap();
        let packages = lock["package"].as_array().unwrap();
        let package = packages.iter().find(|p| p["name"].as_str() == Some(name));
        let digest = package.unwrap()["sha256"].as_str().unwrap();
        self.path(&format!("store/sha256/{}/{digest}", &digest[..2]))
    }

    /// The paths that a verb on the cluster needs, as arguments that hold from any folder.
    pub fn cluster(&self) -> Vec<String> {
        let store = self.path("store").display().to_string();
        [self.cluster_alone(), vec!["--store".to_owned(), store]].concat()
    }

    /// The same without the store.
    pub fn cluster_alone(&self) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        let flag = |name: &str, value: String| [format!("--{name}"), value];
        [
            flag("library", path("")),
            flag("cluster", path("demo.toml")),
        ]
        .concat()
    }

    pub fn mirrors(&self) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        vec![
            "--mirror".to_owned(),
            format!("tiny=file://{}", path("mirror")),
            "--keys".to_owned(),
            path("keys"),
        ]
    }

    pub fn node_program(&self) -> Vec<String> {
        let path = self.path("node").display().to_string();
        vec!["--node-program".to_owned(), path]
    }

    /// What `build` needs beyond [`Self::cluster`] and [`Self::mirrors`].
    pub fn making(&self) -> Vec<String> {
        let secrets = self.path("secrets").display().to_string();
        [vec!["--secrets".to_owned(), secrets], self.node_program()].concat()
    }

    /// A verb with mirrors, as `lock` and `fetch` are.
    pub fn ask(&self, verb: &str, more: &[&str]) -> Ran {
        let arguments = [vec![verb.to_owned()], self.cluster(), self.mirrors()].concat();
        self.run(&arguments, more)
    }

    /// `build` into `dist`, or where `more` says.
    pub fn build(&self, more: &[&str]) -> Ran {
        let verb = vec!["build".to_owned()];
        let arguments = [verb, self.cluster(), self.mirrors(), self.making()].concat();
        self.run(&arguments, more)
    }

    /// `build` that can reach no mirror.
    pub fn build_alone(&self, more: &[&str]) -> Ran {
        let verb = vec!["build".to_owned()];
        self.run(&[verb, self.cluster(), self.making()].concat(), more)
    }

    pub fn verify(&self, path: &str) -> Ran {
        self.sandbox.run(&["verify", path, "--secrets", "secrets"])
    }

    pub fn run(&self, arguments: &[String], more: &[&str]) -> Ran {
        let words: Vec<_> = arguments.iter().map(String::as_str).collect();
        self.sandbox.run(&[words, more.to_vec()].concat())
    }

    /// A message with everything taken out of it that differs from run to run.
    pub fn settled(&self, text: &str) -> String {
        let root = self.path("").display().to_string();
        let text = text
            .replace(root.trim_end_matches('/'), "[ROOT]")
            .replace(&self.archive.fingerprint(), "[KEY]");
        settled(&text)
    }
}

/// A text without digests, keys and sizes: signatures are longer and shorter.
pub fn settled(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let mut out = String::new();
    let mut rest = text.trim_end();
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_part(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        out += before;
        out += &settled_word(word, after);
        rest = after;
    }
    out + rest
}

fn settled_word(word: &str, after: &str) -> String {
    let hex = word.bytes().take_while(u8::is_ascii_hexdigit).count();
    let is_size = [" bytes", " KiB", " B,", " B ", " more"]
        .iter()
        .any(|unit| after.starts_with(unit));
    match hex {
        64 => format!("[SHA256]{}", &word[64..]),
        40 => format!("[ANOTHER KEY]{}", &word[40..]),
        // The folder of a blob.
        2 if hex == word.len() && after.starts_with('/') => "[..]".to_owned(),
        _ if is_size && word.parse::<f64>().is_ok() => "[N]".to_owned(),
        _ => word.to_owned(),
    }
}

impl Ran {
    /// What was said, of a run that did what it was to.
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stderr
    }

    /// What was said, of a run that ended with this code.
    pub fn failed_with(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert_eq!(self.stdout, "", "a failure has no result");
        self.stderr
    }
}

/// Everything below a folder by its path, the folder itself as ``.
pub fn tree(folder: &Path) -> BTreeMap<String, Entry> {
    let mut tree = BTreeMap::new();
    add(folder, "", &mut tree);
    tree
}

fn add(folder: &Path, below: &str, tree: &mut BTreeMap<String, Entry>) {
    let path = folder.join(below);
    let metadata = path.symlink_metadata().unwrap();
    assert!(metadata.is_dir() || metadata.is_file(), "{path:?}");
    let bytes = metadata.is_file().then(|| fs::read(&path).unwrap());
    let mode = metadata.permissions().mode() & 0o7777;
    tree.insert(below.to_owned(), Entry { mode, bytes });
    if metadata.is_dir() {
        for entry in fs::read_dir(&path).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let name = format!("{below}/{name}").trim_start_matches('/').to_owned();
            add(folder, &name, tree);
        }
    }
}

/// Says where two trees differ; nothing where they do not.
pub fn difference(one: &Path, other: &Path) -> String {
    let (one, other) = (tree(one), tree(other));
    let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let mut said = String::new();
    for name in names {
        match (one.get(name), other.get(name)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) if a.mode != b.mode => {
                said += &format!("`{name}` has mode {:o} and {:o}\n", a.mode, b.mode);
            }
            (Some(_), Some(_)) => said += &format!("`{name}` has other bytes\n"),
            _ => said += &format!("`{name}` is in one alone\n"),
        }
    }
    said
}

/// Copies a folder with its modes.
pub fn copy(from: &Path, to: &Path) {
    crate::sample::accepts(Command::new("cp").arg("-a").args([from, to]));
}
