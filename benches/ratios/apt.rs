//! apt over the same mirror and the same base, with nothing of the machine's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgbundle::library::Library;
use pgbundle::lock::Lock;

use crate::bench::{Bench, finish};

/// apt's configuration, and what it is asked to install.
pub struct Apt {
    configuration: PathBuf,
    roots: Vec<String>,
}

impl Apt {
    /// Sets apt up in `root`, lets it take in the lists, and with them its binary cache.
    pub fn new(root: &Path, mirror: &Path, lock: &Lock) -> Self {
        for folder in [
            "lists/partial",
            "cache/archives/partial",
            "etc/preferences.d",
        ] {
            fs::create_dir_all(root.join(folder)).expect("the temporary folder is writable");
        }
        let write = |name: &str, text: String| {
            fs::write(root.join(name), text).expect("the temporary folder is writable");
        };
        write("status", status(lock));
        write("etc/sources.list", sources(mirror, lock));
        write("apt.conf", configuration(root));
        let apt = Self {
            configuration: root.join("apt.conf"),
            roots: lock
                .asked
                .iter()
                .filter_map(|asked| root_of(asked))
                .collect(),
        };
        let mut update = apt.command();
        update.args(["-qq", "update"]);
        finish(update);
        apt
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command
            .env("APT_CONFIG", &self.configuration)
            .env("LC_ALL", "C");
        command.stdout(Stdio::null());
        command
    }

    fn install(&self) -> Command {
        let mut command = self.command();
        command.args(["-s", "-qq", "install"]).args(&self.roots);
        command
    }
}

impl Bench {
    /// `apt-get -s install`, as after `apt-get update`.
    pub fn apt_with_cache(&self) {
        finish(self.apt.install());
    }

    /// The same without the parsed lists that apt keeps.
    pub fn apt_without_cache(&self) {
        let mut install = self.apt.install();
        install.args([
            "-o",
            "Dir::Cache::pkgcache=",
            "-o",
            "Dir::Cache::srcpkgcache=",
        ]);
        finish(install);
    }
}

/// `the package etcd-client of role etcd is asked for` → `etcd-client`
fn root_of(asked: &str) -> Option<String> {
    let (name, _) = asked
        .strip_prefix("the package ")?
        .split_once(" of role ")?;
    Some(name.to_owned())
}

/// The profile's base as dpkg's status. With several bases ours proves the
/// closure on each, apt on the first.
fn status(lock: &Lock) -> String {
    let library = Library::new(vec![PathBuf::from(env!("CARGO_MANIFEST_DIR"))]);
    let profile = library
        .profile(&lock.profile)
        .expect("the profile was locked");
    let base = profile.bases.first().expect("a profile has a base");
    let (_, text) = library
        .read(&format!("profiles/{}", base.file))
        .expect("the base list is there");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| match line.starts_with("Version:") {
            true => format!("Status: install ok installed\n{line}\n"),
            false => format!("{line}\n"),
        })
        .collect()
}

fn sources(mirror: &Path, lock: &Lock) -> String {
    let suite = |path: &str| path.split('/').nth(1).map(str::to_owned);
    lock.indexes
        .iter()
        .filter(|index| index.path.ends_with("/InRelease"))
        .filter_map(|index| {
            let root = mirror.join(&index.source);
            let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
            let suite = suite(&index.path)?;
            Some(format!(
                "deb [signed-by={keys}] file:{} {suite} main\n",
                root.display()
            ))
        })
        .collect()
}

/// Debian's defaults, but for where things are and what a lock leaves out too.
fn configuration(root: &Path) -> String {
    let root = root.display();
    format!(
        "Dir::Etc \"{root}/etc\";\n\
         Dir::Etc::parts \"/dev/null\";\n\
         Dir::Etc::sourcelist \"{root}/etc/sources.list\";\n\
         Dir::Etc::sourceparts \"/dev/null\";\n\
         Dir::State::lists \"{root}/lists\";\n\
         Dir::State::status \"{root}/status\";\n\
         Dir::State::extended_states \"/dev/null\";\n\
         Dir::Cache \"{root}/cache\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::Check-Valid-Until \"false\";\n\
         APT::Sandbox::User \"root\";\n\
         APT::Install-Recommends \"false\";\n\
         Debug::NoLocking \"true\";\n"
    )
}
