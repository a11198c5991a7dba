//! A host's disk: an ext4 file system in a sparse file.
//!
//! It is only ever mounted in mount namespaces that end with the process or
//! thread that made them, so no mount and no loop device can be left behind,
//! and no host keeps a copy of another host's mount.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::ioctl;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::command::{Failure, command, run};

/// One disk and the folder on which it is mounted, where it is.
#[derive(Clone)]
pub struct Disk {
    /// The file.
    pub image: PathBuf,
    /// An empty folder, but for those who mounted the disk on it.
    pub root: PathBuf,
}

impl Disk {
    /// A new file system of `size` bytes, sparse.
    pub fn format(image: &Path, root: &Path, size: u64) -> Result<Self, Failure> {
        File::create(image)?.set_len(size)?;
        run(command("mkfs.ext4")
            .args(["-q", "-F", "-L", "root"])
            .arg(image))?;
        Self::at(image, root)
    }

    /// A copy of another disk.
    pub fn copy(from: &Path, image: &Path, root: &Path) -> Result<Self, Failure> {
        run(command("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .args([from, image]))?;
        Self::at(image, root)
    }

    fn at(image: &Path, root: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(root)?;
        Ok(Self {
            image: image.to_owned(),
            root: root.to_owned(),
        })
    }

    /// Mounts the disk of a host that is off, for as long as `work` takes.
    pub fn with_mounted<T: Send>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        self.wait_until_free()?;
        thread::scope(|scope| {
            let thread = scope.spawn(|| self.mount_here(work).map_err(|cause| cause.to_string()));
            thread
                .join()
                .map_err(|_| "the thread that had the disk mounted panicked")?
                .map_err(Failure::from)
        })
    }

    #[expect(
        unsafe_code,
        reason = "std has no unshare, and rustix cannot know what the thread holds"
    )]
    fn mount_here<T>(&self, work: impl FnOnce(&Path) -> Result<T, Failure>) -> Result<T, Failure> {
        // SAFETY: only this thread, which has opened no file, leaves the mount namespace.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS)? };
        mount_change(
            "/",
            MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
        )?;
        run(command("mount")
            .args(["-o", "loop"])
            .args([&self.image, &self.root]))?;
        let result = work(&self.root);
        unmount(&self.root, UnmountFlags::empty())?;
        result
    }

    /// Waits until the kernel has let go of the disk; mounting it twice would destroy it.
    pub fn wait_until_free(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let loops = run(command("losetup").arg("-j").arg(&self.image))?;
            if loops.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the disk is still in use: {loops}").into());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// `EXT4_IOC_SHUTDOWN` (fs/ext4/ext4.h), `_IOR('X', 125, __u32)`.
const EXT4_SHUTDOWN: ioctl::Opcode = ioctl::opcode::read::<u32>(b'X', 125);
/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: what the journal has not on disk is lost.
const WITHOUT_LOG_FLUSH: u32 = 2;

/// Takes the power from the file system that `folder` is on.
///
/// Killing processes alone leaves the page cache, so a missing fsync would
/// never show.
#[expect(unsafe_code, reason = "there is no other way to an ioctl")]
pub fn cut_power(folder: &File) -> Result<(), Failure> {
    // SAFETY: the kernel reads one u32 behind the pointer, which is what `Setter` passes.
    unsafe {
        let shutdown = ioctl::Setter::<EXT4_SHUTDOWN, u32>::new(WITHOUT_LOG_FLUSH);
        ioctl::ioctl(folder.as_fd(), shutdown)?;
    }
    Ok(())
}
