//! `pgbundle inspect`: what a bundle or a release says of itself. It trusts
//! nothing and checks nothing; `verify` does.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::report::Failure;
use super::text;
use super::ui::{Ui, human_size};
use super::verify::WHAT_TO_NAME;
use crate::archive::untar::{self, Limits, UntarError};
use crate::bundle::manifest::{Manifest, Release};

/// The largest manifest that is shown.
const LARGEST_MANIFEST: u64 = 16 << 20;

/// Show what a release's folder or a bundle says of itself (`verify` checks it)
#[derive(Debug, Args)]
pub struct Arguments {
    /// A `public/` folder, or a bundle's `.tar.gz`
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Print the manifest itself
    #[arg(long)]
    json: bool,
}

/// Shows a manifest.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<(), Failure> {
    let path = &arguments.path;
    let is_folder = path
        .metadata()
        .map_err(|error| Failure::file("read", path, &error).hint(WHAT_TO_NAME))?
        .is_dir();
    let text = if is_folder {
        of_release(path)?
    } else {
        of_bundle(path)?
    };
    if arguments.json {
        return ui.result(&text);
    }
    let described = if is_folder {
        parse::<Release>(path, &text).map(|release| describe_release(&release))
    } else {
        parse::<Manifest>(path, &text).map(|manifest| describe_bundle(&manifest))
    };
    ui.result(&described?)
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::no(format!(
            "{}: its manifest cannot be read: {error}",
            path.display()
        ))
    })
}

fn of_release(folder: &Path) -> Result<String, Failure> {
    let path = folder.join("manifest.json");
    text::read(&path, text::LARGE)
        .map_err(|error| Failure::file("read", &path, &error).hint(WHAT_TO_NAME))
}

/// Reads the first member of a bundle, which is its manifest.
fn of_bundle(path: &Path) -> Result<String, Failure> {
    let file = File::open(path).map_err(|error| Failure::file("open", path, &error))?;
    let mut text = String::new();
    let walked = untar::walk(file, Limits::default(), |member| {
        if member.path.as_str() != "manifest.json" {
            return Err(Looked::Other(member.path.to_string()));
        }
        member
            .reader
            .take(LARGEST_MANIFEST)
            .read_to_string(&mut text)
            .map_err(|error| Looked::Other(error.to_string()))?;
        Err(Looked::Enough)
    });
    match walked {
        Err(Looked::Enough) => Ok(text),
        Ok(()) => Err(no_bundle(path, "it is empty")),
        Err(Looked::Other(found)) => Err(no_bundle(path, &format!("it begins with {found}"))),
        Err(Looked::Untar(error)) => Err(no_bundle(path, &error.to_string())),
    }
}

fn no_bundle(path: &Path, why: &str) -> Failure {
    Failure::no(format!("{} is no bundle: {why}", path.display())).hint(WHAT_TO_NAME)
}

/// How a look at the first member ended.
enum Looked {
    Enough,
    Other(String),
    Untar(UntarError),
}

impl From<UntarError> for Looked {
    fn from(error: UntarError) -> Self {
        Self::Untar(error)
    }
}

fn describe_release(release: &Release) -> String {
    let mut text = format!(
        "release of cluster `{}` ({})\n  profile       {} on {}\n  generation    {}\n  packages of   {}\n  node program  {} {}\n",
        release.cluster,
        release.cluster_id,
        release.profile,
        release.architecture,
        release.generation,
        release.date,
        release.node_program.sha256,
        human_size(release.node_program.size),
    );
    for bundle in &release.bundles {
        text.push_str(&format!(
            "  {:<12}  {} {}\n",
            bundle.role.as_str(),
            bundle.file.sha256,
            human_size(bundle.file.size)
        ));
    }
    text
}

fn describe_bundle(manifest: &Manifest) -> String {
    let mut text = format!(
        "bundle `{}` of cluster `{}` ({})\n  profile     {} on {}, for {} {}\n  generation  {}\n  packages    {} of {}, layer {}\n  cluster     layer {}\n",
        manifest.role,
        manifest.cluster,
        manifest.cluster_id,
        manifest.profile,
        manifest.architecture,
        manifest.os.id,
        manifest.os.version,
        manifest.generation,
        manifest.package_list.len(),
        manifest.date,
        manifest.packages.digest,
        manifest.cluster_layer.digest,
    );
    for package in &manifest.package_list {
        text.push_str(&format!(
            "  {} {} {}\n",
            package.name, package.version, package.architecture
        ));
    }
    for file in &manifest.cluster_layer.files {
        text.push_str(&format!("  {} {}\n", file.path, human_size(file.size)));
    }
    text
}
