//! What a power cut in the middle of installing left, put right before the
//! packages are installed again.
//!
//! dpkg flushes its own records; what it does not is the content of packages
//! and what their scripts make. A file whose content never came to the disk is
//! empty, or ends too early. Installing again replaces whatever belongs to a
//! package, but not
//! - a *configuration file*: dpkg and ucf keep what is there for the
//!   operator's work. What is there is torn exactly when it is a beginning of
//!   what the package has, and shorter; it is taken away and comes back;
//! - what a script makes *where it is missing* (a certificate, a list): an
//!   empty file is not missing. Empty files that were not so before are taken
//!   away, below `/etc` alone: elsewhere an empty file is a sign among programs.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bundles::RoleBundle;
use super::durable::{self, Rights};
use super::host::{Host, read_if_there};
use super::installing::{Mark, STATUS, STATUS_BEFORE, empty_files};
use super::packages;
use super::repository;
use super::stop::Stop;
use super::system::Call;

/// Mends what can be, and says what it did.
pub fn mend(host: &Host, bundles: &[RoleBundle], mark: &Mark) -> Result<Vec<String>, Stop> {
    let mut done = records(host)?;
    done.extend(lists(host, bundles)?);
    done.extend(empty(host, &mark.empty)?);
    done.extend(configuration(host)?);
    // apt reads its index again; what it made of the last reading may be torn.
    clear(&host.state("apt/cache"))?;
    Ok(done)
}

/// dpkg's list of packages, or the one from before.
fn records(host: &Host) -> Result<Vec<String>, Stop> {
    if packages::installed(host).is_ok_and(|installed| !installed.is_empty()) {
        return Ok(Vec::new());
    }
    let Some(before) = read_if_there(&host.state(STATUS_BEFORE))? else {
        return Err(Stop::World(format!(
            "dpkg's list of packages, `{STATUS}`, cannot be read since the power was cut, and there is no copy of it: bring back a copy from /var/backups, or make this host anew"
        )));
    };
    // Changes that were not yet merged into the list belong to the list that is lost.
    for change in entries(&host.path("/var/lib/dpkg/updates"))? {
        durable::remove(&change)?;
    }
    durable::write(&host.path(STATUS), &before, Rights::own(0o644))?;
    packages::installed(host)?;
    Ok(vec![format!(
        "`{STATUS}` could not be read: the list from before is back"
    )])
}

/// dpkg stops for good at a list of files that ends within a line, and goes on without one.
fn lists(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
    let mut done = Vec::new();
    for entry in packages::entries(bundles) {
        let names = [
            format!("{}.list", entry.name),
            format!("{}:{}.list", entry.name, entry.architecture),
        ];
        for path in names.map(|name| host.path("/var/lib/dpkg/info").join(name)) {
            let list = read_if_there(&path)?.unwrap_or_default();
            if list.last().is_some_and(|last| *last != b'\n') {
                durable::remove(&path)?;
                done.push(format!("`{}` was cut off: removed", path.display()));
            }
        }
    }
    Ok(done)
}

fn empty(host: &Host, before: &BTreeSet<PathBuf>) -> Result<Vec<String>, Stop> {
    let mut done = Vec::new();
    let listed = listed(host)?;
    for path in empty_files(&host.path("/etc"))?.difference(before) {
        if listed.contains(path) {
            // Some packages have empty files; `configuration` knows them.
            continue;
        }
        durable::remove(path)?;
        done.push(format!("`{}` is empty since then: removed", path.display()));
    }
    Ok(done)
}

/// Every path that a package is known by.
fn listed(host: &Host) -> Result<BTreeSet<PathBuf>, Stop> {
    let mut listed = BTreeSet::new();
    for path in entries(&host.path("/var/lib/dpkg/info"))? {
        if path.extension().is_some_and(|kind| kind == "list") {
            let list = read_if_there(&path)?.unwrap_or_default();
            let list = String::from_utf8_lossy(&list);
            listed.extend(list.lines().map(|line| host.path(line)));
        }
    }
    Ok(listed)
}

/// Takes away configuration files that are a beginning of what their package has.
fn configuration(host: &Host) -> Result<Vec<String>, Stop> {
    let unpacked = host.state("apt/unpacked");
    let mut done = Vec::new();
    for package in entries(&repository::folder(host).join("pool"))? {
        let names = conffiles(host, &package)?;
        if names.is_empty() {
            continue;
        }
        clear(&unpacked)?;
        let [from, to] = [&package, &unpacked].map(|path| path.display().to_string());
        let extract = Call::new("dpkg-deb", ["--extract", &from, &to]);
        host.system.run(&extract.within(packages::LONG))?;
        for name in names {
            let (place, whole) = (
                host.path(&name),
                unpacked.join(name.trim_start_matches('/')),
            );
            if is_torn(&place, &whole)? {
                durable::remove(&place)?;
                done.push(format!(
                    "`{name}` was cut off: removed, to be installed again"
                ));
            }
        }
    }
    clear(&unpacked)?;
    Ok(done)
}

/// The configuration files that a package names (deb-conffiles(5)).
fn conffiles(host: &Host, package: &Path) -> Result<Vec<String>, Stop> {
    let package = package.display().to_string();
    // It fails for a package that has none.
    let said = host
        .system
        .ask(&Call::new("dpkg-deb", ["--info", &package, "conffiles"]))?;
    let paths = said.output.lines().map(str::trim);
    Ok(if said.succeeded() {
        let is_path = |line: &&str| line.starts_with('/');
        paths.filter(is_path).map(str::to_owned).collect()
    } else {
        Vec::new()
    })
}

fn is_torn(place: &Path, whole: &Path) -> Result<bool, Stop> {
    let Some(found) = durable::read(place).ok().flatten() else {
        // Missing, or something else than a plain file: not ours to judge.
        return Ok(false);
    };
    let whole = read_if_there(whole)?.unwrap_or_default();
    Ok(found.len() < whole.len() && whole.starts_with(&found))
}

fn clear(folder: &Path) -> Result<(), Stop> {
    match fs::remove_dir_all(folder) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(Stop::World(format!(
            "cannot clear `{}`: {fault}",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// The files of a folder that may be absent, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Stop> {
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
    use crate::node::installing::{Installing, Left, left};
    use crate::node::system::recorded::Recorded;

    fn lay(host: &Host, path: &str, text: &str) {
        durable::write(&host.path(path), text.as_bytes(), Rights::own(0o644)).unwrap();
    }

    fn mark(host: &Host) -> Mark {
        drop(Installing::begin(host, 1, &Left::Whole, &[]).unwrap());
        match left(host).unwrap() {
            Left::Cut(mark) => mark,
            left => panic!("{left:?}"),
        }
    }

    #[test]
    fn a_list_of_packages_that_cannot_be_read_gives_way_to_the_one_from_before() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        system.answer("dpkg-query", 0, "ii a 1\n");
        lay(&host, STATUS, "Package: a\n");
        let mark = mark(&host);
        assert_eq!(mend(&host, &[], &mark).unwrap(), Vec::<String>::new());
        lay(&host, STATUS, "");
        lay(&host, "/var/lib/dpkg/updates/0001", "Package: b\nVers");
        // It is empty, so it lists nothing; the copy is readable.
        let list = host.path(STATUS);
        system.answer("dpkg-query", 0, "");
        let done = mend(&host, &[], &mark).unwrap();
        assert!(done[0].contains("the list from before is back"), "{done:?}");
        assert_eq!(fs::read(&list).unwrap(), b"Package: a\n");
        assert!(!host.path("/var/lib/dpkg/updates/0001").exists());
        durable::remove(&host.state(STATUS_BEFORE)).unwrap();
        let stop = mend(&host, &[], &mark).unwrap_err().to_string();
        assert!(stop.contains("/var/backups"), "{stop}");
    }

    #[test]
    fn what_is_empty_since_the_cut_goes_and_what_was_so_before_stays() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        system.answer("dpkg-query", 0, "ii a 1\n");
        lay(&host, "/etc/flag", "");
        let mark = mark(&host);
        lay(&host, "/etc/ssl/certificate.pem", "");
        lay(&host, "/etc/userlist.txt", "");
        lay(
            &host,
            "/var/lib/dpkg/info/a.list",
            "/etc\n/etc/userlist.txt\n",
        );
        let done = mend(&host, &[], &mark).unwrap();
        assert_eq!(done.len(), 1, "{done:?}");
        assert!(host.path("/etc/flag").exists() && host.path("/etc/userlist.txt").exists());
        assert!(!host.path("/etc/ssl/certificate.pem").exists());
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
