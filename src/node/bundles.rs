//! The pinned bundles on this host: brought, checked as a whole, unpacked
//! under their digest, and read.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::durable::{self, Rights};
use super::host::{Host, require_json};
use super::narrator::{Narrator, Wait};
use super::stop::Stop;
use super::transport::{self, Miss};
use super::unpacker;
use crate::base::atomic::flush_file_system;
use crate::bundle::assignment::{Assignment, File};
use crate::bundle::manifest::Manifest;
use crate::seed::identity::{DeliverySource, Identity, PinnedBundle};

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
    durable::folder(&host.state("bundles"), Rights::own(0o755))?;
    let (begun, since) = (Instant::now(), host.now());
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
                    since,
                    remedy: "attach the medium or let a source serve it; it is looked for again every few seconds".to_owned(),
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

fn still_missing(waits: &[Wait]) -> String {
    let lines = waits
        .iter()
        .map(|wait| format!("{} came from none of: {}", wait.what, wait.of));
    lines.collect::<Vec<_>>().join("\n")
}

/// None when it is unpacked, else where it was looked for in vain.
fn bring_one(
    host: &Host,
    identity: &Identity,
    pinned: &PinnedBundle,
) -> Result<Option<String>, Stop> {
    let file = host
        .state("bundles")
        .join(format!("{}.tar.gz", pinned.role));
    let mut places = Vec::new();
    for source in &identity.sources {
        match transport::bring(host, source, &pinned.file, &file) {
            Ok(()) => {
                open(host, identity, pinned, &file)?;
                return Ok(None);
            }
            Err(Miss::Absent { place, reason }) => places.push(format!("{place} ({reason})")),
            Err(altered @ Miss::Altered { .. }) => return Err(Stop::refuse(altered.to_string())),
            Err(ours @ Miss::NotWritten { .. }) => return Err(Stop::World(ours.to_string())),
        }
    }
    if identity
        .sources
        .iter()
        .any(|source| matches!(source, DeliverySource::Media))
        || !places.is_empty()
    {
        return Ok(Some(places.join("; ")));
    }
    Err(Stop::Input(
        "the identity names no source of bundles".to_owned(),
    ))
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
    flush_file_system(&new)?;
    durable::rename(&new, &folder)?;
    durable::remove(file)?;
    Ok(())
}
