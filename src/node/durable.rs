//! What a host adds to [`crate::base::atomic`]: owners, links, and folders made on the way.
//!
//! The promise is the same: content first, then the name, each on the disk
//! before the next, so that a cut leaves the old or the new. All of it happens
//! in open handles ([`super::place`]): root works in folders of other users.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{Mode, OFlags, mkdirat, openat, renameat, symlinkat};
use rustix::io::Errno;

use super::place::Place;
use crate::base::atomic::{AtomicError, failed};

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

    /// The owner comes before the content: a secret is never another's to read.
    fn give(self, to: &File) -> io::Result<()> {
        if let Some((user, group)) = self.owner {
            fchown(to, Some(user), Some(group))?;
        }
        // What the umask took, and what a change of owner takes (chown(2)).
        to.set_permissions(Permissions::from_mode(self.mode))
    }
}

/// Replaces `path` by `bytes`; what others see is the old content or the new.
pub fn write(path: &Path, bytes: &[u8], rights: Rights) -> Result<(), AtomicError> {
    let place = Place::made(path)?;
    clear(&place)?;
    let filled = fill(&place, bytes, rights).and_then(|()| take_place(&place));
    if filled.is_err() {
        clear(&place)?;
    }
    filled
}

fn fill(place: &Place, bytes: &[u8], rights: Rights) -> Result<(), AtomicError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(rights.mode);
    let mut file = openat(place.folder(), place.beside(), flags, mode)
        .map(File::from)
        .map_err(failed("create a file beside", place.path()))?;
    let path = place.path();
    rights
        .give(&file)
        .map_err(failed("set the rights of", path))?;
    file.write_all(bytes).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("flush", path))
}

/// Removes what a cut left beside it, so that nothing piles up on a host.
fn clear(place: &Place) -> Result<(), AtomicError> {
    place
        .remove(&place.beside())
        .map_err(failed("remove what was left beside", place.path()))
}

fn take_place(place: &Place) -> Result<(), AtomicError> {
    let folder = place.folder();
    renameat(folder, place.beside(), folder, place.name())
        .map_err(failed("replace", place.path()))?;
    sync(place)
}

fn sync(place: &Place) -> Result<(), AtomicError> {
    place
        .sync()
        .map_err(failed("flush the folder of", place.path()))
}

/// Points the name `path` at `target`, replacing what stood there.
pub fn link(path: &Path, target: &Path) -> Result<(), AtomicError> {
    let place = Place::made(path)?;
    clear(&place)?;
    symlinkat(target, place.folder(), place.beside())
        .map_err(failed("make a link beside", path))?;
    take_place(&place)
}

/// Makes a folder with just these rights; its parents with 0755 where absent.
/// What is a link, or no folder, is left as it is and told.
pub fn folder(path: &Path, rights: Rights) -> Result<(), AtomicError> {
    let place = Place::made(path)?;
    match mkdirat(
        place.folder(),
        place.name(),
        Mode::from_raw_mode(rights.mode),
    ) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(fault) => return Err(failed("make the folder", path)(fault)),
    }
    let made = place
        .open_folder()
        .map_err(failed("open the folder", path))?;
    rights
        .give(&made)
        .and_then(|()| made.sync_all())
        .map_err(failed("set the rights of", path))?;
    sync(&place)
}

/// Gives a finished file or folder its name; the caller has synced what is in it.
pub fn rename(from: &Path, to: &Path) -> Result<(), AtomicError> {
    let (old, new) = (Place::made(from)?, Place::made(to)?);
    renameat(old.folder(), old.name(), new.folder(), new.name())
        .map_err(failed("rename to", to))?;
    sync(&new)
}

/// Removes a file if it is there.
pub fn remove(path: &Path) -> Result<(), AtomicError> {
    let Some(place) = Place::existing(path)? else {
        return Ok(());
    };
    place.remove(place.name()).map_err(failed("remove", path))?;
    sync(&place)
}

/// Removes a folder and what is in it, where it is there; no link is followed.
/// Not synced: what a cut brings back is removed again.
pub fn remove_tree(path: &Path) -> Result<(), AtomicError> {
    match std::fs::remove_dir_all(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(failed("remove", path)),
    }
}

/// Reads a file, which may be absent, from a folder that may be another's.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, AtomicError> {
    let Some(place) = Place::existing(path)? else {
        return Ok(None);
    };
    place.read().map_err(failed("read", path))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, chown, symlink};

    use rustix::process::geteuid;

    use super::*;

    #[test]
    fn a_link_in_place_of_a_folder_does_not_give_away_what_it_points_to() {
        let root = tempfile::tempdir().unwrap();
        let (etc, link) = (root.path().join("etc"), root.path().join("15"));
        fs::create_dir(&etc).unwrap();
        fs::set_permissions(&etc, Permissions::from_mode(0o755)).unwrap();
        symlink(&etc, &link).unwrap();
        let before = fs::metadata(&etc).unwrap();
        let rights = Rights {
            owner: Some((before.uid(), before.gid())),
            mode: 0o700,
        };
        let refused = folder(&link, rights).unwrap_err().to_string();
        assert!(refused.contains("is a link"), "{refused}");
        assert_eq!(fs::metadata(&etc).unwrap().mode(), before.mode());
        write(&root.path().join("victim"), b"mine", Rights::own(0o600)).unwrap();
        symlink("victim", root.path().join("file")).unwrap();
        assert!(read(&root.path().join("file")).is_err());
        write(&root.path().join("file"), b"new", Rights::own(0o644)).unwrap();
        assert_eq!(fs::read(root.path().join("victim")).unwrap(), b"mine");
    }

    #[test]
    fn below_a_folder_of_another_no_link_is_followed() {
        if !geteuid().is_root() {
            eprintln!("skipped: only root can make a folder of another");
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let (etc, home) = (root.path().join("etc"), root.path().join("postgresql"));
        fs::create_dir(&etc).unwrap();
        fs::create_dir(&home).unwrap();
        symlink(&etc, home.join("15")).unwrap();
        chown(&home, Some(65_534), Some(65_534)).unwrap();
        for refused in [
            write(&home.join("15/main.json"), b"{}", Rights::own(0o644)),
            folder(&home.join("15/main"), Rights::own(0o700)),
            remove(&home.join("15/passwd")),
        ] {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("`15` is a link"), "{refused}");
        }
        assert_eq!(fs::read_dir(&etc).unwrap().count(), 0);
        write(&home.join("16/main.json"), b"{}", Rights::own(0o644)).unwrap();
    }

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
