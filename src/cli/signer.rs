//! Which key a release or bundle must be signed with.

use std::path::{Path, PathBuf};

use clap::Args;

use super::report::Failure;
use super::text;
use super::ui::Ui;
use crate::bundle::sign::PublicKey;

/// The key as an operator names it.
#[derive(Debug, Args)]
pub struct SignerArguments {
    /// The operator's public key (PEM), from where you trust it
    #[arg(long, value_name = "FILE", conflicts_with = "secrets")]
    signer: Option<PathBuf>,

    /// The cluster's secrets folder, whose `signer.pub` is taken
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

/// A key, and whether the operator named it.
pub struct Signer {
    /// The key.
    pub key: PublicKey,
    /// False where it merely lay beside what it signed.
    is_trusted: bool,
}

const WHICH_KEY: &str =
    "name the `signer.pub` of the cluster's secrets folder, or a copy of it that you trust";

impl SignerArguments {
    /// The key named, else the one that lies in `release`, a release's folder.
    pub fn read(&self, release: Option<&Path>) -> Result<Signer, Failure> {
        let in_folder = |folder: &Path| folder.join("signer.pub");
        let named = (self.signer.clone()).or_else(|| self.secrets.as_deref().map(in_folder));
        let path = match (&named, release) {
            (Some(path), _) => path.clone(),
            (None, Some(release)) => in_folder(release),
            (None, None) => {
                return Err(Failure::input("a bundle alone does not say whom to trust")
                    .hint("name the operator's key: `--signer signer.pub`"));
            }
        };
        let pem = text::read(&path, text::SMALL)
            .map_err(|error| Failure::file("read the key", &path, &error).hint(WHICH_KEY))?;
        let key = PublicKey::from_pem(&path.display().to_string(), &pem)
            .map_err(|error| Failure::input(error.to_string()).hint(WHICH_KEY))?;
        Ok(Signer {
            key,
            is_trusted: named.is_some(),
        })
    }
}

impl Signer {
    /// Warns where nobody vouched for the key.
    pub fn warn_unless_trusted(&self, ui: &Ui) {
        if !self.is_trusted {
            ui.warn("that key lay beside what it signed: compare its fingerprint with one you trust, or name a key with --signer");
        }
    }
}
