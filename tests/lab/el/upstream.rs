//! The repositories that `centos7` names, as far as a cluster needs them: laid
//! out and signed as theirs are, with Debian's programs in them.

use std::fs;
use std::path::{Path, PathBuf};

use super::debian::Debian;
use super::piece::{Package, Version, pieces};
use super::signing::Key;
use super::spec;
use crate::command::{Failure, command, run};

/// Made of several of Debian's packages, or with users, units and places of
/// Enterprise Linux: the Debian package that has the version, the spec, the
/// repository.
const COMPONENTS: &[(&str, &str, &str, &str)] = &[
    (
        "etcd-server",
        "etcd",
        include_str!("specs/etcd.spec"),
        EXTRAS,
    ),
    (
        "haproxy",
        "haproxy",
        include_str!("specs/haproxy.spec"),
        BASE,
    ),
    (
        "keepalived",
        "keepalived",
        include_str!("specs/keepalived.spec"),
        BASE,
    ),
    (
        "pgbouncer",
        "pgbouncer",
        include_str!("specs/pgbouncer.spec"),
        PGDG_COMMON,
    ),
    (
        "postgresql-15",
        "postgresql15",
        include_str!("specs/postgresql15.spec"),
        PGDG,
    ),
];

/// Beside those, what only Debian's way of packaging asks for.
const NOT_LIBRARIES: &[&str] = &[
    "etcd-client",
    "libjson-perl",
    "libllvm14",
    "libpq5",
    "libz3-4",
    "postgresql-client-15",
    "postgresql-client-common",
    "postgresql-common",
    "ssl-cert",
];

/// Where EPEL has it and CentOS not.
const EPELS: &[&str] = &["libc-ares2"];

const BASE: &str = "centos/7/os/x86_64";
const UPDATES: &str = "centos/7/updates/x86_64";
const EXTRAS: &str = "centos/7/extras/x86_64";
const EPEL: &str = "epel/7/x86_64";
pub const PGDG: &str = "yum/15/redhat/rhel-7-x86_64";
pub const PGDG_COMMON: &str = "yum/common/redhat/rhel-7-x86_64";

/// The profile's sources, each with its repository, and whether its list is signed.
pub const SOURCES: &[(&str, &str, bool)] = &[
    ("base", BASE, false),
    ("updates", UPDATES, false),
    ("extras", EXTRAS, false),
    ("epel", EPEL, false),
    ("pgdg", PGDG, true),
    ("pgdg-common", PGDG_COMMON, true),
];

/// Makes them below `mirror`.
pub fn make(debian: &Debian, folder: &Path, mirror: &Path, key: &Key) -> Result<(), Failure> {
    for (_, repository, _) in SOURCES {
        fs::create_dir_all(mirror.join(repository))?;
    }
    let unpacked = folder.join("more");
    let packages = debian.unpack_more(&unpacked)?;
    let named = |name: &str| packages.iter().find(|package| package.name == name);
    for (debian, name, text, repository) in COMPONENTS {
        let version = Version::of_debian(&named(debian).ok_or("a component is not there")?.version);
        let file = folder.join(format!("{name}.spec"));
        fs::write(&file, text)?;
        let defines = [
            ("its_version", version.version.as_str()),
            ("its_release", &format!("{}.el7", version.release)),
        ];
        spec::rpmbuild(&file, &unpacked, folder, &mirror.join(repository), &defines)?;
    }
    let is_component = |name: &str| COMPONENTS.iter().any(|(debian, ..)| *debian == name);
    let is_library = |package: &Package| {
        !is_component(&package.name) && !NOT_LIBRARIES.contains(&package.name.as_str())
    };
    let libraries: Vec<_> = packages.into_iter().filter(is_library).collect();
    // Who owns what is asked of the root that they would be installed in.
    fs::create_dir_all(unpacked.join("etc"))?;
    for file in ["etc/passwd", "etc/group"] {
        fs::copy(debian.root.join(file), unpacked.join(file))?;
    }
    let (epel, base): (Vec<_>, Vec<_>) = pieces(&libraries)
        .into_iter()
        .partition(|piece| EPELS.contains(&piece.name.as_str()));
    for (pieces, repository) in [(epel, EPEL), (base, BASE)] {
        spec::build(&unpacked, &pieces, folder, &mirror.join(repository))?;
    }
    publish(mirror, key)
}

fn publish(mirror: &Path, key: &Key) -> Result<(), Failure> {
    let mut packages = Vec::new();
    for (_, repository, _) in SOURCES {
        packages.extend(rpms(&mirror.join(repository))?);
    }
    key.sign_packages(&packages)?;
    for (_, repository, is_signed) in SOURCES {
        let repository = mirror.join(repository);
        run(command("createrepo_c").arg("--quiet").arg(&repository))?;
        if *is_signed {
            key.sign_beside(&repository.join("repodata/repomd.xml"))?;
        }
    }
    Ok(())
}

fn rpms(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    Ok(paths)
}
