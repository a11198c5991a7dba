//! `pgbundle lock`: pins exactly which packages a cluster gets.

use clap::Args;

use super::locking::Locking;
use super::places::{MirrorArguments, StoreArguments};
use super::report::Failure;
use super::ui::{Ui, human_size};
use super::{ClusterArguments, cluster};
use crate::library::Library;
use crate::lock::Lock;

/// Solve the closure of all roles over the signed indexes, and write the lock
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    mirrors: MirrorArguments,

    #[command(flatten)]
    store: StoreArguments,

    /// Only say whether the lock covers the spec; read no network, write nothing
    #[arg(long)]
    check: bool,
}

/// Locks, or judges the lock there is.
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
    if arguments.check {
        return match locking.covering()? {
            Ok(lock) => {
                say(&lock, &locking, ui);
                Ok(())
            }
            Err(gaps) => Err(locking.stale(&gaps)),
        };
    }
    let lock = locking.make()?;
    say(&lock, &locking, ui);
    Ok(())
}

/// One line on a lock.
pub fn say(lock: &Lock, locking: &Locking<'_>, ui: &Ui) {
    let bytes = lock.packages.iter().map(|package| package.size).sum();
    ui.say(format!(
        "lock     {}: {} packages, {}, as of {}",
        locking.path().display(),
        lock.packages.len(),
        human_size(bytes),
        lock.date
    ));
}
