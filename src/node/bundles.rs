//! The pinned bundles on this host: brought, checked as a whole, unpacked
//! under their digest, and read.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::clock;
use super::durable::{self, Rights};
use super::host::{Host, require_json};
use super::narrator::{Narrator, Wait};
use super::space;
use super::stop::Stop;
use super::transport::{self, Miss};
use super::unpacker;
use crate::base::atomic::flush_file_system;
use crate::bundle::assignment::{Assignment, File};
use crate::bundle::manifest::Manifest;
use crate::seed::identity::{Identity, PinnedBundle};

/// One role's bundle, unpacked and read.
pub struct RoleBundle {
    /// Where it lies.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// What it asks of this node.
    pub assignment: Assignment,
}

impl RoleBundle {
    /// The CAs that nodes trust.
    pub fn authorities(&self) -> PathBuf {
        self.folder.join("cluster/ca.pem")
    }

    /// Where the content of one of the assignment's files lies.
    pub fn content(&self, file: &File) -> PathBuf {
        let node = &self.assignment.node;
        match &file.plain {
            Some(plain) => plain.under(&self.folder),
            None => self
                .folder
                .join(format!("cluster/nodes/{node}/files{}", file.path)),
        }
    }
}

fn folder_of(host: &Host, pinned: &PinnedBundle) -> PathBuf {
    host.state("bundles").join(pinned.file.sha256.to_string())
}

/// The pinned bundles that are not unpacked yet.
pub fn missing<'i>(host: &Host, identity: &'i Identity) -> Vec<&'i PinnedBundle> {
    let unpacked = |pinned: &&PinnedBundle| !folder_of(host, pinned).join("manifest.json").exists();
    identity.bundles.iter().filter(unpacked).collect()
}

/// Reads the unpacked bundles, in the order of their roles.
pub fn read(host: &Host, identity: &Identity) -> Result<Vec<RoleBundle>, Stop> {
    let mut bundles = Vec::new();
    for pinned in &identity.bundles {
        let folder = folder_of(host, pinned);
        let manifest: Manifest = require_json(&folder.join("manifest.json"))?;
        let path = format!("cluster/nodes/{}/assignment.json", identity.node);
        let assignment: Assignment = require_json(&folder.join(path))?;
        if assignment.node != identity.node || assignment.role != pinned.role {
            return Err(Stop::refuse(format!(
                "the {} bundle's assignment is for {} on {}",
                pinned.role, assignment.role, assignment.node
            )));
        }
        bundles.push(RoleBundle {
            folder,
            manifest,
            assignment,
        });
    }
    bundles.sort_by_key(|bundle| bundle.assignment.role);
    Ok(bundles)
}

/// Brings and unpacks what is missing; waits for sources that have nothing yet.
pub fn bring_all(
    host: &Host,
    narrator: &mut Narrator,
    identity: &Identity,
    patience: Option<Duration>,
) -> Result<(), Stop> {
    space::for_bundles(host, identity)?;
    durable::folder(&host.state("bundles"), Rights::own(0o755))?;
    let begun = Instant::now();
    let mut pause = Duration::from_millis(500);
    loop {
        let mut waits = Vec::new();
        for pinned in missing(host, identity) {
            match bring_one(host, identity, pinned)? {
                None => narrator.say(&format!(
                    "{} bundle {} is here",
                    pinned.role, pinned.file.sha256
                )),
                Some(places) => waits.push(Wait {
                    what: format!("the {} bundle ({})", pinned.role, pinned.file.path),
                    of: places,
                    since: host.now(),
                    remedy: remedy(host, identity),
                }),
            }
        }
        narrator.waits(waits.clone())?;
        if waits.is_empty() {
            return Ok(());
        }
        if patience.is_some_and(|patience| begun.elapsed() >= patience) {
            return Err(Stop::World(still_missing(&waits)));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// An `https` source is refused by a wrong clock, in words that do not say so.
fn remedy(host: &Host, identity: &Identity) -> String {
    let look =
        "attach the medium or let a source serve it; it is looked for again every few seconds";
    match clock::out_of_bounds(host.now(), identity) {
        Some(reason) => format!("{look}; this host: {reason}"),
        None => look.to_owned(),
    }
}

fn still_missing(waits: &[Wait]) -> String {
    let lines = waits.iter().map(|wait| {
        format!(
            "{} came from none of: {}: {}",
            wait.what, wait.of, wait.remedy
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// None when it is unpacked, else where it was looked for in vain.
///
/// One altered source does not end the run while another has the right file;
/// where none has, the run is refused, so that nothing altered is brought again.
fn bring_one(
    host: &Host,
    identity: &Identity,
    pinned: &PinnedBundle,
) -> Result<Option<String>, Stop> {
    let file = host
        .state("bundles")
        .join(format!("{}.tar.gz", pinned.role));
    let (mut places, mut altered) = (Vec::new(), Vec::new());
    for source in &identity.sources {
        match transport::bring(host, source, &pinned.file, &file) {
            Ok(()) => {
                open(host, identity, pinned, &file)?;
                return Ok(None);
            }
            Err(Miss::Absent { place, reason }) => places.push(format!("{place} ({reason})")),
            Err(found @ Miss::Altered { .. }) => altered.push(found.to_string()),
            Err(ours @ Miss::NotWritten { .. }) => return Err(Stop::World(ours.to_string())),
        }
    }
    if identity.sources.is_empty() {
        return Err(Stop::Input(
            "the identity names no source of bundles".to_owned(),
        ));
    }
    if altered.is_empty() {
        return Ok(Some(places.join("; ")));
    }
    altered.extend(places.iter().map(|place| format!("not at {place} either")));
    Err(Stop::Refused(altered))
}

fn open(host: &Host, identity: &Identity, pinned: &PinnedBundle, file: &Path) -> Result<(), Stop> {
    let folder = folder_of(host, pinned);
    let new = folder.with_extension("new");
    let world =
        |fault: std::io::Error| Stop::World(format!("cannot clear `{}`: {fault}", new.display()));
    if new.exists() {
        fs::remove_dir_all(&new).map_err(world)?;
    }
    unpacker::unpack(file, identity, pinned, &new)?;
    // First, so that what is not needed any more is not flushed with the rest.
    durable::remove(file)?;
    flush_file_system(&new)?;
    Ok(durable::rename(&new, &folder)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Sha256;
    use crate::node::identity::tests::example;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn every_source_is_tried_before_an_altered_bundle_is_refused() {
        let (root, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(root.path());
        let mut identity = example();
        let pinned = serde_json::json!({
            "role": "etcd",
            "file": {"path": "bundles/etcd.tar.gz", "size": 5, "sha256": Sha256::of(b"right")},
        });
        identity.bundles = vec![serde_json::from_value(pinned).unwrap()];
        let sources = ["folder:/one", "folder:/two", "folder:/three"];
        identity.sources = sources.map(|s| s.to_owned().try_into().unwrap()).to_vec();
        durable::folder(&host.state("bundles"), Rights::own(0o755)).unwrap();
        let lay = |folder: &str, bytes: &[u8]| {
            let path = host.path(folder).join("bundles/etcd.tar.gz");
            durable::write(&path, bytes, Rights::own(0o644)).unwrap();
        };
        let bring = || bring_one(&host, &identity, &identity.bundles[0]);
        assert!(bring().unwrap().unwrap().contains("/three"));
        lay("/one", b"wrong");
        lay("/two", b"worse");
        let Err(Stop::Refused(reasons)) = bring() else {
            panic!("not refused");
        };
        let named = |n: usize, source: &str| reasons[n].contains(source);
        assert!(
            named(0, "/one") && named(1, "/two") && named(2, "/three"),
            "{reasons:?}"
        );
        lay("/three", b"right");
        // The right digest was found: what is wrong now is that it is no archive.
        let opened = bring().unwrap_err().to_string();
        assert!(!opened.contains("altered"), "{opened}");
    }
}
