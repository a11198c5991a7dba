//! `pgbundle verify`: whether a release or a bundle is what its signer sealed.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;

use super::report::Failure;
use super::signer::SignerArguments;
use super::ui::Ui;
use crate::base::Sha256;
use crate::bundle::manifest::Release;
use crate::bundle::verify::{self, Discard, Expectations, TarGz, VerifyError};

/// Check a release's folder (`public/`) or one bundle to its last byte
#[derive(Debug, Args)]
pub struct Arguments {
    /// A `public/` folder, or a bundle's `.tar.gz`
    #[arg(value_name = "PATH")]
    path: PathBuf,

    #[command(flatten)]
    signer: SignerArguments,

    /// Refuse generations below this one
    #[arg(long, value_name = "N")]
    generation: Option<u64>,
}

/// Verifies; the answer is the exit code.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<(), Failure> {
    let path = &arguments.path;
    let is_folder = path
        .metadata()
        .map_err(|error| Failure::file("read", path, &error).hint(WHAT_TO_NAME))?
        .is_dir();
    let signer = arguments.signer.read(is_folder.then_some(path.as_path()))?;
    let fingerprint = signer.key.fingerprint();
    let expected = Expectations {
        generation: arguments.generation,
        ..Expectations::signed_by(signer.key.clone())
    };
    if is_folder {
        folder(path, &expected, ui)?;
    } else {
        bundle(path, None, &expected)?;
    }
    ui.say(format!(
        "{} is whole, signed by {fingerprint}",
        path.display()
    ));
    signer.warn_unless_trusted(ui);
    Ok(())
}

fn folder(path: &Path, expected: &Expectations, ui: &Ui) -> Result<(), Failure> {
    let verified = verify::release(path, expected).map_err(|error| refused(path, error))?;
    let release: &Release = verified.release();
    for entry in &release.bundles {
        let file = entry.file.path.under(path);
        bundle(&file, Some(entry.file.sha256), expected)?;
        ui.say(format!("  {} and every file in it", entry.file.path));
    }
    ui.say(format!(
        "  pgbundle-node and {} other files",
        release.files.len()
    ));
    Ok(())
}

fn bundle(path: &Path, pinned: Option<Sha256>, expected: &Expectations) -> Result<(), Failure> {
    let mut file = File::open(path).map_err(|error| Failure::file("open", path, &error))?;
    let expected = Expectations {
        pinned,
        ..expected.clone()
    };
    verify::bundle(&mut file, &TarGz, &expected, &mut Discard)
        .map_err(|error| refused(path, error))?;
    Ok(())
}

/// What was refused, and what to do then.
pub fn refused(path: &Path, error: VerifyError) -> Failure {
    match error {
        VerifyError::Read { .. } | VerifyError::Store { .. } => {
            Failure::world(format!("{}: {error}", path.display()))
        }
        other => {
            let advice = advice(&other);
            Failure::no(format!("{}: {other}", path.display())).hint(advice)
        }
    }
}

fn advice(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::NotSignedBy { .. } | VerifyError::OtherSigner { .. } => {
            "do not use it; if you trust another key, name that: `--signer FILE`"
        }
        VerifyError::Older { .. } => "do not use it: hosts refuse it too; take a newer one",
        VerifyError::Wrong { .. } => "do not use it; take the one that was built for this",
        VerifyError::Missing { path } if path == "manifest.json" => {
            "name a release's `public/` folder, or copy it again from where it was built"
        }
        VerifyError::NoManifest { .. } | VerifyError::Damaged { .. } => {
            "name a bundle (`bundles/<role>.tar.gz`), or copy it again from where it was built"
        }
        _ => "do not use it; copy it again from where it was built",
    }
}

/// What to name, where what was named is not there.
pub const WHAT_TO_NAME: &str = "name a release's `public/` folder or a bundle's `.tar.gz`";
