//! What a unit's own check waits for before its service starts, left beside
//! the data folder so that `up` and `status` can say it.

use std::path::{Path, PathBuf};

use super::durable::{self, Rights};
use super::host::{Host, parse_json, read_json};
use super::marker;
use super::narrator::Wait;
use super::stop::Stop;
use crate::bundle::start::{BOOTSTRAP, Bootstrap, ETCD_START, EtcdStart};

fn path(folder: &Path) -> PathBuf {
    marker::beside(folder, "waits.json")
}

/// Says what the service of this folder waits for; the time is that of the first such words.
pub fn leave(host: &Host, folder: &Path, what: &str, of: &str, remedy: &str) -> Result<(), Stop> {
    let known = read(folder)?.filter(|known| known.what == what);
    let wait = Wait {
        what: what.to_owned(),
        of: of.to_owned(),
        since: known.as_ref().map_or(host.now(), |known| known.since),
        remedy: remedy.to_owned(),
    };
    if known.as_ref() == Some(&wait) {
        return Ok(());
    }
    let bytes = serde_json::to_vec_pretty(&wait).expect("a wait is plain text");
    Ok(durable::write(&path(folder), &bytes, Rights::own(0o644))?)
}

/// It waits no longer.
pub fn clear(folder: &Path) -> Result<(), Stop> {
    Ok(durable::remove(&path(folder))?)
}

/// What it waits for, if it does.
fn read(folder: &Path) -> Result<Option<Wait>, Stop> {
    let path = path(folder);
    // It is shown to all: the folder's owner must not choose the file.
    let bytes = durable::read(&path)?;
    bytes.map(|bytes| parse_json(&path, &bytes)).transpose()
}

/// What etcd's and Patroni's own checks wait for on this host.
pub fn held_back(host: &Host) -> Result<Vec<Wait>, Stop> {
    let mut waits = Vec::new();
    if let Some(settings) = read_json::<EtcdStart>(&host.path(ETCD_START))? {
        waits.extend(read(&settings.data_directory.under(&host.root))?);
    }
    if let Some(settings) = read_json::<Bootstrap>(&host.path(BOOTSTRAP))? {
        waits.extend(read(&settings.data_directory.under(&host.root))?);
    }
    Ok(waits)
}
