//! What a power cut in the middle of installing left, put right before the
//! packages are installed again.
//!
//! What a package manager does not flush is the content of packages and what
//! their scripts make; rpm does not flush all of its own records either. A file
//! whose content never came to the disk is empty, or ends too early.
//! Installing again replaces whatever belongs to a package, but not
//! - a *configuration file*: dpkg, ucf and rpm keep what is there for the
//!   operator's work. What is there is torn exactly when it is a beginning of
//!   what the package has, and shorter; it is taken away and comes back;
//! - what a script makes *where it is missing* (a certificate, a list): an
//!   empty file is not missing. Empty files that were not so before are taken
//!   away, below `/etc` alone: elsewhere an empty file is a sign among programs.

mod apt;
mod rpm;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bundles::RoleBundle;
use super::durable;
use super::host::{Host, read_if_there};
use super::installing::{Mark, empty_files};
use super::packages::PackageManager;
use super::stop::Stop;

/// Mends what can be, and says what it did.
pub fn mend(host: &Host, bundles: &[RoleBundle], mark: &Mark) -> Result<Vec<String>, Stop> {
    match PackageManager::of_all(bundles) {
        Some(PackageManager::Apt) => apt::mend(host, bundles, mark),
        Some(PackageManager::Rpm) => rpm::mend(host, bundles, mark),
        None => Ok(Vec::new()),
    }
}

/// How [`mend`] is said where nothing of it can be said in shell.
pub fn describe(manager: PackageManager) -> [&'static str; 3] {
    match manager {
        PackageManager::Apt => [
            "# only where the power was cut while packages were installed (/var/lib/pgbundle/installing.json is there):",
            "# an unreadable /var/lib/dpkg/status gives way to the copy from before, a file list that was cut off is removed,",
            "# and so are files below /etc that are empty since then, and configuration files that end too early",
        ],
        PackageManager::Rpm => [
            "# only where installing packages was cut off (/var/lib/pgbundle/installing.json is there):",
            "# where rpmdb --verifydb fails, rm -f /var/lib/rpm/__db.*; where it fails still, the database from before comes back;",
            "# files below /etc that are empty since then are removed, and configuration files that end too early",
        ],
    }
}

/// Takes away what is empty since then; `listed` is what packages are known by.
fn empty(
    host: &Host,
    before: &BTreeSet<PathBuf>,
    listed: &BTreeSet<PathBuf>,
) -> Result<Vec<String>, Stop> {
    let mut done = Vec::new();
    for path in empty_files(&host.path("/etc"))?.difference(before) {
        if listed.contains(path) {
            // Some packages have empty files; what is torn of them is known otherwise.
            continue;
        }
        durable::remove(path)?;
        done.push(format!("`{}` is empty since then: removed", path.display()));
    }
    Ok(done)
}

/// Takes away those of these configuration files that are a beginning of what
/// their package has, which lies unpacked in a folder.
fn torn(host: &Host, names: &[String], unpacked: &Path) -> Result<Vec<String>, Stop> {
    let mut done = Vec::new();
    for name in names {
        let (place, whole) = (host.path(name), unpacked.join(name.trim_start_matches('/')));
        if is_torn(&place, &whole)? {
            durable::remove(&place)?;
            done.push(format!(
                "`{name}` was cut off: removed, to be installed again"
            ));
        }
    }
    Ok(done)
}

fn is_torn(place: &Path, whole: &Path) -> Result<bool, Stop> {
    let Some(found) = durable::read(place).ok().flatten() else {
        // Missing, or something else than a plain file: not ours to judge.
        return Ok(false);
    };
    let whole = read_if_there(whole)?.unwrap_or_default();
    Ok(found.len() < whole.len() && whole.starts_with(&found))
}

/// The files of a folder that may be absent, in order.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Stop> {
    let told = |fault| Stop::World(format!("cannot list `{}`: {fault}", folder.display()));
    let mut paths = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry.map_err(told)?.path());
            }
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
        Err(fault) => return Err(told(fault)),
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::durable::Rights;
    use crate::node::installing::{Installing, Left, left};

    pub(super) fn lay(host: &Host, path: &str, text: &str) {
        durable::write(&host.path(path), text.as_bytes(), Rights::own(0o644)).unwrap();
    }

    pub(super) fn mark(host: &Host, bundles: &[RoleBundle]) -> Mark {
        drop(Installing::begin(host, 1, &Left::Whole, bundles).unwrap());
        match left(host).unwrap() {
            Left::Cut(mark) => mark,
            left => panic!("{left:?}"),
        }
    }

    #[test]
    fn a_configuration_file_is_torn_when_it_is_a_shorter_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let [place, whole] = ["place", "whole"].map(|name| folder.path().join(name));
        let verdict = |found: &str| {
            fs::write(&place, found).unwrap();
            is_torn(&place, &whole).unwrap()
        };
        fs::write(&whole, "one\ntwo\n").unwrap();
        assert!(verdict("") && verdict("one\nt"));
        assert!(!verdict("one\ntwo\n") && !verdict("mine\n"));
        assert!(!verdict("one\ntwo\nthree\n"));
    }
}
