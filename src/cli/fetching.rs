//! Brings the blobs of a lock into the store, and shows how far it is.

use std::collections::BTreeMap;

use super::locking::{Locking, plain_place};
use super::mirror;
use super::report::Failure;
use super::ui::human_size;
use crate::base::Sha256;
use crate::lock::Lock;
use crate::lock::cover::LockedPlan;
use crate::repo::mirror::Mirrors;
use crate::store::fetch::{self, Fetch, Progress, Want};
use crate::store::http::Client;
use crate::store::place::Place;
use crate::store::{Blob, Store};

/// Downloads at a time: enough to fill a line, few enough for any mirror.
const PARALLEL: usize = 4;

/// How plain files are named among the sources.
const PLAIN: &str = "plain files";

/// Fetches everything that the lock names; with `offline`, what the store lacks is an error.
pub fn fetch(
    locking: &Locking<'_>,
    locked: LockedPlan<'_>,
    offline: bool,
) -> Result<BTreeMap<Sha256, Blob>, Failure> {
    let client = match offline {
        true => None,
        false => Some(mirror::client(locking.mirrors)?),
    };
    fetch_all(locking, client.as_ref(), &wants(locked))
}

/// Fetches these files, and says how much there is to fetch.
pub fn fetch_all(
    locking: &Locking<'_>,
    client: Option<&Client>,
    wants: &[Want],
) -> Result<BTreeMap<Sha256, Blob>, Failure> {
    let missing: u64 = wants
        .iter()
        .filter(|want| !locking.store.has(want.sha256))
        .map(|want| want.size)
        .sum();
    let total = wants.iter().map(|want| want.size).sum();
    locking.ui.say(format!(
        "fetch    {} files, {}, of which {} are not in the store yet",
        wants.len(),
        human_size(total),
        human_size(missing)
    ));
    run(locking, client, wants, total)
}

fn run(
    locking: &Locking<'_>,
    client: Option<&Client>,
    wants: &[Want],
    total: u64,
) -> Result<BTreeMap<Sha256, Blob>, Failure> {
    let mirrors = mirror::mirrors(locking.mirrors)?;
    let places = |want: &Want| places(locking, &mirrors, want);
    let bar = locking.ui.bytes_bar(total, "fetch");
    let fetch = Fetch {
        store: locking.store,
        client,
        places: &places,
        parallel: PARALLEL,
    };
    let shown = |progress: Progress<'_>| match progress {
        Progress::Present { done, .. }
        | Progress::Bytes { done, .. }
        | Progress::Fetched { done, .. } => bar.set_position(done),
        Progress::Altered { error, .. } => bar.suspend(|| locking.ui.warn(error.to_string())),
        Progress::Failed { error, .. } => bar.suspend(|| {
            locking
                .ui
                .warn(format!("{error}; the next mirror is tried"))
        }),
        Progress::Started { .. } => {}
    };
    let fetched = fetch::fetch(wants, &fetch, &shown);
    bar.finish_and_clear();
    let blobs =
        fetched.map_err(|errors| Failure::world(errors.to_string()).hint(errors.advice()))?;
    Ok(blobs
        .into_iter()
        .map(|blob| (blob.sha256(), blob))
        .collect())
}

/// A blob for everything that the lock names, where the store has them all.
/// None is read: each is proven on its way into what is made of it.
pub fn at_hand(store: &Store, locked: LockedPlan<'_>) -> Option<BTreeMap<Sha256, Blob>> {
    let find = |want: &Want| Some((want.sha256, store.find(want.sha256, want.size)?));
    wants(locked).iter().map(find).collect()
}

/// Packages, signed indexes and plain files of a lock.
pub fn wants(locked: LockedPlan<'_>) -> Vec<Want> {
    let pinned = locked
        .wants()
        .into_iter()
        .chain(locked.evidence())
        .map(|want| Want {
            source: want.source,
            path: want.path,
            size: want.size,
            sha256: want.sha256,
        });
    pinned.chain(plain_wants(locked.lock())).collect()
}

fn plain_wants(lock: &Lock) -> impl Iterator<Item = Want> + '_ {
    lock.files.iter().map(|file| Want {
        source: PLAIN.to_owned(),
        path: file.name.clone(),
        size: file.size,
        sha256: file.sha256,
    })
}

/// Where a file may be: below each mirror of its source, or where the spec has it from.
fn places(locking: &Locking<'_>, mirrors: &Mirrors, want: &Want) -> Vec<Place> {
    let plan = locking.plan;
    if want.source == PLAIN {
        let files = plan.spec.plain_files.iter();
        return files
            .filter(|file| file.name == want.path)
            .map(|file| plain_place(locking.spec, file))
            .collect();
    }
    let source = plan.profile.sources.iter().find(|s| s.id == want.source);
    source
        .map_or_else(Vec::new, |source| mirrors.candidates(source))
        .iter()
        .map(|root| Place::parse(root).join(&want.path))
        .collect()
}
