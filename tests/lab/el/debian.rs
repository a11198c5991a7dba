//! What everything here is made of: a Debian root, and the packages that a
//! cluster needs more than it has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::piece::Package;
use crate::base::{PACKAGES, chosen, machine_sources};
use crate::command::{Failure, ask_with_input, command, run};

/// Of the lab's base, what only serves apt, and what takes long and is not missed.
const WITHOUT: &[&str] = &[
    "apt-utils",
    "lsb-release",
    "man-db",
    "needrestart",
    "python3-apt",
    "unattended-upgrades",
];
/// What makes it a host of the rpm family.
const WITH: &[&str] = &["dnf", "rpm"];
/// What the upstream repositories are made of.
const MORE: &[&str] = &[
    "etcd-client",
    "etcd-server",
    "haproxy",
    "keepalived",
    "pgbouncer",
    "postgresql-15",
];

/// Both, unpacked.
pub struct Debian {
    /// The root, with dpkg's lists.
    pub root: PathBuf,
    /// Where the packages beside it are.
    archives: PathBuf,
}

/// Brings them from the machine's own apt sources into `folder`.
pub fn bring(folder: &Path) -> Result<Debian, Failure> {
    let debian = Debian {
        root: folder.join("root"),
        archives: folder.join("archives"),
    };
    fs::create_dir_all(debian.archives.join("partial"))?;
    let packages = chosen(PACKAGES).filter(|name| !WITHOUT.contains(name));
    let packages: Vec<_> = packages.chain(WITH.iter().copied()).collect();
    let download = format!(
        "APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\" apt-get --yes --download-only \
         --no-install-recommends -o Dir::Cache::Archives={}/ install {}",
        debian.archives.display(),
        MORE.join(" ")
    );
    let mut mmdebstrap = command("mmdebstrap");
    mmdebstrap
        .args(["--mode=root", "--variant=minbase", "--format=directory"])
        .arg(format!("--include={}", packages.join(",")))
        .arg(format!("--customize-hook={download}"))
        .args(["bookworm".as_ref(), debian.root.as_os_str()])
        .arg("-");
    let said = ask_with_input(&mut mmdebstrap, &machine_sources()?)?;
    if !said.is_success() {
        return Err(format!("mmdebstrap failed:\n{}", said.err).into());
    }
    Ok(debian)
}

impl Debian {
    /// What the root has installed.
    pub fn installed(&self) -> Result<Vec<Package>, Failure> {
        let dpkg = self.root.join("var/lib/dpkg");
        let told = run(command("dpkg-query")
            .arg(format!("--admindir={}", dpkg.display()))
            .args(["--show", "--showformat", FORMAT]))?;
        told.lines()
            .map(|line| {
                let mut package = package(line)?;
                let info = |kind: &str| {
                    let plain = dpkg.join("info").join(format!("{}.{kind}", package.name));
                    let amd64 = dpkg
                        .join("info")
                        .join(format!("{}:amd64.{kind}", package.name));
                    fs::read_to_string(if plain.exists() { plain } else { amd64 })
                };
                package.files = info("list")?.lines().map(str::to_owned).collect();
                // A package without configuration has no such list.
                package.conffiles = lines_of(&info("conffiles").unwrap_or_default());
                Ok(package)
            })
            .collect()
    }

    /// Unpacks what it has not into `into`, and names it.
    pub fn unpack_more(&self, into: &Path) -> Result<Vec<Package>, Failure> {
        fs::create_dir_all(into)?;
        let mut packages = Vec::new();
        for entry in fs::read_dir(&self.archives)? {
            let archive = entry?.path();
            if archive
                .extension()
                .is_none_or(|extension| extension != "deb")
            {
                continue;
            }
            let told = run(command("dpkg-deb")
                .args(["--show", "--showformat", FORMAT])
                .arg(&archive))?;
            let mut package = package(&told)?;
            let list = "dpkg-deb --fsys-tarfile \"$1\" | tar --list";
            let files = run(command("sh").args(["-euc", list, "sh"]).arg(&archive))?;
            let absolute = |path: &str| {
                path.trim_start_matches('.')
                    .trim_end_matches('/')
                    .to_owned()
            };
            package.files = files
                .lines()
                .map(absolute)
                .filter(|path| !path.is_empty())
                .collect();
            run(command("dpkg-deb")
                .arg("--extract")
                .args([archive.as_path(), into]))?;
            packages.push(package);
        }
        // On a host they would find /lib below /usr.
        let (lib, usr) = (into.join("lib"), into.join("usr"));
        run(command("cp").arg("--archive").args([&lib, &usr]))?;
        fs::remove_dir_all(lib)?;
        packages.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(packages)
    }
}

const FORMAT: &str = "${Package}\t${Version}\t${Architecture}\n";

fn package(line: &str) -> Result<Package, Failure> {
    let mut fields = line.split('\t');
    let mut next = || fields.next().ok_or_else(|| format!("dpkg says `{line}`"));
    Ok(Package {
        name: next()?.to_owned(),
        version: next()?.to_owned(),
        is_noarch: next()? == "all",
        files: Vec::new(),
        conffiles: BTreeSet::new(),
    })
}

fn lines_of(text: &str) -> BTreeSet<String> {
    // `remove-on-upgrade` stands before the path of a file that is no more.
    let paths = text.lines().filter(|line| line.starts_with('/'));
    paths.map(str::to_owned).collect()
}
