//! apt itself, shut off from the machine's own sources, pins and packages.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// apt over a set of indexes and a base, with caches of its own.
pub struct Apt {
    folder: tempfile::TempDir,
    settings: PathBuf,
}

/// What apt would do.
#[derive(Debug)]
pub struct Simulation {
    /// Versions of what it installs or upgrades, by name.
    pub installs: BTreeMap<String, String>,
    /// Names of what it removes.
    pub removes: Vec<String>,
}

/// What a base list lacks to be dpkg's own record of what is installed.
pub fn status(base: &str) -> String {
    let installed = base.replace("\nVersion: ", "\nStatus: install ok installed\nVersion: ");
    let (comments, stanzas) = installed.split_once("\n\n").expect("a comment comes first");
    assert!(comments.starts_with('#'), "{comments}");
    format!("{stanzas}\n")
}

impl Apt {
    /// apt that knows these indexes, on a host that has the base.
    pub fn new(indexes: &[&str], base: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let at = |name: &str| folder.path().join(name);
        for name in ["lists/partial", "cache/archives/partial", "dpkg"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        let mut sources = String::new();
        for (number, index) in indexes.iter().enumerate() {
            let repository = at(&number.to_string());
            fs::create_dir_all(&repository).unwrap();
            fs::write(repository.join("Packages"), index).unwrap();
            // Trusted, because the indexes' signatures were checked before.
            let address = repository.display();
            sources.push_str(&format!("deb [trusted=yes] file:{address} ./\n"));
        }
        fs::write(at("sources.list"), sources).unwrap();
        fs::write(at("dpkg/status"), status(base)).unwrap();
        let settings = at("apt.conf");
        fs::write(&settings, configuration(folder.path())).unwrap();
        let apt = Self { folder, settings };
        let output = apt.run(&["update"]);
        assert!(output.status.success(), "apt-get update: {}", said(&output));
        apt
    }

    /// What installing `roots` comes to, or apt's words on why it cannot be.
    pub fn install(&self, roots: &[&str]) -> Result<Simulation, String> {
        self.simulate(&[&["--simulate", "install"], roots].concat())
    }

    /// The same with nothing to choose from but the packages of `index`.
    pub fn install_from(&self, index: &str, roots: &[&str]) -> Result<Simulation, String> {
        let alone = tempfile::tempdir_in(self.folder.path()).unwrap();
        let at = |name: &str| alone.path().join(name).display().to_string();
        fs::create_dir_all(at("lists/partial")).unwrap();
        fs::create_dir_all(at("cache/archives/partial")).unwrap();
        fs::write(at("Packages"), index).unwrap();
        let options = [
            "--option=Dir::Etc::sourcelist=/dev/null".to_owned(),
            format!("--option=Dir::State::lists={}", at("lists")),
            format!("--option=Dir::Cache={}", at("cache")),
            format!("--with-source={}", at("Packages")),
        ];
        let options = options.iter().map(String::as_str);
        let arguments = options.chain(["--simulate", "install"]);
        self.simulate(&arguments.chain(roots.iter().copied()).collect::<Vec<_>>())
    }

    fn simulate(&self, arguments: &[&str]) -> Result<Simulation, String> {
        let output = self.run(arguments);
        match output.status.code() {
            Some(0) => Ok(Simulation::read(&String::from_utf8_lossy(&output.stdout))),
            Some(100) => Err(unmet(&said(&output))),
            _ => panic!("apt-get {arguments:?}: {output:?}"),
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("apt-get")
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env("APT_CONFIG", &self.settings)
            .output()
            .expect("apt-get starts")
    }
}

/// The lines that name a need (` a : Depends: b but …`), else all that apt said.
fn unmet(said: &str) -> String {
    let needs: Vec<_> = said.lines().filter(|line| line.contains(" : ")).collect();
    match needs.is_empty() {
        true => said.to_owned(),
        false => needs.join("\n"),
    }
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn configuration(folder: &Path) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let settings = [
        ("Dir::Etc::main", "/dev/null".to_owned()),
        ("Dir::Etc::parts", "/dev/null".to_owned()),
        ("Dir::Etc::preferences", "/dev/null".to_owned()),
        ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
        ("Dir::Etc::sourcelist", at("sources.list")),
        ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
        ("Dir::State::lists", at("lists")),
        ("Dir::State::status", at("dpkg/status")),
        ("Dir::State::extended_states", "/dev/null".to_owned()),
        ("Dir::Cache", at("cache")),
        ("APT::Architecture", "amd64".to_owned()),
        ("APT::Architectures", "amd64".to_owned()),
        ("APT::Install-Recommends", "false".to_owned()),
        ("APT::Install-Suggests", "false".to_owned()),
        ("APT::Sandbox::User", "root".to_owned()),
        ("Acquire::Languages", "none".to_owned()),
        ("Debug::NoLocking", "true".to_owned()),
    ];
    let line = |(name, value)| format!("{name} \"{value}\";\n");
    settings.into_iter().map(line).collect()
}

impl Simulation {
    // `Inst name [old] (new source [arch])`, the old version only where it is an upgrade.
    fn read(text: &str) -> Self {
        let install = |line: &str| {
            let name = line.split(' ').next()?;
            let version = line.split_once('(')?.1.split(' ').next()?;
            Some((name.to_owned(), version.to_owned()))
        };
        let lines = |prefix| {
            text.lines()
                .filter_map(move |line| line.strip_prefix(prefix))
        };
        let installs = lines("Inst ").map(|line| install(line).expect("a line of apt's"));
        let first_word = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        Self {
            installs: installs.collect(),
            removes: lines("Remv ").map(first_word).collect(),
        }
    }

    /// Itself, unless it takes something away.
    pub fn without_removals(self) -> Result<Self, String> {
        match self.removes.is_empty() {
            true => Ok(self),
            false => Err(format!("apt removes {}", self.removes.join(" "))),
        }
    }
}
