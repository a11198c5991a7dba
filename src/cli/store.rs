//! `pgbundle store`: blobs across an air gap.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::locking::Locking;
use super::places::{MirrorArguments, StoreArguments};
use super::report::Failure;
use super::ui::{Ui, human_size};
use super::{ClusterArguments, cluster, fetching};
use crate::library::Library;
use crate::store::{StoreError, carry};

/// Carry the store's blobs across an air gap
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write exactly what a cluster's lock needs to one file
    Export(ExportArguments),
    /// Take in such a file
    Import(ImportArguments),
}

#[derive(Debug, Args)]
struct ExportArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    store: StoreArguments,

    /// The file to write
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Debug, Args)]
struct ImportArguments {
    /// The exported file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    store: StoreArguments,
}

/// Exports or imports.
pub fn run(arguments: &Arguments, library: &Library, ui: &Ui) -> Result<(), Failure> {
    match &arguments.verb {
        Verb::Export(arguments) => export(arguments, library, ui),
        Verb::Import(arguments) => import(arguments, ui),
    }
}

fn export(arguments: &ExportArguments, library: &Library, ui: &Ui) -> Result<(), Failure> {
    let plan = cluster::plan(&arguments.cluster, library)?;
    let store = arguments.store.open()?;
    let mirrors = MirrorArguments::default();
    let locking = Locking::new(&plan, &arguments.cluster, &mirrors, library, &store, ui)?;
    let lock = locking.covering()?.map_err(|gaps| locking.stale(&gaps))?;
    let locked = lock
        .cover(&plan, &locking.bases)
        .map_err(|gaps| locking.stale(&gaps))?;
    let blobs: Vec<_> = fetching::fetch(&locking, locked, true)?
        .into_values()
        .collect();
    carry::export(&blobs, &arguments.to).map_err(|error| Failure::world(error.to_string()))?;
    let bytes = blobs.iter().map(crate::store::Blob::size).sum();
    ui.say(format!(
        "wrote {}: {} files, {}",
        arguments.to.display(),
        blobs.len(),
        human_size(bytes)
    ));
    ui.say(format!(
        "carry it with {} and {}",
        arguments.cluster.cluster.display(),
        locking.path().display()
    ));
    Ok(())
}

fn import(arguments: &ImportArguments, ui: &Ui) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let imported = carry::import(&store, &arguments.file)
        .map_err(|error| not_taken_in(&arguments.file, error))?;
    ui.say(format!(
        "took in {}: {} files, {} of them new",
        arguments.file.display(),
        imported.blobs,
        imported.added
    ));
    Ok(())
}

/// A file that is no export, or an altered one, is a no; all else is the input's or the world's.
fn not_taken_in(file: &Path, error: StoreError) -> Failure {
    match &error {
        StoreError::Mismatch { .. } | StoreError::NotAnExport { .. } => {
            Failure::no(error.to_string()).hint("copy it again from where it was exported")
        }
        StoreError::Io { path, source, .. } if path == file => {
            Failure::file("read", path, source).hint("name what `pgbundle store export` wrote")
        }
        _ => Failure::world(error.to_string()),
    }
}
