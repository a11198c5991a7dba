//! `pgbundle manual`: man pages and shell completions, from the one source
//! that `--help` has: the arguments as they are declared here, and the node
//! program's own help text.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::report::Failure;
use super::ui::Ui;
use crate::base::atomic;
use crate::node::cli::HELP;

/// Write man pages and shell completions below a folder, laid out as /usr/share is
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder (`make install` names `/usr/local/share`)
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes every page and completion; what is there of an older version is replaced.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<(), Failure> {
    let files = files();
    let count = files.len();
    for (path, content) in files {
        put(&arguments.folder.join(path), &content)?;
    }
    ui.say(format!("{count} files in {}", arguments.folder.display()));
    Ok(())
}

fn put(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = atomic::parent_of(path);
    std::fs::create_dir_all(folder).map_err(|error| Failure::file("make", folder, &error))?;
    atomic::write_file(path, 0o644, content).map_err(|error| Failure::world(error.to_string()))
}

/// Every file, by its path below `share`.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut command = super::Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut files = Vec::new();
    add_pages(&command, &mut files);
    files.push(("man/man8/pgbundle-node.8".to_owned(), node_page()));
    files.extend(Shell::value_variants().iter().filter_map(|shell| {
        let path = place(*shell)?;
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut command, "pgbundle", &mut script);
        Some((path.to_owned(), script))
    }));
    files
}

/// A page for the command and for each of its verbs.
fn add_pages(command: &Command, files: &mut Vec<(String, Vec<u8>)>) {
    for verb in command.get_subcommands() {
        add_pages(verb, files);
    }
    let page = Man::new(command.clone()).source(SOURCE);
    let mut text = Vec::new();
    page.render(&mut text).expect("memory takes any text");
    files.push((format!("man/man1/{}", page.get_filename()), text));
}

const SOURCE: &str = concat!("pgbundle ", env!("CARGO_PKG_VERSION"));

/// Where each shell looks for the completions of programs.
fn place(shell: Shell) -> Option<&'static str> {
    match shell {
        Shell::Bash => Some("bash-completion/completions/pgbundle"),
        Shell::Zsh => Some("zsh/site-functions/_pgbundle"),
        Shell::Fish => Some("fish/vendor_completions.d/pgbundle.fish"),
        // The others have no such folder.
        _ => None,
    }
}

/// The node program's page: its help text, whose paragraphs become sections.
fn node_page() -> Vec<u8> {
    let mut page = Roff::new();
    page.control("TH", ["pgbundle-node", "8", "", SOURCE, ""]);
    let mut paragraphs = HELP.trim_end().split("\n\n");
    let about = paragraphs.next().unwrap_or_default();
    page.control("SH", ["NAME"]);
    page.text([roman(about.replacen(": ", " - ", 1))]);
    for paragraph in paragraphs {
        let (title, rest) = paragraph.split_once(':').unwrap_or(("", paragraph));
        page.control("SH", [section(title).as_str()]);
        page.control("nf", []);
        for line in rest.trim_start_matches([' ', '\n']).lines() {
            page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        page.control("fi", []);
    }
    page.render().into_bytes()
}

/// The name that man-pages(7) has for what a paragraph of a help text is.
fn section(title: &str) -> String {
    match title {
        "Usage" => "SYNOPSIS".to_owned(),
        "Exit codes" => "EXIT STATUS".to_owned(),
        other => other.to_uppercase(),
    }
}
