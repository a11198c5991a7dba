//! A name in a folder that is held open, for a program that is root in
//! folders that others own.
//!
//! Whoever owns a folder may put a link into it at any instant, also between a
//! question and the act that follows. So nothing here is done twice by path:
//! the folder is opened component by component, and all that follows happens
//! in its handle. A link is followed only where root (or whoever runs this)
//! alone could have put it, as `/var/run` is; below the first folder that is
//! another's none is, and never one in the last component.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, Stat, fstat, mkdirat, openat, readlinkat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::base::atomic::{AtomicError, failed};

/// As many links as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// A name in a folder that is held open.
pub struct Place {
    folder: OwnedFd,
    name: OsString,
    path: PathBuf,
}

/// What is done about folders that are not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    Make,
    Tell,
}

impl Place {
    /// The place of `path`; folders on the way are made with 0755 where absent.
    pub fn made(path: &Path) -> Result<Self, AtomicError> {
        Self::at(path, Absent::Make).map_err(failed("open the folder of", path))
    }

    /// The place of `path`; none where a folder on the way is absent.
    pub fn existing(path: &Path) -> Result<Option<Self>, AtomicError> {
        match Self::at(path, Absent::Tell) {
            Ok(place) => Ok(Some(place)),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(fault) => Err(failed("open the folder of", path)(fault)),
        }
    }

    fn at(path: &Path, absent: Absent) -> io::Result<Self> {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it has no name",
            ));
        };
        Ok(Self {
            folder: walk(parent, absent)?,
            name: name.to_owned(),
            path: path.to_owned(),
        })
    }

    /// The folder's handle.
    pub fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// The name in it.
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The path by which it was asked for, for messages alone.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A name beside it for what is being made; one writer at a time uses it.
    pub fn beside(&self) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(".pgbundle-new");
        name
    }

    /// Opens the folder of this name; a link is refused.
    pub fn open_folder(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.folder, &self.name, flags, Mode::empty()) {
            Ok(folder) => Ok(File::from(folder)),
            Err(_) if self.is_link() => Err(a_link("a folder")),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Reads the file of this name; none where there is none. A link is refused,
    /// and so is what is no plain file: a pipe would be waited for without end.
    pub fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match openat(&self.folder, &self.name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(_) if self.is_link() => return Err(a_link("a file")),
            Err(fault) => return Err(fault.into()),
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a plain file"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Removes the file or link `name` of the folder; that there is none is no fault.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Puts the folder's names on the disk.
    pub fn sync(&self) -> io::Result<()> {
        sync(&self.folder)
    }

    fn is_link(&self) -> bool {
        statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|found| is_link(&found))
    }
}

fn a_link(wanted: &str) -> io::Error {
    io::Error::other(format!(
        "it is a link, which is not followed here; put {wanted} in its place"
    ))
}

fn is_link(found: &Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::Symlink
}

/// A handle that only stands for a path cannot be flushed; its folder can.
fn sync(folder: &OwnedFd) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    File::from(openat(folder, ".", flags, Mode::empty())?).sync_all()
}

/// Opens a folder, one component after the other.
fn walk(path: &Path, absent: Absent) -> io::Result<OwnedFd> {
    let start = if path.is_absolute() { "/" } else { "." };
    let mut folder = enter(CWD, OsStr::new(start))?;
    let (mut rest, mut links) = (reversed(path), 0);
    while let Some(name) = rest.pop() {
        folder = match enter(&folder, &name) {
            Ok(next) => next,
            Err(Errno::NOENT) if absent == Absent::Make => make(&folder, &name)?,
            Err(Errno::NOTDIR) => {
                let target = followed(&folder, &name)?;
                links += 1;
                if links > LINKS {
                    return Err(Errno::LOOP.into());
                }
                rest.extend(reversed(&target));
                continue;
            }
            Err(fault) => return Err(fault.into()),
        };
    }
    Ok(folder)
}

fn reversed(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().map(Component::as_os_str);
    names.map(OsStr::to_owned).collect()
}

/// For a folder that may be passed through but not listed, as `postgres` finds some.
fn enter(folder: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}

fn make(folder: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    match mkdirat(folder, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = File::from(openat(folder, name, flags, Mode::empty())?);
            // What the umask of a strict unit took.
            made.set_permissions(Permissions::from_mode(0o755))?;
            made.sync_all()?;
        }
        Err(Errno::EXIST) => {}
        Err(fault) => return Err(fault.into()),
    }
    sync(folder)?;
    Ok(enter(folder, name)?)
}

/// Where a link points, if it is one that may be followed.
fn followed(folder: &OwnedFd, name: &OsStr) -> io::Result<PathBuf> {
    let link = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if !is_link(&link) {
        return Err(Errno::NOTDIR.into());
    }
    let name_shown = name.to_string_lossy();
    let holder = fstat(folder)?;
    if !is_ours_alone(holder.st_uid, holder.st_mode, link.st_uid) {
        return Err(io::Error::other(format!(
            "`{name_shown}` is a link in a folder that others may write, which is not followed; put a folder in its place"
        )));
    }
    let target = readlinkat(folder, name, Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}

/// Whether nobody but root, or whoever runs this, could have put the link there.
fn is_ours_alone(folder_owner: u32, folder_mode: u32, link_owner: u32) -> bool {
    let ours = |owner: u32| owner == 0 || owner == geteuid().as_raw();
    ours(folder_owner) && (folder_mode & 0o022 == 0 || ours(link_owner))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_of_our_own_is_followed_on_the_way_and_refused_at_the_end() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        symlink("run", root.path().join("var")).unwrap();
        fs::write(root.path().join("run/file"), "content").unwrap();
        let read = |path: &str| Place::made(&root.path().join(path)).unwrap().read();
        assert_eq!(read("var/file").unwrap().unwrap(), b"content");
        assert_eq!(read("var/absent").unwrap(), None);
        symlink("file", root.path().join("run/link")).unwrap();
        assert!(
            read("var/link")
                .unwrap_err()
                .to_string()
                .contains("is a link")
        );
        assert!(read("var").is_err());
        symlink("loop", root.path().join("loop")).unwrap();
        assert!(Place::made(&root.path().join("loop/file")).is_err());
    }

    #[test]
    fn a_link_that_another_could_have_made_is_not_ours() {
        let (me, other) = (geteuid().as_raw(), 4_000_000);
        assert!(is_ours_alone(me, 0o755, other));
        assert!(is_ours_alone(0, 0o1777, me));
        assert!(!is_ours_alone(0, 0o1777, other));
        assert!(!is_ours_alone(other, 0o755, me));
    }
}
