//! `pgbundle fetch`: brings everything a lock names into the store.

use clap::Args;

use super::locking::Locking;
use super::places::{MirrorArguments, StoreArguments};
use super::report::Failure;
use super::ui::Ui;
use super::{ClusterArguments, cluster, fetching, lock, proving};
use crate::library::Library;

/// Bring every file that the lock names into the store
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    mirrors: MirrorArguments,

    #[command(flatten)]
    store: StoreArguments,
}

/// Fetches; the lock must cover the spec.
pub fn run(arguments: &Arguments, library: &Library, ui: &Ui) -> Result<(), Failure> {
    let plan = cluster::plan(&arguments.cluster, library)?;
    let store = arguments.store.open()?;
    let locking = Locking::new(
        &plan,
        &arguments.cluster,
        &arguments.mirrors,
        library,
        &store,
        ui,
    )?;
    let found = locking.covering()?.map_err(|gaps| locking.stale(&gaps))?;
    lock::say(&found, &locking, ui);
    let locked = found
        .cover(&plan, &locking.bases)
        .map_err(|gaps| locking.stale(&gaps))?;
    let blobs = fetching::fetch(&locking, locked, false)?;
    proving::prove(&locking, locked, &blobs)?;
    ui.say(format!(
        "done     {} files are in the store and match their digests",
        blobs.len()
    ));
    Ok(())
}
