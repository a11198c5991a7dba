//! `pgbundle certs`: the certificates of a cluster, and how long they live.

use clap::{Args, Subcommand};

use super::places::SecretsArguments;
use super::report::Failure;
use super::ui::Ui;
use super::{ClusterArguments, cluster, moment};
use crate::identity::{self, list::Listed};
use crate::library::Library;

/// Look at the certificates of a cluster
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the CA and every node's certificates with the days they have left
    List(ListArguments),
}

#[derive(Debug, Args)]
struct ListArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    secrets: SecretsArguments,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists.
pub fn run(arguments: &Arguments, library: &Library, ui: &Ui) -> Result<(), Failure> {
    let Verb::List(arguments) = &arguments.verb;
    let plan = cluster::outline(&arguments.cluster, library)?;
    let folder = arguments
        .secrets
        .folder(&arguments.cluster.cluster, &plan.spec.cluster);
    let listed = identity::certificates(&folder, &plan.spec.nodes, moment::now()?)?;
    if arguments.json {
        return ui.json(&listed);
    }
    let rows: Vec<_> = listed.iter().map(row).collect();
    ui.result(&format!(
        "{:<16} {:<10} {:<20} {:>9}  serial\n{}",
        "node",
        "for",
        "until",
        "days left",
        rows.concat()
    ))
}

fn row(listed: &Listed) -> String {
    let node = listed.node.as_ref().map_or("-", |node| node.as_str());
    format!(
        "{node:<16} {:<10} {:<20} {:>9}  {}\n",
        listed.purpose,
        listed.not_after.to_string(),
        listed.days_left,
        listed.serial
    )
}
