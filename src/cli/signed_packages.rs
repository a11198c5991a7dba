//! Where upstream signs its packages and not its index, the packages are
//! fetched before they are locked: no row is written that no signature proves.

use std::collections::BTreeMap;
use std::fs::File;

use super::locking::Locking;
use super::report::Failure;
use super::{fetching, moment};
use crate::base::Sha256;
use crate::lock::packages::{PackageProofError, Signer, check as check_package};
use crate::lock::{Lock, LockedPackage, indexes};
use crate::profile::{Metadata, Repository, Source};
use crate::store::Blob;
use crate::store::fetch::Want;
use crate::store::http::Client;

/// Fetches and checks the packages of sources whose index nobody signs.
pub fn check(locking: &Locking<'_>, client: &Client, lock: &Lock) -> Result<(), Failure> {
    let profile = &locking.plan.profile;
    let unsigned: BTreeMap<&str, &Source> = profile
        .sources
        .iter()
        .filter(|source| signs_packages_alone(source))
        .map(|source| (source.id.as_str(), source))
        .collect();
    let rows = lock.packages.iter();
    let rows: Vec<_> = rows
        .filter_map(|row| Some((row, *unsigned.get(row.source.as_str())?)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let wants: Vec<_> = rows.iter().map(|(row, _)| want(row)).collect();
    let blobs = fetching::fetch_all(locking, Some(client), &wants)?;
    let keyring = indexes::keyring(profile, locking.mirrors.keys.clone());
    let at = moment::now()?;
    for (row, source) in rows {
        let file = open(&blobs, row)?;
        match check_package(row, source, &keyring, at, file) {
            Ok(Signer::Key(_)) => {}
            Ok(Signer::Unchecked) => return Err(unchecked(row)),
            Err(why) => return Err(refused(row, &why)),
        }
    }
    locking.ui.say(format!(
        "lock     {} packages are signed, header and payload",
        wants.len()
    ));
    Ok(())
}

fn signs_packages_alone(source: &Source) -> bool {
    match &source.kind {
        Repository::Apt(_) => false,
        Repository::RpmMd(repository) => repository.metadata == Metadata::Unsigned,
    }
}

fn want(row: &LockedPackage) -> Want {
    Want {
        source: row.source.clone(),
        path: row.path.clone(),
        size: row.size,
        sha256: row.sha256,
    }
}

fn open(blobs: &BTreeMap<Sha256, Blob>, row: &LockedPackage) -> Result<File, Failure> {
    let path = blobs[&row.sha256].path();
    File::open(path).map_err(|error| Failure::file("open the package", path, &error))
}

/// The index was read by a certificate that is gone now.
fn unchecked(row: &LockedPackage) -> Failure {
    let (name, source) = (&row.name, &row.source);
    Failure::world(format!(
        "nobody can say who signed the package {name}: no certificate of the source `{source}` is at hand"
    ))
    .hint("nothing was locked: name a folder that holds the certificates: `--keys DIR`")
}

fn refused(row: &LockedPackage, why: &PackageProofError) -> Failure {
    let (name, source) = (&row.name, &row.source);
    Failure::world(format!(
        "the package {name} ({} of source `{source}`) is not accepted: {why}",
        row.path
    ))
    .hint(format!(
        "nothing was locked: name another mirror (`--mirror {source}=URL`), or see whether upstream signs by a key that the profile does not have"
    ))
}
