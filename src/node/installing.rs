//! The mark under which packages are installed.
//!
//! What packages' scripts write (accounts, links, caches, generated
//! certificates) nobody flushes to the disk, while dpkg's status, which it does
//! flush, says `installed`; and new packages are unpacked without any
//! flushing, which takes longer than all the rest. So a mark is on the disk
//! before the first package and goes only when everything is on the disk. A
//! machine that went down in between finds the mark: then the manager's records
//! are not believed, and the whole closure is installed again.
//!
//! A run that was ended without its machine has lost nothing: what it wrote is
//! still to come to the disk. The mark therefore names the boot. dpkg's records
//! say how far each package came then; rpm's do not, so what it was installing
//! is installed again in either case.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bundles::RoleBundle;
use super::durable::{self, Rights};
use super::host::{Host, read_if_there, read_json};
use super::packages::{self, PackageManager};
use super::records;
use super::stop::Stop;

const FILE: &str = "installing.json";
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Every folder that may be a file system of its own and that packages write to.
const WRITTEN: [&str; 11] = [
    "/",
    "/boot",
    "/etc",
    "/home",
    "/opt",
    "/root",
    "/srv",
    "/usr",
    "/var",
    "/var/lib/dpkg",
    "/var/lib/rpm",
];

/// `/var/lib/pgbundle/installing.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Whose packages: the generation of the identity.
    pub generation: u64,
    /// The boot in which they were last being installed.
    boot: String,
    /// Whether the machine went down in between, once at least.
    cut: bool,
    /// Files below `/etc` that were empty before.
    pub empty: BTreeSet<PathBuf>,
    /// The packages of the closure that the host had before, and their versions.
    pub had: BTreeMap<String, String>,
}

/// How far an earlier run came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// No mark: nothing, or everything.
    Whole,
    /// It was ended in this boot; the page cache has all that it wrote.
    Ended(Mark),
    /// The machine went down: only what was flushed is there.
    Cut(Mark),
}

/// What an earlier run left.
pub fn left(host: &Host) -> Result<Left, Stop> {
    let Some(mark) = read_json::<Mark>(&host.state(FILE))? else {
        return Ok(Left::Whole);
    };
    let is_same = boot(host)?.is_some_and(|boot| boot == mark.boot);
    Ok(if mark.cut || !is_same {
        Left::Cut(mark)
    } else {
        Left::Ended(mark)
    })
}

/// Which boot this is; none where the kernel does not say.
fn boot(host: &Host) -> Result<Option<String>, Stop> {
    let id = read_if_there(&host.path(BOOT))?;
    Ok(id.map(|id| String::from_utf8_lossy(&id).trim().to_owned()))
}

/// Everything that packages write to, held open: a disk that fails while they
/// are written tells it to who had it open before (syncfs(2)).
pub struct Installing<'a> {
    host: &'a Host<'a>,
    systems: Vec<(PathBuf, File)>,
}

impl<'a> Installing<'a> {
    /// Puts the mark on the disk. What an earlier mark remembers stays remembered:
    /// nothing since then is on the disk for sure.
    pub fn begin(
        host: &'a Host<'a>,
        generation: u64,
        left: &Left,
        bundles: &[RoleBundle],
    ) -> Result<Self, Stop> {
        let boot = boot(host)?.unwrap_or_default();
        let mark = match left {
            Left::Cut(mark) | Left::Ended(mark) => Mark {
                generation,
                boot,
                cut: matches!(left, Left::Cut(_)),
                ..mark.clone()
            },
            Left::Whole => Mark {
                generation,
                boot,
                cut: false,
                empty: empty_files(&host.path("/etc"))?,
                had: had(host, bundles)?,
            },
        };
        if let (Left::Whole, Some(manager)) = (left, PackageManager::of_all(bundles)) {
            records::keep(host, manager)?;
        }
        let bytes = serde_json::to_vec_pretty(&mark)
            .map_err(|fault| Stop::World(format!("`/etc` has a name that is no text: {fault}")))?;
        let systems = file_systems(host)?;
        durable::write(&host.state(FILE), &bytes, Rights::own(0o600))?;
        Ok(Self { host, systems })
    }

    /// Puts everything on the disk and takes the mark away.
    pub fn end(self) -> Result<(), Stop> {
        rustix::fs::sync();
        for (path, system) in &self.systems {
            rustix::fs::syncfs(system).map_err(|fault| {
                Stop::World(format!(
                    "the packages cannot be put on the disk of `{}`: {fault}; they are installed again",
                    path.display()
                ))
            })?;
        }
        durable::remove(&self.host.state(FILE))?;
        records::forget(self.host)
    }
}

fn had(host: &Host, bundles: &[RoleBundle]) -> Result<BTreeMap<String, String>, Stop> {
    let Some(manager) = PackageManager::of_all(bundles) else {
        return Ok(BTreeMap::new());
    };
    let entries = packages::entries(bundles);
    let installed = manager.installed(host)?.into_iter();
    let is_ours = |(name, _): &(String, String)| entries.iter().any(|entry| entry.name == *name);
    Ok(installed.filter(is_ours).collect())
}

/// Each file system once.
fn file_systems(host: &Host) -> Result<Vec<(PathBuf, File)>, Stop> {
    let (mut systems, mut seen) = (Vec::new(), BTreeSet::new());
    let own = host.state("");
    let written = WRITTEN.iter().map(|path| host.path(path));
    for path in written.chain([own]).filter(|path| path.is_dir()) {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.dev(), file)));
        let (device, file) = opened
            .map_err(|fault| Stop::World(format!("cannot open `{}`: {fault}", path.display())))?;
        if seen.insert(device) {
            systems.push((path, file));
        }
    }
    Ok(systems)
}

/// The plain files below a folder that hold nothing.
pub fn empty_files(folder: &Path) -> Result<BTreeSet<PathBuf>, Stop> {
    let (mut empty, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let told = |fault| Stop::World(format!("cannot list `{}`: {fault}", folder.display()));
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => continue,
            Err(fault) => return Err(told(fault)),
        };
        for entry in entries {
            let path = entry.map_err(told)?.path();
            // What goes meanwhile is not empty.
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() && metadata.len() == 0 {
                empty.insert(path);
            }
        }
    }
    Ok(empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn a_boot_that_ended_in_between_is_remembered_until_all_is_on_the_disk() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let boot = |id: &str| {
            durable::write(&host.path(BOOT), id.as_bytes(), Rights::own(0o644)).unwrap();
        };
        boot("one\n");
        durable::write(
            &host.path(records::STATUS),
            b"Package: a\n",
            Rights::own(0o644),
        )
        .unwrap();
        assert_eq!(left(&host).unwrap(), Left::Whole);
        drop(Installing::begin(&host, 1, &Left::Whole, &[]).unwrap());
        assert!(matches!(left(&host).unwrap(), Left::Ended(_)));
        boot("two\n");
        let cut = left(&host).unwrap();
        assert!(matches!(cut, Left::Cut(_)));
        drop(Installing::begin(&host, 1, &cut, &[]).unwrap());
        // Still cut: a run of the same boot has not mended what the last boot lost.
        let cut = left(&host).unwrap();
        assert!(matches!(cut, Left::Cut(_)));
        Installing::begin(&host, 1, &cut, &[])
            .unwrap()
            .end()
            .unwrap();
        assert_eq!(left(&host).unwrap(), Left::Whole);
        assert!(!host.state(records::STATUS_BEFORE).exists());
    }

    #[test]
    fn where_the_kernel_names_no_boot_the_worst_is_taken_for_true() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        drop(Installing::begin(&host, 1, &Left::Whole, &[]).unwrap());
        assert!(matches!(left(&host).unwrap(), Left::Cut(_)));
    }

    #[test]
    fn what_was_empty_before_is_known() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        for (path, text) in [("/etc/a/flag", ""), ("/etc/full", "x")] {
            durable::write(&host.path(path), text.as_bytes(), Rights::own(0o644)).unwrap();
        }
        drop(Installing::begin(&host, 1, &Left::Whole, &[]).unwrap());
        let Left::Cut(mark) = left(&host).unwrap() else {
            panic!("no mark")
        };
        assert_eq!(Vec::from_iter(mark.empty), [host.path("/etc/a/flag")]);
    }
}
