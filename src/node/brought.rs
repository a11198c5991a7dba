//! What this program brought to the host: the way back, for `uninstall`.
//!
//! Each entry is on the disk before the change that it is about, and the first
//! one about a thing stays: a later generation changes what is there, not what
//! was there before. So a host that was cut off anywhere knows its way back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::block;
use super::durable::{self, Rights};
use super::host::{Host, read_if_there, read_json};
use super::stop::Stop;
use crate::base::{NodePath, SchemaVersion};

/// The record, below `/var/lib/pgbundle`.
pub const FILE: &str = "brought.json";
/// Files as they were before, by their paths, below `/var/lib/pgbundle`.
pub const KEPT: &str = "before";

/// `/var/lib/pgbundle/brought.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brought {
    /// Format of this file.
    pub format: SchemaVersion<1>,
    /// The bundles' packages by name: the version that the host had before;
    /// none where it had none, and the package is ours to take away.
    pub packages: BTreeMap<String, Option<String>>,
    /// What was at the place of each file.
    pub files: BTreeMap<NodePath, Before>,
    /// Folders that were not there.
    pub folders: BTreeSet<NodePath>,
    /// Units that nobody had masked.
    pub masked: BTreeSet<String>,
    /// Units that did not start at boot.
    pub enabled: BTreeSet<String>,
}

/// What was at the place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "was")]
pub enum Before {
    /// Nothing.
    Absent,
    /// A plain file; its content is kept in [`KEPT`].
    Kept {
        /// Its owner's number.
        user: u32,
        /// Its group's number.
        group: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// A file that others write, too, into which a marked block was put.
    Shared,
}

impl Brought {
    /// The record; empty where nothing was brought yet.
    pub fn read(host: &Host) -> Result<Self, Stop> {
        Ok(Self::existing(host)?.unwrap_or_default())
    }

    /// The record, where there is one.
    pub fn existing(host: &Host) -> Result<Option<Self>, Stop> {
        read_json(&host.state(FILE))
    }

    /// Puts it on the disk.
    pub fn write(&self, host: &Host) -> Result<(), Stop> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a record has only text keys");
        bytes.push(b'\n');
        Ok(durable::write(
            &host.state(FILE),
            &bytes,
            Rights::own(0o600),
        )?)
    }

    /// Whether the package came with us.
    pub fn is_ours(&self, package: &str) -> bool {
        matches!(self.packages.get(package), Some(None))
    }

    /// Remembers what is, or is not, at the places of files that are about to be
    /// written; the last word of each says whether others write it, too.
    pub fn before_files<'p>(
        &mut self,
        host: &Host,
        files: impl IntoIterator<Item = (&'p NodePath, bool)>,
    ) -> Result<(), Stop> {
        for (path, is_shared) in files {
            if self.files.contains_key(path) {
                continue;
            }
            self.before_parents(host, path)?;
            let before = if is_shared {
                Before::Shared
            } else {
                keep(host, path)?
            };
            self.files.insert(path.clone(), before);
        }
        Ok(())
    }

    /// Remembers those of a folder and its parents that are not there.
    pub fn before_folder(&mut self, host: &Host, folder: &NodePath) -> Result<(), Stop> {
        self.before_parents(host, folder)?;
        self.before_one_folder(host, folder.clone())
    }

    /// Remembers those of the folders on the way to a path that are not there.
    pub fn before_parents(&mut self, host: &Host, path: &NodePath) -> Result<(), Stop> {
        let mut folders = parents(path).into_iter();
        folders.try_for_each(|folder| self.before_one_folder(host, folder))
    }

    fn before_one_folder(&mut self, host: &Host, folder: NodePath) -> Result<(), Stop> {
        let place = folder.under(&host.root);
        match fs::symlink_metadata(&place) {
            Ok(_) => Ok(()),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                self.folders.insert(folder);
                Ok(())
            }
            Err(fault) => Err(unreadable(&place, &fault)),
        }
    }

    /// Gives every file back as it was, and takes our folders away where they are
    /// empty. What was done stays in the record until all of it is.
    pub fn give_files_back(&mut self, host: &Host) -> Result<usize, Stop> {
        for (path, before) in &self.files {
            give_back(host, path, *before)?;
        }
        let count = std::mem::take(&mut self.files).len();
        self.take_folders_away(host)?;
        self.write(host)?;
        let kept = host.state(KEPT);
        if kept.exists() {
            durable::remove_tree(&kept)?;
        }
        Ok(count)
    }

    /// Removes those of our folders that are empty; those that are not, or not
    /// yet, stay in the record.
    pub fn take_folders_away(&mut self, host: &Host) -> Result<(), Stop> {
        // The deepest first: a parent's path is the beginning of its child's.
        for path in self.folders.iter().rev().cloned().collect::<Vec<_>>() {
            if is_gone(&path.under(&host.root))? {
                self.folders.remove(&path);
            }
        }
        Ok(())
    }

    /// Gives some of the files back as they were.
    pub fn give_back_these(&mut self, host: &Host, paths: &BTreeSet<NodePath>) -> Result<(), Stop> {
        for path in paths {
            if let Some(before) = self.files.get(path) {
                give_back(host, path, *before)?;
            }
        }
        self.files.retain(|path, _| !paths.contains(path));
        self.write(host)?;
        for path in paths {
            durable::remove(&kept_path(host, path))?;
        }
        Ok(())
    }

    /// Whether nothing of it is left on the host.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The folders on the way to a path, the outermost first.
fn parents(path: &NodePath) -> Vec<NodePath> {
    let text = path.as_str();
    let ends = text.match_indices('/').map(|(end, _)| end).skip(1);
    ends.filter_map(|end| text[..end].parse().ok()).collect()
}

fn kept_path(host: &Host, path: &NodePath) -> PathBuf {
    path.under(&host.state(KEPT))
}

fn keep(host: &Host, path: &NodePath) -> Result<Before, Stop> {
    let place = path.under(&host.root);
    let metadata = match fs::symlink_metadata(&place) {
        Ok(metadata) if metadata.is_file() => metadata,
        // A link (a mask) gives way to a file, as a place without one does.
        Ok(_) => return Ok(Before::Absent),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Before::Absent),
        Err(fault) => return Err(unreadable(&place, &fault)),
    };
    let content = read_if_there(&place)?.unwrap_or_default();
    durable::write(&kept_path(host, path), &content, Rights::own(0o600))?;
    Ok(Before::Kept {
        user: metadata.uid(),
        group: metadata.gid(),
        mode: metadata.mode() & 0o7777,
    })
}

fn give_back(host: &Host, path: &NodePath, before: Before) -> Result<(), Stop> {
    let place = path.under(&host.root);
    match before {
        Before::Absent => Ok(durable::remove(&place)?),
        Before::Kept { user, group, mode } => {
            let kept = kept_path(host, path);
            let content = read_if_there(&kept)?.ok_or_else(|| {
                Stop::World(format!(
                    "`{}`, which `{path}` was before, is gone: put a file there, or remove its entry from `{}`",
                    kept.display(),
                    host.state(FILE).display()
                ))
            })?;
            let owner = Some((user, group));
            Ok(durable::write(&place, &content, Rights { owner, mode })?)
        }
        Before::Shared => {
            let Some(text) = read_if_there(&place)? else {
                return Ok(());
            };
            let metadata =
                fs::symlink_metadata(&place).map_err(|fault| unreadable(&place, &fault))?;
            let rights = Rights {
                owner: Some((metadata.uid(), metadata.gid())),
                mode: metadata.mode() & 0o7777,
            };
            let text = block::without_block(&String::from_utf8_lossy(&text));
            Ok(durable::write(&place, text.as_bytes(), rights)?)
        }
    }
}

/// Removes a folder that is empty; true when it is not there any more.
fn is_gone(path: &Path) -> Result<bool, Stop> {
    match fs::remove_dir(path) {
        Ok(()) => Ok(true),
        Err(fault) => match fault.kind() {
            io::ErrorKind::NotFound => Ok(true),
            // What others put there is theirs.
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => Ok(false),
            _ => Err(Stop::World(format!(
                "cannot remove `{}`: {fault}",
                path.display()
            ))),
        },
    }
}

fn unreadable(path: &Path, fault: &io::Error) -> Stop {
    Stop::World(format!("cannot read `{}`: {fault}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn files_come_back_as_they_were_the_first_time() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let path = |text: &str| text.parse::<NodePath>().unwrap();
        let [old, new, shared] = ["/etc/a/old.conf", "/opt/b/c/new.conf", "/etc/hosts"].map(path);
        let lay = |path: &NodePath, text: &str, mode| {
            durable::write(&path.under(&host.root), text.as_bytes(), Rights::own(mode)).unwrap();
        };
        lay(&old, "theirs", 0o640);
        lay(&shared, "127.0.0.1 localhost\n", 0o644);
        for generation in ["one", "two"] {
            let mut brought = Brought::read(&host).unwrap();
            let files = [(&old, false), (&new, false), (&shared, true)];
            brought.before_files(&host, files).unwrap();
            brought.write(&host).unwrap();
            lay(&old, generation, 0o600);
            lay(&new, generation, 0o600);
            let text = fs::read_to_string(shared.under(&host.root)).unwrap();
            lay(&shared, &block::with_block(&text, generation), 0o644);
        }
        // What others put beside ours stays, and the folder with it.
        lay(&path("/opt/b/theirs"), "", 0o644);
        let mut brought = Brought::existing(&host).unwrap().unwrap();
        // Cut off in the middle: the second time does no harm.
        give_back(&host, &old, brought.files[&old]).unwrap();
        assert_eq!(brought.give_files_back(&host).unwrap(), 3);
        let read = |path: &NodePath| fs::read_to_string(path.under(&host.root)).unwrap();
        assert_eq!(read(&old), "theirs");
        let mode = fs::metadata(old.under(&host.root)).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o640);
        assert_eq!(read(&shared), "127.0.0.1 localhost\n");
        assert!(!host.path("/opt/b/c").exists() && host.path("/opt/b/theirs").exists());
        let left = Brought::read(&host).unwrap();
        assert_eq!(left.folders, [path("/opt"), path("/opt/b")].into());
        assert!(!host.state(KEPT).exists());
    }
}
