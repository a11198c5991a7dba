//! A disk or ISO with bundles, found by its label and mounted read-only at a
//! private folder for as long as it is read.

use std::path::{Path, PathBuf};

use super::durable::{self, Rights};
use super::host::Host;
use super::stop::Stop;
use super::system::Call;

/// Labels under which bundles come: a disk of their own, or the seed's ISO.
pub const LABELS: [&str; 3] = ["PGBUNDLE", "cidata", "CIDATA"];

/// A mounted medium; it is unmounted when dropped.
pub struct Mounted<'a> {
    host: &'a Host<'a>,
    folder: PathBuf,
}

impl Mounted<'_> {
    /// The medium's root.
    pub fn root(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let folder = self.folder.display().to_string();
        // Nothing depends on it: it is read-only, private, and gone at the next boot.
        if let Err(fault) = self.host.system.run(&Call::new("umount", [folder])) {
            eprintln!("pgbundle-node: {fault}");
        }
    }
}

/// Mounts the medium with this label; none when no disk has it.
pub fn mount<'a>(host: &'a Host<'a>, label: &str) -> Result<Option<Mounted<'a>>, Stop> {
    // blkid(8): exit 2 when nothing has the label.
    let found = host.system.ask(&Call::new("blkid", ["-L", label]))?;
    let device = found.output.trim().to_owned();
    if !found.succeeded() || device.is_empty() {
        return Ok(None);
    }
    let folder = host.path("/run/pgbundle/media").join(label);
    durable::folder(&folder, Rights::own(0o700))?;
    let place = folder.display().to_string();
    let unmounted = host
        .system
        .ask(&Call::new("mountpoint", ["-q", place.as_str()]))?;
    if unmounted.succeeded() {
        // Left by a program that was ended while it read.
        host.system.run(&Call::new("umount", [place.as_str()]))?;
    }
    let options = [
        "-o",
        "ro,nosuid,nodev,noexec",
        device.as_str(),
        place.as_str(),
    ];
    host.system.run(&Call::new("mount", options))?;
    Ok(Some(Mounted { host, folder }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn mounts_by_label_and_unmounts_again() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        system.answer("blkid -L PGBUNDLE", 0, "/dev/vdb\n");
        system.answer("mountpoint", 32, "");
        let host = system.host(folder.path());
        drop(mount(&host, "PGBUNDLE").unwrap().unwrap());
        let calls = system.take();
        assert!(
            calls[2].starts_with("mount -o ro,nosuid,nodev,noexec /dev/vdb "),
            "{calls:?}"
        );
        assert!(calls[3].starts_with("umount "), "{calls:?}");
        system.answer("blkid -L cidata", 2, "");
        assert!(mount(&host, "cidata").unwrap().is_none());
    }
}
