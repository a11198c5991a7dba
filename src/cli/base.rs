//! `pgbundle base`: the package lists of base images.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::report::Failure;
use super::text;
use super::ui::Ui;
use crate::base::atomic::write_file;
use crate::repo::base::capture_from_status;

/// Work with the package lists of base images
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write the package list of a Debian-like system, to prove closures against
    Capture(CaptureArguments),
}

#[derive(Debug, Args)]
struct CaptureArguments {
    /// The system's root folder: a mounted image, or `/` for the machine this runs on
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        conflicts_with = "status"
    )]
    root: PathBuf,

    /// A copy of its /var/lib/dpkg/status
    #[arg(long, value_name = "FILE")]
    status: Option<PathBuf>,

    /// What the list is of, kept as a comment
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "Captured with pgbundle base capture."
    )]
    about: String,

    /// The file to write (default: standard output)
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Captures.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<(), Failure> {
    let Verb::Capture(arguments) = &arguments.verb;
    let path = arguments
        .status
        .clone()
        .unwrap_or_else(|| arguments.root.join("var/lib/dpkg/status"));
    let status = text::read(&path, text::LARGE).map_err(|error| {
        Failure::file("read the package list", &path, &error).hint(
            "name the root folder of a Debian-like system with `--root`, or a copy of its /var/lib/dpkg/status with `--status`",
        )
    })?;
    let list = capture_from_status(&status, &arguments.about);
    let packages = list
        .lines()
        .filter(|line| line.starts_with("Package: "))
        .count();
    if packages == 0 {
        return Err(
            Failure::input(format!("{} lists no installed package", path.display()))
                .hint("it should be the status file of dpkg"),
        );
    }
    match &arguments.output {
        Some(output) => save(output, &list, packages, ui),
        None => ui.result(&list),
    }
}

fn save(output: &Path, list: &str, packages: usize, ui: &Ui) -> Result<(), Failure> {
    write_file(output, 0o644, list.as_bytes())
        .map_err(|error| Failure::world(error.to_string()))?;
    ui.say(format!(
        "wrote {}: {packages} packages; name it in a profile's `[[base]]`",
        output.display()
    ));
    Ok(())
}
