//! Proves a lock that was read against the signed indexes in the store.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::colliding;
use super::locking::Locking;
use super::report::Failure;
use super::text;
use crate::base::Sha256;
use crate::document::Fault;
use crate::identity;
use crate::lock::cover::LockedPlan;
use crate::lock::prove::{self, Evidence, ProveError};
use crate::lock::{self, Lock, LockedIndex, LockedPackage, indexes};
use crate::store::Blob;

/// The digest of a lock that was not proved before for the cluster with these secrets.
pub fn unproved(locking: &Locking<'_>, lock: &Lock, secrets: &Path) -> Option<Sha256> {
    let digest = Sha256::of(lock::text::write(lock).as_bytes());
    let proved = identity::proved_lock(secrets, &locking.plan.spec.cluster);
    (proved != Some(digest)).then_some(digest)
}

/// Refuses a lock whose rows its own signed indexes do not have; says which
/// signature nobody could check here, and whether there was none such. What
/// rpm would refuse to install together is refused as well.
pub fn prove(
    locking: &Locking<'_>,
    locked: LockedPlan<'_>,
    blobs: &BTreeMap<Sha256, Blob>,
) -> Result<bool, Failure> {
    let profile = &locking.plan.profile;
    let keyring = indexes::keyring(profile, locking.mirrors.keys.clone());
    let open = |row: &LockedIndex| {
        let blob = blobs.get(&row.sha256).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(File::open(blob.path())?) as Box<dyn Read>)
    };
    let package = |row: &LockedPackage| {
        let blob = blobs.get(&row.sha256).ok_or(ErrorKind::NotFound)?;
        File::open(blob.path())
    };
    let evidence = Evidence {
        profile,
        keyring: &keyring,
        open: &open,
        package: &package,
    };
    let unchecked =
        prove::prove(locked.lock(), &evidence).map_err(|error| refused(locking, &error))?;
    colliding::check(locked, blobs)?;
    if !unchecked.is_empty() {
        locking.ui.warn(format!(
            "no certificate is at hand to check again who signed {}; name a folder that has it: `--keys DIR`",
            unchecked.join(", ")
        ));
    }
    Ok(unchecked.is_empty())
}

fn refused(locking: &Locking<'_>, error: &ProveError) -> Failure {
    let path = locking.path();
    if let ProveError::Unreadable { .. } = error {
        return Failure::world(error.to_string());
    }
    let text = text::read(&path, text::LARGE).unwrap_or_default();
    let subject = format!("\"{}\"", error.subject());
    let span = text.find(&subject).map(|at| at..at + subject.len());
    let fault = Fault {
        message: error.to_string(),
        span,
        label: String::new(),
        hint: Some("it was edited by hand: `pgbundle lock` makes it again".to_owned()),
    };
    Failure::document(path.display().to_string(), &text, vec![fault])
}
