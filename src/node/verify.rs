//! `pgbundle-node verify`: is everything still as the bundles and the identity
//! have it? Bundles by digest, files by content, owner and mode, packages by
//! version. It changes nothing.

use std::fs::File;

use super::bundles::{self, RoleBundle};
use super::files;
use super::host::Host;
use super::identity;
use super::installing::{self, Left};
use super::packages::{self, PackageManager};
use super::python;
use super::stop::Stop;
use crate::base::Sha256;

/// Everything that has drifted, in sentences.
pub fn drift(host: &Host) -> Result<Vec<String>, Stop> {
    let identity = identity::stored(host)?.ok_or_else(|| {
        Stop::Input(
            "this host has no identity yet: `pgbundle-node up` takes it from the seed".to_owned(),
        )
    })?;
    let missing = bundles::missing(host, &identity);
    if !missing.is_empty() {
        return Ok(missing
            .iter()
            .map(|pinned| format!("the {} bundle is not unpacked", pinned.role))
            .collect());
    }
    let bundles = bundles::read(host, &identity)?;
    let mut drift = Vec::new();
    for bundle in &bundles {
        drift.extend(altered_files(bundle));
    }
    if drift.is_empty() {
        drift.extend(files::differences(host, &identity, &bundles)?);
    }
    let environments = python::to_be_made(host, &bundles)?.into_iter();
    drift.extend(environments.map(|(folder, _)| {
        format!(
            "the Python environment `{}` is not in use",
            folder.display()
        )
    }));
    drift.extend(package_drift(host, &bundles)?);
    Ok(drift)
}

fn altered_files(bundle: &RoleBundle) -> Vec<String> {
    let layers = [&bundle.manifest.packages, &bundle.manifest.cluster_layer];
    let files = layers.into_iter().flat_map(|layer| &layer.files);
    let altered = |file: &&crate::bundle::manifest::ManifestFile| {
        let digest = File::open(file.path.under(&bundle.folder)).and_then(Sha256::of_reader);
        !matches!(digest, Ok((sha256, size)) if (sha256, size) == (file.sha256, file.size))
    };
    files
        .filter(altered)
        .map(|file| {
            format!(
                "`{}` of the {} bundle is not what its manifest lists",
                file.path, bundle.assignment.role
            )
        })
        .collect()
}

fn package_drift(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
    let Some(manager) = PackageManager::of_all(bundles) else {
        return Ok(Vec::new());
    };
    let installed = manager.installed(host)?;
    let is_whole = installing::left(host)? == Left::Whole;
    let version = |name: &str| {
        installed
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, version)| version)
    };
    let mut drift: Vec<String> = packages::names(bundles)
        .iter()
        .filter(|name| version(name).is_none())
        .map(|name| format!("package {name} is not installed"))
        .collect();
    if !is_whole {
        drift.push(
            "installing the packages was cut off: `pgbundle-node up` installs them again"
                .to_owned(),
        );
    }
    for entry in packages::entries(bundles) {
        if let Some(have) = version(&entry.name).filter(|have| **have != entry.version) {
            drift.push(format!(
                "package {} is {have}, the bundle has {}",
                entry.name, entry.version
            ));
        }
    }
    Ok(drift)
}
