//! Files and folders that appear whole or not at all.
//!
//! Everything is built beside its target under a temporary name, flushed to
//! the disk and renamed (rename(2) is atomic within a file system), so a
//! power cut leaves the old content or the new, never a half of either. What
//! is dropped without `commit` is removed.
//!
//! Files and folders have their mode from the first byte. Only where the umask took bits
//! that were asked for are they given back, before the rename.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::{Builder, NamedTempFile, TempDir};

use super::unfinished::Unfinished;

/// A file or folder could not be put in its place.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct AtomicError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl From<AtomicError> for io::Error {
    /// The system's reason alone, for whoever says better what was tried.
    fn from(error: AtomicError) -> Self {
        error.source
    }
}

/// Names what was tried and where in the fault of an input or output.
pub fn failed<E: Into<io::Error>>(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> AtomicError + use<E> {
    let path = path.to_owned();
    move |source| AtomicError {
        action,
        path,
        source: bare(source.into()),
    }
}

/// The system's own fault. tempfile adds a temporary name to it, which says
/// nothing to anyone, and hands the fault's number out in its text alone.
pub(crate) fn bare(fault: io::Error) -> io::Error {
    let text = fault.to_string();
    let number = text
        .split_once("(os error ")
        .and_then(|(_, rest)| rest.split_once(") at path "))
        .and_then(|(number, _)| number.parse().ok());
    number.map_or(fault, io::Error::from_raw_os_error)
}

/// The folder that holds the name `path`.
pub fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Writes `bytes` to `path` with exactly `mode`, replacing what is there.
pub fn write_file(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), AtomicError> {
    let mut file = AtomicFile::create(path, mode)?;
    file.write_all(bytes).map_err(failed("write", path))?;
    file.commit()
}

/// Makes the names in `folder` durable.
pub fn sync_folder(folder: &Path) -> Result<(), AtomicError> {
    File::open(folder)
        .and_then(|handle| handle.sync_all())
        .map_err(failed("flush the folder", folder))
}

/// A file being written beside its target.
pub struct AtomicFile {
    inner: NamedTempFile,
    target: PathBuf,
    mode: u32,
    _unfinished: Unfinished,
}

impl AtomicFile {
    /// Starts a file that will stand at `target` with exactly `mode`.
    pub fn create(target: &Path, mode: u32) -> Result<Self, AtomicError> {
        Self::named(Builder::new().prefix(".pgbundle-"), target, mode)
    }

    fn named(name: &mut Builder, target: &Path, mode: u32) -> Result<Self, AtomicError> {
        let name = name.permissions(Permissions::from_mode(mode));
        let (inner, _unfinished) = Unfinished::begin(|| name.tempfile_in(parent_of(target)))
            .map_err(failed("create a file beside", target))?;
        Ok(Self {
            inner,
            target: target.to_owned(),
            mode,
            _unfinished,
        })
    }

    /// The open file, to seek in it or to give it an owner.
    pub fn file(&self) -> &File {
        self.inner.as_file()
    }

    /// Flushes the file, gives it its name and flushes the folder.
    pub fn commit(self) -> Result<(), AtomicError> {
        let file = self.inner.as_file();
        restore_mode(file, self.mode).map_err(failed("set the mode of", &self.target))?;
        file.sync_all().map_err(failed("flush", &self.target))?;
        let target = self.target.clone();
        self.place()?;
        sync_folder(parent_of(&target))
    }

    /// Gives the file its name, inside of a folder that is flushed as a whole.
    pub fn place(self) -> Result<(), AtomicError> {
        let file = self.inner.as_file();
        restore_mode(file, self.mode).map_err(failed("set the mode of", &self.target))?;
        self.inner
            .persist(&self.target)
            .map_err(|refused| failed("replace", &self.target)(refused.error))?;
        Ok(())
    }
}

fn restore_mode(file: &File, mode: u32) -> io::Result<()> {
    let present = file.metadata()?.permissions().mode() & 0o7777;
    if present == mode {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(mode))
}

impl Write for AtomicFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.inner.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A folder being filled beside its target.
pub struct AtomicFolder {
    inner: TempDir,
    target: PathBuf,
    _unfinished: Unfinished,
}

impl AtomicFolder {
    /// Starts an empty folder that will stand at `target` with exactly `mode`.
    pub fn create(target: &Path, mode: u32) -> Result<Self, AtomicError> {
        let mut name = Builder::new();
        name.prefix(".pgbundle-")
            .permissions(Permissions::from_mode(mode));
        let (inner, _unfinished) = Unfinished::begin(|| name.tempdir_in(parent_of(target)))
            .map_err(failed("create a folder beside", target))?;
        File::open(inner.path())
            .and_then(|folder| restore_mode(&folder, mode))
            .map_err(failed("set the mode of", inner.path()))?;
        Ok(Self {
            inner,
            target: target.to_owned(),
            _unfinished,
        })
    }

    /// Where to put what the folder is to hold.
    pub fn path(&self) -> &Path {
        self.inner.path()
    }

    /// Flushes everything and takes the target's place; what stood there is removed.
    pub fn commit(self) -> Result<(), AtomicError> {
        flush_file_system(self.path())?;
        let parent = parent_of(&self.target).to_owned();
        // Another program may give the folder its name at any instant.
        while !self.take_the_name()? {}
        sync_folder(&parent)
    }

    /// Gives the folder its name; false where another was quicker.
    fn take_the_name(&self) -> Result<bool, AtomicError> {
        if self.target.symlink_metadata().is_ok() {
            return self.exchange();
        }
        match self.rename(RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // Network and overlay file systems may not know the flags.
            Err(Errno::INVAL | Errno::NOSYS) => {
                std::fs::rename(self.path(), &self.target)
                    .map_err(failed("create", &self.target))?;
                Ok(true)
            }
            Err(error) => Err(failed("create", &self.target)(error)),
        }
    }

    fn rename(&self, flags: RenameFlags) -> Result<(), Errno> {
        renameat_with(CWD, self.path(), CWD, &self.target, flags)
    }

    /// Swaps the two names in one step (renameat2(2)); the old content then
    /// lies under the temporary name, and goes with this value.
    fn exchange(&self) -> Result<bool, AtomicError> {
        match self.rename(RenameFlags::EXCHANGE) {
            Ok(()) => std::fs::remove_dir_all(self.path())
                .or_else(|_| std::fs::remove_file(self.path()))
                .map_err(failed("remove what was at", &self.target))
                .map(|()| true),
            Err(Errno::NOENT) => Ok(false),
            Err(Errno::INVAL | Errno::NOSYS) => self.step_aside().map(|()| true),
            Err(error) => Err(failed("replace", &self.target)(error)),
        }
    }

    fn step_aside(&self) -> Result<(), AtomicError> {
        let mut name = Builder::new();
        name.prefix(".pgbundle-");
        let (aside, _unfinished) = Unfinished::begin(|| name.tempdir_in(parent_of(&self.target)))
            .map_err(failed("create a folder beside", &self.target))?;
        std::fs::rename(&self.target, aside.path().join("old"))
            .map_err(failed("move aside", &self.target))?;
        std::fs::rename(self.path(), &self.target).map_err(failed("replace", &self.target))
    }
}

/// Puts all that was written to the file system of `folder` on the disk.
pub fn flush_file_system(folder: &Path) -> Result<(), AtomicError> {
    let handle = File::open(folder).map_err(failed("open", folder))?;
    rustix::fs::syncfs(handle).map_err(failed("flush", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_appears_with_its_mode_and_nothing_else_remains() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o666, 0o755] {
            let path = folder.path().join("file");
            write_file(&path, mode, b"content").unwrap();
            assert_eq!(mode_of(&path), mode);
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_was_not_committed_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_file(&path, 0o600, b"old").unwrap();
        let mut file = AtomicFile::create(&path, 0o600).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_folder_replaces_a_full_one() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("dist");
        for content in ["one", "two"] {
            let folder = AtomicFolder::create(&target, 0o700).unwrap();
            std::fs::write(folder.path().join(content), content).unwrap();
            folder.commit().unwrap();
            let names: Vec<_> = target
                .read_dir()
                .unwrap()
                .map(|e| e.unwrap().file_name())
                .collect();
            assert_eq!(names, [content]);
        }
        assert_eq!(mode_of(&target), 0o700);
        assert_eq!(parent.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_folder_steps_aside_where_names_cannot_be_swapped() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("dist");
        std::fs::create_dir(&target).unwrap();
        std::fs::write(target.join("old"), "old").unwrap();
        let folder = AtomicFolder::create(&target, 0o755).unwrap();
        std::fs::write(folder.path().join("new"), "new").unwrap();
        folder.step_aside().unwrap();
        assert!(target.join("new").exists() && !target.join("old").exists());
        assert_eq!(parent.path().read_dir().unwrap().count(), 1);
    }
}
