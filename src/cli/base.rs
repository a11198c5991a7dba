//! `pgbundle base`: the package lists of base images.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::report::Failure;
use super::text;
use super::ui::Ui;
use crate::base::atomic::write_file;
use crate::repo::base::capture_from_status;
use crate::repo::rpm::base_list;

/// Work with the package lists of base images
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write the package list of a system, to prove closures against
    Capture(CaptureArguments),
    /// Print the command that makes a host's own rpm list its packages, for `capture --rpm`
    Query,
}

#[derive(Debug, Args)]
struct CaptureArguments {
    /// The root folder of a Debian-like system: a mounted image, or `/` for the machine this runs on
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        conflicts_with_all = ["status", "rpm"]
    )]
    root: PathBuf,

    /// A copy of its /var/lib/dpkg/status
    #[arg(long, value_name = "FILE", conflicts_with = "rpm")]
    status: Option<PathBuf>,

    /// What the rpm of an EL system answered to the command that `pgbundle base query` prints
    #[arg(long, value_name = "FILE")]
    rpm: Option<PathBuf>,

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

/// Captures, or says how.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<(), Failure> {
    let arguments = match &arguments.verb {
        Verb::Query => return ui.result(&format!("{}\n", query())),
        Verb::Capture(arguments) => arguments,
    };
    let list = match &arguments.rpm {
        Some(answer) => of_rpm(answer, &arguments.about)?,
        None => of_dpkg(arguments)?,
    };
    let packages = list
        .lines()
        .filter(|line| line.starts_with("Package: "))
        .count();
    match &arguments.output {
        Some(output) => save(output, &list, packages, ui),
        None => ui.result(&list),
    }
}

/// What a person runs on the host. Within single quotes a shell leaves all as it is.
fn query() -> String {
    format!("rpm -qa --queryformat '{}'", base_list::QUERY)
}

fn of_rpm(path: &Path, about: &str) -> Result<String, Failure> {
    let again = "run on the host what `pgbundle base query` prints, with its output into a file, and name that";
    let answer = text::read(path, text::LARGE)
        .map_err(|error| Failure::file("read rpm's answer", path, &error).hint(again))?;
    let list = base_list::capture(&answer, about);
    let packages = base_list::read(&list)
        .map_err(|error| Failure::input(format!("{}: {error}", path.display())).hint(again))?;
    if packages.is_empty() {
        let message = format!("{} lists no installed package", path.display());
        return Err(Failure::input(message).hint(again));
    }
    Ok(list)
}

fn of_dpkg(arguments: &CaptureArguments) -> Result<String, Failure> {
    let path = arguments
        .status
        .clone()
        .unwrap_or_else(|| arguments.root.join("var/lib/dpkg/status"));
    let status = text::read(&path, text::LARGE).map_err(|error| {
        Failure::file("read the package list", &path, &error).hint(
            "name the root folder of a Debian-like system with `--root`, or a copy of its /var/lib/dpkg/status with `--status`; an EL system is listed by its own rpm: see `pgbundle base query`",
        )
    })?;
    let list = capture_from_status(&status, &arguments.about);
    match list.contains("\nPackage: ") {
        true => Ok(list),
        false => Err(
            Failure::input(format!("{} lists no installed package", path.display()))
                .hint("it should be the status file of dpkg"),
        ),
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
