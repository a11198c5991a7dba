//! The verbs of `pgbundle`: arguments as they are typed, one file a verb.
//!
//! A verb loads, calls the library and shows; it decides nothing. Whatever
//! fails becomes a [`report::Failure`] with its exit code here and nowhere else.

mod base;
mod build;
mod certs;
mod cluster;
mod colliding;
mod diff;
mod fetch;
mod fetching;
mod init;
mod inspect;
mod interrupt;
mod lock;
mod locking;
mod manual;
mod mirror;
mod moment;
mod places;
mod plan;
mod profiles;
mod proving;
mod report;
mod signed_packages;
mod signer;
mod store;
mod text;
mod ui;
mod vendor;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::base::Architecture;
use report::Failure;
use ui::Ui;

/// Composes offline bundles and cloud-init seeds from which a PostgreSQL HA
/// cluster assembles itself at first boot.
#[derive(Debug, Parser)]
#[command(name = "pgbundle", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,

    /// A folder whose profiles/, bases and bundles/<role>/role.toml come before the built-in
    /// ones (may be given again; the working directory always counts)
    #[arg(long, global = true, value_name = "DIR")]
    library: Vec<PathBuf>,

    /// Say nothing but errors
    #[arg(long, short, global = true)]
    quiet: bool,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 the answer is no, 2 your input, 3 the world (disk, network), 101 a bug";

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Arguments),
    Plan(plan::Arguments),
    Lock(lock::Arguments),
    Fetch(fetch::Arguments),
    Build(Box<build::Arguments>),
    Verify(verify::Arguments),
    Inspect(inspect::Arguments),
    Diff(diff::Arguments),
    Certs(certs::Arguments),
    Base(base::Arguments),
    Profiles(profiles::Arguments),
    Store(store::Arguments),
    Manual(manual::Arguments),
}

/// Which cluster, for which operating system.
#[derive(Debug, Clone, Args)]
struct ClusterArguments {
    /// The spec
    #[arg(long, short, value_name = "FILE", default_value = "cluster.toml")]
    cluster: PathBuf,

    /// The operating system of the hosts (default: the spec's own)
    #[arg(long, short, value_name = "NAME")]
    profile: Option<String>,

    /// The processor architecture, as the profile names it (default: its first)
    #[arg(long, value_name = "NAME", value_parser = architecture)]
    architecture: Option<Architecture>,
}

fn architecture(text: &str) -> Result<Architecture, String> {
    text.parse()
        .map_err(|error: crate::base::architecture::NotAnArchitecture| error.to_string())
}

/// Runs the program: arguments in, exit code out.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let ui = Ui::new(arguments.quiet);
    interrupt::listen();
    let ended = run(arguments, &ui);
    interrupt::wait_if_ending();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.failure(&failure);
            failure.exit_code()
        }
    }
}

/// Prints clap's own message: help and version on stdout with 0, mistakes on stderr with 2.
fn usage(error: &clap::Error) -> ExitCode {
    match (error.exit_code(), error.print()) {
        (0, Ok(())) => ExitCode::SUCCESS,
        // `pgbundle --help | head -1`
        (0, Err(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        (0, Err(_)) => ExitCode::from(3),
        _ => ExitCode::from(2),
    }
}

fn run(arguments: Arguments, ui: &Ui) -> Result<(), Failure> {
    let library = cluster::library(arguments.library)?;
    match arguments.verb {
        Verb::Init(arguments) => init::run(&arguments, ui),
        Verb::Plan(arguments) => plan::run(&arguments, &library, ui),
        Verb::Lock(arguments) => lock::run(&arguments, &library, ui),
        Verb::Fetch(arguments) => fetch::run(&arguments, &library, ui),
        Verb::Build(arguments) => build::run(&arguments, &library, ui),
        Verb::Verify(arguments) => verify::run(&arguments, ui),
        Verb::Inspect(arguments) => inspect::run(&arguments, ui),
        Verb::Diff(arguments) => diff::run(&arguments, ui),
        Verb::Certs(arguments) => certs::run(&arguments, &library, ui),
        Verb::Base(arguments) => base::run(&arguments, ui),
        Verb::Profiles(arguments) => profiles::run(&arguments, &library, ui),
        Verb::Store(arguments) => store::run(&arguments, &library, ui),
        Verb::Manual(arguments) => manual::run(&arguments, ui),
    }
}
