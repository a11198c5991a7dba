//! Writes that survive a power cut: content first, then the name, each synced.
//!
//! rename(2) replaces a name atomically, but neither the content nor the new
//! name is on the disk before fsync(2) of the file and of its folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

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

/// A write that did not happen.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{path}`: {source}")]
pub struct NotWritten {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn naming<T>(result: io::Result<T>, action: &'static str, path: &Path) -> Result<T, NotWritten> {
    result.map_err(|source| NotWritten {
        action,
        path: path.to_owned(),
        source,
    })
}

/// Replaces `path` by `bytes`; what others see is the old content or the new.
pub fn write(path: &Path, bytes: &[u8], rights: Rights) -> Result<(), NotWritten> {
    make_parents(path)?;
    naming(write_beside(path, bytes, rights), "write", path)?;
    sync_parent(path)
}

fn write_beside(path: &Path, bytes: &[u8], rights: Rights) -> io::Result<()> {
    let new = beside(path);
    remove_if_there(&new)?;
    // 0600 until owner and content are right: a secret is never wider than its final mode.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    own(&new, rights)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn own(path: &Path, rights: Rights) -> io::Result<()> {
    if let Some((user, group)) = rights.owner {
        chown(path, Some(user), Some(group))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(rights.mode))
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.pgbundle-new"))
}

/// Points the name `path` at `target`, replacing what stood there.
pub fn link(path: &Path, target: &Path) -> Result<(), NotWritten> {
    make_parents(path)?;
    let new = beside(path);
    let linked = remove_if_there(&new)
        .and_then(|()| symlink(target, &new))
        .and_then(|()| fs::rename(&new, path));
    naming(linked, "link", path)?;
    sync_parent(path)
}

/// Makes a folder with just these rights; its parents with 0755 where absent.
pub fn folder(path: &Path, rights: Rights) -> Result<(), NotWritten> {
    make_parents(path)?;
    if !path.is_dir() {
        naming(fs::create_dir(path), "make the folder", path)?;
    }
    naming(own(path, rights), "set the rights of", path)?;
    sync_folder(path)?;
    sync_parent(path)
}

fn make_parents(path: &Path) -> Result<(), NotWritten> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.exists() => {
            folder(parent, Rights::own(0o755))
        }
        _ => Ok(()),
    }
}

/// Gives a finished file or folder its name; the caller has synced what is in it.
pub fn rename(from: &Path, to: &Path) -> Result<(), NotWritten> {
    naming(fs::rename(from, to), "rename to", to)?;
    sync_parent(to)
}

/// Removes a file if it is there.
pub fn remove(path: &Path) -> Result<(), NotWritten> {
    if fs::symlink_metadata(path).is_ok() {
        naming(remove_if_there(path), "remove", path)?;
        sync_parent(path)?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => Ok(()),
    }
}

/// Syncs everything below `folder`, so that renaming it is safe.
pub fn sync_tree(folder: &Path) -> Result<(), NotWritten> {
    for entry in naming(fs::read_dir(folder), "read", folder)? {
        let path = naming(entry, "read", folder)?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            naming(
                File::open(&path).and_then(|file| file.sync_all()),
                "sync",
                &path,
            )?;
        }
    }
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> Result<(), NotWritten> {
    naming(
        File::open(folder).and_then(|folder| folder.sync_all()),
        "sync",
        folder,
    )
}

fn sync_parent(path: &Path) -> Result<(), NotWritten> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_a_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/secret");
        write(&path, b"old", Rights::own(0o644)).unwrap();
        fs::write(beside(&path), "left by a power cut").unwrap();
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
