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
    pub fn new(indexes: &[&str], base: &str) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(text)?;
        let at = |name: &str| folder.path().join(name);
        for name in [
            "lists/partial",
            "cache/archives/partial",
            "dpkg",
            "none/partial",
            "alone/archives/partial",
        ] {
            fs::create_dir_all(at(name)).map_err(text)?;
        }
        let mut sources = String::new();
        for (number, index) in indexes.iter().enumerate() {
            let repository = at(&number.to_string());
            fs::create_dir_all(&repository).map_err(text)?;
            fs::write(repository.join("Packages"), index).map_err(text)?;
            // Trusted, because the indexes' signatures were checked before.
            sources.push_str(&format!(
                "deb [trusted=yes] file:{} ./\n",
                repository.display()
            ));
        }
        fs::write(at("sources.list"), sources).map_err(text)?;
        fs::write(at("dpkg/status"), status(base)).map_err(text)?;
        let settings = at("apt.conf");
        fs::write(&settings, configuration(folder.path())).map_err(text)?;
        let apt = Self { folder, settings };
        let output = apt.run(&["update"])?;
        assert!(output.status.success(), "apt-get update: {}", said(&output));
        Ok(apt)
    }

    /// What installing `roots` comes to, or apt's words on why it cannot be.
    pub fn install(&self, roots: &[&str]) -> Result<Result<Simulation, String>, String> {
        self.simulate(&[&["--simulate", "install"], roots].concat())
    }

    /// The same with nothing to choose from but the packages of `index`.
    pub fn install_from(
        &self,
        index: &str,
        roots: &[&str],
    ) -> Result<Result<Simulation, String>, String> {
        let packages = self.folder.path().join("Packages");
        fs::write(&packages, index).map_err(text)?;
        let alone = [
            "--option=Dir::Etc::sourcelist=/dev/null".to_owned(),
            format!("--option=Dir::State::lists={}", self.at("none")),
            format!("--option=Dir::Cache={}", self.at("alone")),
            format!("--with-source={}", packages.display()),
        ];
        let options: Vec<_> = alone.iter().map(String::as_str).collect();
        self.simulate(&[&options, &["--simulate", "install"][..], roots].concat())
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn simulate(&self, arguments: &[&str]) -> Result<Result<Simulation, String>, String> {
        let output = self.run(arguments)?;
        Ok(match output.status.code() {
            Some(0) => Ok(Simulation::read(&String::from_utf8_lossy(&output.stdout))),
            Some(100) => Err(said(&output)),
            other => panic!(
                "apt-get {arguments:?} ended with {other:?}: {}",
                said(&output)
            ),
        })
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, String> {
        Command::new("apt-get")
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env("APT_CONFIG", &self.settings)
            .output()
            .map_err(|error| format!("apt-get: {error}"))
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
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
}
