//! Opening a bundle into a folder, through the one check that workstation and
//! node share ([`crate::bundle::verify`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::durable::{self, Rights};
use super::stop::Stop;
use crate::base::BundlePath;
use crate::bundle::manifest::Manifest;
use crate::bundle::sign::PublicKey;
use crate::bundle::verify::{self, Expectations, Sink, TarGz, VerifyError};
use crate::seed::identity::{Identity, PinnedBundle};

/// Checks `file` against what the identity pins and unpacks it into the folder
/// `new`, which counts for nothing until this returns.
pub fn unpack(
    file: &Path,
    identity: &Identity,
    pinned: &PinnedBundle,
    new: &Path,
) -> Result<Manifest, Stop> {
    let refuse = |fault: &dyn std::fmt::Display| {
        Stop::refuse(format!("the {} bundle: {fault}", pinned.role))
    };
    let signer = PublicKey::from_pem("the identity's signing key", &identity.signer)
        .map_err(|fault| Stop::Input(fault.to_string()))?;
    let expected = Expectations {
        pinned: Some(pinned.file.sha256),
        cluster_id: Some(identity.cluster_id.clone()),
        role: Some(pinned.role),
        architecture: Some(identity.architecture.clone()),
        generation: Some(identity.generation),
        ..Expectations::signed_by(signer)
    };
    let world =
        |fault: io::Error| Stop::World(format!("cannot unpack `{}`: {fault}", file.display()));
    let mut archive = File::open(file).map_err(world)?;
    durable::folder(new, Rights::own(0o755))?;
    let mut folder = Folder {
        root: new.to_owned(),
    };
    let verified = verify::bundle(&mut archive, &TarGz, &expected, &mut folder).map_err(
        |fault| match fault {
            // A full disk says nothing against the bundle.
            VerifyError::Read { .. } | VerifyError::Store { .. } => {
                Stop::World(format!("cannot unpack the {} bundle: {fault}", pinned.role))
            }
            fault => refuse(&format!("{fault}; take seed and bundles from one build")),
        },
    )?;
    let manifest = verified.manifest().clone();
    if manifest.profile != identity.profile {
        return Err(refuse(&format!(
            "it is for profile {}, not for {}",
            manifest.profile, identity.profile
        )));
    }
    let mut bytes =
        serde_json::to_vec_pretty(&manifest).expect("a manifest that was parsed can be written");
    bytes.push(b'\n');
    durable::write(&new.join("manifest.json"), &bytes, Rights::own(0o644))?;
    Ok(manifest)
}

struct Folder {
    root: PathBuf,
}

impl Sink for Folder {
    fn file(&mut self, path: &BundlePath, _: u64, content: &mut dyn Read) -> io::Result<()> {
        let place = path.under(&self.root);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&place)?;
        io::copy(content, &mut file).map(drop)
    }
}
