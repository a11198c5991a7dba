//! Whether the host's file systems have room, asked before each part of the
//! work that fills them. What lies on one file system is added up.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use super::bundles::{self, RoleBundle};
use super::files;
use super::host::{Host, STATE};
use super::installing::{self, Left};
use super::marker;
use super::packages::{PackageManager, names};
use super::python;
use super::stop::Stop;
use crate::seed::identity::Identity;

/// What an empty data folder must at least find: initdb and a few segments of
/// PostgreSQL's WAL, or etcd's log and snapshots, without the data of anybody.
const DATA_MIB: u64 = 512;
/// What the package manager needs beside the packages (its lists, its log).
const PACKAGES_MIB: u64 = 64;

/// Room that something takes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Want {
    what: String,
    place: PathBuf,
    mib: u64,
}

/// Refuses where the bundles that are still to come would not fit: each lies
/// there twice for a while, packed and unpacked.
pub fn for_bundles(host: &Host, identity: &Identity) -> Result<(), Stop> {
    let missing = bundles::missing(host, identity);
    let sizes = missing.iter().map(|pinned| pinned.file.size);
    let bytes = sizes.fold(0, u64::saturating_add).saturating_mul(2);
    if bytes == 0 {
        return Ok(());
    }
    let want = Want {
        what: "the bundles, packed and unpacked".to_owned(),
        place: host.path(STATE),
        mib: bytes.div_ceil(1 << 20),
    };
    match faults_of(&[want])? {
        faults if faults.is_empty() => Ok(()),
        faults => Err(Stop::Refused(faults)),
    }
}

/// What is missing for the packages and for data folders that are still empty.
pub fn faults(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
    let mut wants = Vec::new();
    for data in files::data_folders(bundles) {
        let place = data.path.under(&host.root);
        // A full disk is no reason to keep a node that has data from starting.
        if marker::is_empty(&place) {
            wants.push(Want {
                what: format!("the data in `{}`", data.path),
                place,
                mib: DATA_MIB,
            });
        }
    }
    // What was cut off has its room already.
    if let Some(manager) = PackageManager::of_all(bundles)
        && installing::left(host)? == Left::Whole
        && !is_installed(host, manager, bundles)?
    {
        wants.push(Want {
            what: "the packages".to_owned(),
            place: host.path("/usr"),
            mib: manager.installed_kib(host, bundles)? / 1024 + PACKAGES_MIB,
        });
    }
    for (place, bytes) in python::to_be_made(host, bundles)? {
        wants.push(Want {
            what: format!("the Python environment `{}`", place.display()),
            place,
            mib: bytes.div_ceil(1 << 20),
        });
    }
    faults_of(&wants)
}

fn is_installed(
    host: &Host,
    manager: PackageManager,
    bundles: &[RoleBundle],
) -> Result<bool, Stop> {
    let installed = manager.installed(host)?;
    Ok(names(bundles)
        .iter()
        .all(|name| installed.iter().any(|(have, _)| have == name)))
}

/// One fault for each file system that is too small for what is wanted of it.
fn faults_of(wants: &[Want]) -> Result<Vec<String>, Stop> {
    let mut systems: BTreeMap<u64, Vec<&Want>> = BTreeMap::new();
    for want in wants {
        let place = standing(&want.place);
        let metadata = fs::metadata(place).map_err(|fault| unasked(place, &fault))?;
        systems.entry(metadata.dev()).or_default().push(want);
    }
    let mut faults = Vec::new();
    for wants in systems.values() {
        let place = standing(&wants[0].place);
        faults.extend(too_little(free_mib(place)?, place, wants));
    }
    Ok(faults)
}

/// The part of a path that is there already: what is made below lies on its file system.
fn standing(path: &Path) -> &Path {
    let there = path.ancestors().find(|path| path.exists());
    there.unwrap_or(Path::new("/"))
}

fn free_mib(place: &Path) -> Result<u64, Stop> {
    let system = statvfs(place).map_err(|fault| unasked(place, &fault))?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize) >> 20)
}

fn unasked(place: &Path, fault: &dyn std::fmt::Display) -> Stop {
    Stop::World(format!(
        "cannot ask `{}` for its space: {fault}",
        place.display()
    ))
}

fn too_little(free: u64, place: &Path, wants: &[&Want]) -> Option<String> {
    let needed = wants
        .iter()
        .map(|want| want.mib)
        .fold(0, u64::saturating_add);
    let parts = wants
        .iter()
        .map(|want| format!("{} MiB for {}", want.mib, want.what));
    (free < needed).then(|| {
        format!(
            "the file system of `{}` has {free} MiB left, {needed} MiB are needed ({}): make room there, or give this host a larger disk",
            place.display(),
            parts.collect::<Vec<_>>().join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::identity::tests::example;
    use crate::node::narrator::Narrator;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn what_lies_on_one_file_system_is_added_up() {
        let root = tempfile::tempdir().unwrap();
        let want = |what: &str, path: &str, mib| Want {
            what: what.to_owned(),
            place: root.path().join(path),
            mib,
        };
        let free = free_mib(root.path()).unwrap();
        let two = [want("a", "a/b", free / 2), want("b", "b", free)];
        assert_eq!(faults_of(&two[..1]).unwrap(), Vec::<String>::new());
        let faults = faults_of(&two).unwrap();
        assert_eq!(faults.len(), 1, "{faults:?}");
        let told = too_little(99, Path::new("/var"), &[&two[0], &two[1]]).unwrap();
        let expected = format!(
            "the file system of `/var` has 99 MiB left, {} MiB are needed ({} MiB for a, {free} MiB for b)",
            free / 2 + free,
            free / 2
        );
        assert!(told.starts_with(&expected), "{told}");
        assert_eq!(too_little(7, Path::new("/"), &[&want("c", "c", 7)]), None);
    }

    #[test]
    fn space_is_asked_before_any_bundle_is_brought() {
        let (root, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(root.path());
        let mut identity = example();
        let pinned = serde_json::json!({
            "role": "etcd",
            "file": {"path": "bundles/etcd.tar.gz", "size": 1u64 << 62, "sha256": "0".repeat(64)},
        });
        identity.bundles = vec![serde_json::from_value(pinned).unwrap()];
        let mut narrator = Narrator::new(&host);
        let patience = Some(std::time::Duration::ZERO);
        let refused = bundles::bring_all(&host, &mut narrator, &identity, patience).unwrap_err();
        assert!(matches!(refused, Stop::Refused(_)), "{refused}");
        assert!(refused.to_string().contains("for the bundles"), "{refused}");
    }
}
