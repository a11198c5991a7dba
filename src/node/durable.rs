//! What a host adds to [`atomic`]: owners, links, and folders made on the way.
//!
//! The promise is the same: content first, then the name, each on the disk
//! before the next, so that a cut leaves the old or the new.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown, fchown, symlink};
use std::path::Path;

use crate::base::atomic::{self, AtomicError, AtomicFile, failed, parent_of, remove_if_there};

/// Owner, group and permission bits of something on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// User and group; none: those of the running program.
    pub owner: Option<(u32, u32)>,
    /// Permission bits.
    pub mode: u32,
}

impl Rights {
    /// The running program's own, with `mode`.
    pub const fn own(mode: u32) -> Self {
        Self { owner: None, mode }
    }
}

/// Replaces `path` by `bytes`; what others see is the old content or the new.
pub fn write(path: &Path, bytes: &[u8], rights: Rights) -> Result<(), AtomicError> {
    make_parents(path)?;
    let mut file = AtomicFile::create_anew(path, rights.mode)?;
    give(file.file(), rights).map_err(failed("give an owner to", path))?;
    file.write_all(bytes).map_err(failed("write", path))?;
    file.commit()
}

/// The owner comes before the content: a secret is never another's to read.
fn give(file: &File, rights: Rights) -> io::Result<()> {
    match rights.owner {
        Some((user, group)) => fchown(file, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// Points the name `path` at `target`, replacing what stood there.
pub fn link(path: &Path, target: &Path) -> Result<(), AtomicError> {
    make_parents(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.pgbundle-new"));
    remove_if_there(&new)
        .and_then(|()| symlink(target, &new))
        .map_err(failed("make a link beside", path))?;
    rename(&new, path)
}

/// Makes a folder with just these rights; its parents with 0755 where absent.
pub fn folder(path: &Path, rights: Rights) -> Result<(), AtomicError> {
    make_parents(path)?;
    if !path.is_dir() {
        fs::create_dir(path).map_err(failed("make the folder", path))?;
    }
    own(path, rights).map_err(failed("set the rights of", path))?;
    atomic::sync_folder(path)?;
    atomic::sync_folder(parent_of(path))
}

fn own(path: &Path, rights: Rights) -> io::Result<()> {
    if let Some((user, group)) = rights.owner {
        chown(path, Some(user), Some(group))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(rights.mode))
}

fn make_parents(path: &Path) -> Result<(), AtomicError> {
    match parent_of(path) {
        parent if parent.exists() => Ok(()),
        parent => folder(parent, Rights::own(0o755)),
    }
}

/// Gives a finished file or folder its name; the caller has synced what is in it.
pub fn rename(from: &Path, to: &Path) -> Result<(), AtomicError> {
    fs::rename(from, to).map_err(failed("rename to", to))?;
    atomic::sync_folder(parent_of(to))
}

/// Removes a file if it is there.
pub fn remove(path: &Path) -> Result<(), AtomicError> {
    if fs::symlink_metadata(path).is_ok() {
        remove_if_there(path).map_err(failed("remove", path))?;
        atomic::sync_folder(parent_of(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_a_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/secret");
        write(&path, b"old", Rights::own(0o644)).unwrap();
        let left = path.with_file_name(".secret.pgbundle-new");
        fs::write(left, "left by a power cut").unwrap();
        write(&path, b"new", Rights::own(0o600)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_takes_the_place_of_a_mask() {
        let folder = tempfile::tempdir().unwrap();
        let unit = folder.path().join("etcd.service");
        link(&unit, Path::new("/dev/null")).unwrap();
        write(&unit, b"[Unit]\n", Rights::own(0o644)).unwrap();
        assert!(!fs::symlink_metadata(&unit).unwrap().is_symlink());
        remove(&unit).unwrap();
        remove(&unit).unwrap();
    }
}
