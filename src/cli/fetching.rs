//! Brings the blobs of a lock into the store, and shows how far it is.

use std::collections::BTreeMap;

use super::locking::{Locking, plain_place};
use super::mirror;
use super::report::Failure;
use super::ui::human_size;
use super::vendor;
use crate::base::Sha256;
use crate::lock::Lock;
use crate::lock::cover::LockedPlan;
use crate::lock::given::SOURCE;
use crate::repo::mirror::Mirrors;
use crate::store::fetch::{self, Fetch, Progress, Want};
use crate::store::http::Client;
use crate::store::place::Place;
use crate::store::{Blob, Store};
use crate::wheel::pip::{self, PipError};

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
        false => {
            bring_wheels(locking)?;
            Some(mirror::client(locking.mirrors)?)
        }
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
    let blobs = fetched.map_err(|errors| {
        let is_given = |failure: &fetch::Failure| failure.want.source == SOURCE;
        let advice = match errors.0.iter().all(is_given) {
            true => vendor::PUT_BACK,
            false => errors.advice(),
        };
        Failure::world(errors.to_string()).hint(advice)
    })?;
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

/// Packages, signed indexes, Python wheels and plain files of a lock.
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
    let wheels = wheel_wants(locked.lock());
    pinned
        .chain(wheels)
        .chain(plain_wants(locked.lock()))
        .collect()
}

/// How wheels are named among the sources.
const WHEELS: &str = "Python wheels";

fn wheel_wants(lock: &Lock) -> impl Iterator<Item = Want> + '_ {
    lock.wheels.iter().map(|wheel| Want {
        source: WHEELS.to_owned(),
        path: wheel.file.to_string(),
        size: wheel.size,
        sha256: wheel.sha256,
    })
}

/// Brings the wheels that the store does not have, through pip.
fn bring_wheels(locking: &Locking<'_>) -> Result<(), Failure> {
    let plan = locking.plan;
    let (Some(python), false) = (&plan.profile.python, plan.wheel_roles.is_empty()) else {
        return Ok(());
    };
    let missing = python
        .wheels
        .iter()
        .filter(|wheel| !locking.store.has(wheel.sha256));
    let missing = missing.count();
    if missing == 0 {
        return Ok(());
    }
    locking.ui.say(format!(
        "wheels   {missing} for {}, by this machine's pip",
        python.interpreter
    ));
    let wanted = pip::Wanted {
        wheels: &python.wheels,
        interpreter: &python.interpreter,
        tools: &python.tools,
        folder: locking.mirrors.wheels.as_deref(),
    };
    pip::bring(wanted, locking.store).map_err(|error| {
        let hint = match &error {
            PipError::NoPip(_) => "install pip (python3-pip), or import a store that has the wheels",
            PipError::Pip { .. } => "see to pip's index and to the network, name a folder that has the wheels: `--wheels DIR`, or import a store that has them",
            PipError::BuiltOther { .. } => "import a store that has it, or build with the Python that a distribution ships",
            _ => "see to the disk and its rights",
        };
        Failure::world(error.to_string()).hint(hint)
    })
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
    if want.source == SOURCE {
        let folders = vendor::folders(locking.spec, &plan.spec).into_iter();
        return folders
            .map(|folder| Place::Folder(folder.join(&want.path)))
            .collect();
    }
    let source = plan.profile.sources.iter().find(|s| s.id == want.source);
    source
        .map_or_else(Vec::new, |source| mirrors.candidates(source))
        .iter()
        .map(|root| Place::parse(root).join(&want.path))
        .collect()
}
