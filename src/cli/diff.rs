//! `pgbundle diff`: what hosts of one release do when they get another.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::report::Failure;
use super::signer::SignerArguments;
use super::ui::Ui;
use super::verify::refused;
use crate::base::{BundlePath, NodeName, NodePath};
use crate::bundle::assignment::Assignment;
use crate::bundle::difference::{
    self, Change, Content, Difference, NodeChange, PackageChange, Roles,
};
use crate::bundle::manifest::Release;
use crate::bundle::sign::PublicKey;
use crate::bundle::verify::{self, Expectations, Sink, TarGz};

/// Say which packages and files differ between two releases, and what hosts reload or restart
#[derive(Debug, Args)]
pub struct Arguments {
    /// The `public/` folder that hosts have
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The `public/` folder that they are to get
    #[arg(value_name = "NEW")]
    new: PathBuf,

    #[command(flatten)]
    signer: SignerArguments,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'r> {
    cluster: &'r str,
    generations: [u64; 2],
    #[serde(flatten)]
    difference: &'r Difference,
}

/// Checks both and compares them.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<(), Failure> {
    is_there(&arguments.old)?;
    is_there(&arguments.new)?;
    let signer = arguments.signer.read(Some(&arguments.old))?;
    let old = read(&arguments.old, &signer.key)?;
    let new = read(&arguments.new, &signer.key)?;
    signer.warn_unless_trusted(ui);
    same_cluster(&old.release, &new.release)?;
    let difference = difference::between(&old.roles, &new.roles);
    if arguments.json {
        return ui.json(&Report {
            cluster: new.release.cluster.as_str(),
            generations: [old.release.generation, new.release.generation],
            difference: &difference,
        });
    }
    let is_older = new.release.generation <= old.release.generation;
    if is_older && difference != Difference::default() {
        ui.warn(format!(
            "hosts of generation {} refuse generation {}",
            old.release.generation, new.release.generation
        ));
    }
    ui.result(&(head(&old.release, &new.release) + &describe(&difference)))
}

fn is_there(folder: &Path) -> Result<(), Failure> {
    match folder.is_dir() {
        true => Ok(()),
        false => {
            let error = io::ErrorKind::NotFound.into();
            Err(Failure::file("read", folder, &error).hint("name a release's `public/` folder"))
        }
    }
}

struct Opened {
    release: Release,
    roles: Roles,
}

fn read(folder: &Path, signer: &PublicKey) -> Result<Opened, Failure> {
    let expected = Expectations::signed_by(signer.clone());
    let verified = verify::release(folder, &expected).map_err(|error| refused(folder, error))?;
    let release = verified.release().clone();
    let mut roles = Roles::new();
    for entry in &release.bundles {
        let path = entry.file.path.under(folder);
        let mut file = File::open(&path).map_err(|error| Failure::file("open", &path, &error))?;
        let expected = Expectations {
            pinned: Some(entry.file.sha256),
            ..expected.clone()
        };
        let mut found = Assignments::default();
        let checked = verify::bundle(&mut file, &TarGz, &expected, &mut found)
            .map_err(|error| refused(&path, error))?;
        let content = Content {
            manifest: checked.manifest().clone(),
            assignments: found.parse(&path)?,
        };
        roles.insert(entry.role, content);
    }
    Ok(Opened { release, roles })
}

/// Keeps the assignments of a bundle while it is checked.
#[derive(Default)]
struct Assignments(BTreeMap<BundlePath, Vec<u8>>);

impl Sink for Assignments {
    fn file(&mut self, path: &BundlePath, _: u64, content: &mut dyn Read) -> io::Result<()> {
        if path.as_str().starts_with("cluster/nodes/")
            && path.as_str().ends_with("/assignment.json")
        {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            self.0.insert(path.clone(), bytes);
        }
        io::copy(content, &mut io::sink()).map(drop)
    }
}

impl Assignments {
    fn parse(self, bundle: &Path) -> Result<BTreeMap<NodeName, Assignment>, Failure> {
        let parse = |(path, bytes): (BundlePath, Vec<u8>)| {
            let assignment: Assignment = serde_json::from_slice(&bytes).map_err(|error| {
                let place = format!("{}: {path}", bundle.display());
                Failure::no(format!("{place} cannot be read: {error}"))
                    .hint("compare with the program that built it")
            })?;
            Ok((assignment.node.clone(), assignment))
        };
        self.0.into_iter().map(parse).collect()
    }
}

fn same_cluster(old: &Release, new: &Release) -> Result<(), Failure> {
    if old.cluster_id != new.cluster_id {
        return Err(Failure::input(format!(
            "these are of two clusters, `{}` and `{}`, not two releases of one",
            old.cluster, new.cluster
        )));
    }
    Ok(())
}

fn head(old: &Release, new: &Release) -> String {
    format!(
        "{}: generation {} to {}, packages of {} to {}\n",
        new.cluster, old.generation, new.generation, old.date, new.date
    )
}

fn describe(difference: &Difference) -> String {
    let mut text = String::new();
    if difference == &Difference::default() {
        text.push_str("\nNo package and no file differs. Keys, certificates and passwords travel in seeds and are not compared.\n");
        return text;
    }
    let width = |names: &mut dyn Iterator<Item = &str>| names.map(str::len).max().unwrap_or(0);
    if !difference.packages.is_empty() {
        text.push_str("\nPackages\n");
        let width = width(
            &mut difference
                .packages
                .iter()
                .map(|package| package.name.as_str()),
        );
        for package in &difference.packages {
            add(&mut text, &package_line(package, width));
        }
    }
    for (name, node) in &difference.nodes {
        add(&mut text, &format!("\n{name}"));
        node_lines(node, &mut text);
    }
    text
}

fn add(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes any text");
}

fn package_line(package: &PackageChange, width: usize) -> String {
    let versions = match &package.change {
        Change::New { to } => format!("{to}, new"),
        Change::Gone { from } => format!("{from}, no longer brought"),
        Change::Other { from, to } => format!("{from} to {to}"),
    };
    let roles: Vec<_> = package.roles.iter().map(|role| role.as_str()).collect();
    format!(
        "  {:width$}  {versions}  ({})",
        package.name,
        roles.join(", ")
    )
}

fn node_lines(node: &NodeChange, text: &mut String) {
    for (path, change) in &node.files {
        add(text, &file_line(path, change));
    }
    for (unit, change) in &node.units {
        add(text, &format!("  {}", change.in_words(unit)));
    }
}

fn file_line(path: &NodePath, change: &Change<()>) -> String {
    match change {
        Change::New { .. } => format!("  {path}  new"),
        Change::Gone { .. } => {
            format!("  {path}  no longer brought; what was there before comes back")
        }
        Change::Other { .. } => format!("  {path}  changed"),
    }
}
