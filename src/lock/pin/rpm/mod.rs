//! The packages of a lock out of rpm-md repositories.

pub mod close;
pub mod row;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{PinError, RowError, Warning};
use crate::base::Sha256;
use crate::lock::LockedPackage;
use crate::lock::given::{GivenPackage, SOURCE};
use crate::plan::Plan;
use crate::repo::BaseList;
use crate::repo::rpm::index::VerifiedIndex;
use crate::repo::rpm::modules::{Choice, Hidden, Modules};
use crate::repo::rpm::package::Package;
use crate::repo::rpm::primary;
use crate::repo::rpm::set::PackageSet;

/// The rows of a plan's closure, sorted.
pub(super) fn rows(
    plan: &Plan,
    bases: &[BaseList],
    indexes: &[VerifiedIndex],
    given: &[GivenPackage],
) -> Result<(Vec<LockedPackage>, Vec<Warning>), PinError> {
    let runs_here = |one: &str| runs_on(plan.architecture.as_str(), one);
    let mut packages = Vec::new();
    for (repository, index) in indexes.iter().enumerate() {
        let read = primary::read(index.primary.bytes(), repository, runs_here);
        packages.extend(read.map_err(|source| PinError::Primary {
            source_id: index.source.clone(),
            source,
        })?);
    }
    let hidden = hidden(plan, indexes)?;
    let documents: Vec<_> = given
        .iter()
        .map(|one| format!("<metadata>{}</metadata>", one.element))
        .collect();
    let (packages, left_out): (Vec<_>, Vec<_>) = packages
        .into_iter()
        .partition(|package| hidden.by(package).is_none());
    let mut packages = packages;
    for (one, document) in given.iter().zip(&documents) {
        // Modules are of repositories: what was given for these hosts is meant.
        let read = primary::read(document, indexes.len(), runs_here);
        packages.extend(read.map_err(|source| PinError::Given {
            file: one.file.name.clone(),
            source,
        })?);
    }
    let mut listed = PackageSet::new(packages);
    for root in plan.packages.values().flatten() {
        let is_root = |package: &&Package<'_>| package.name == root;
        if listed.named(root).is_empty()
            && let Some(package) = left_out.iter().find(is_root)
        {
            return Err(PinError::Hidden {
                package: package.to_string(),
                module: hidden.by(package).unwrap_or_default().to_owned(),
            });
        }
    }
    only_elsewhere(plan, indexes, &listed)?;
    let mut owners: HashMap<String, Vec<Sha256>> = HashMap::new();
    for (file, digests) in indexes.iter().flat_map(|index| &index.file_owners) {
        owners.entry(file.clone()).or_default().extend(digests);
    }
    for (file, digests) in &mut owners {
        let owns = |one: &&GivenPackage| one.package.lacks([file.as_str()]).is_none();
        digests.extend(given.iter().filter(owns).map(|one| one.file.sha256));
    }
    listed.learn_files(&owners);
    let looked_up = owners.keys().cloned().collect();
    let mut files: BTreeMap<Sha256, BTreeSet<&str>> = BTreeMap::new();
    for (file, digests) in &owners {
        for digest in digests {
            files.entry(*digest).or_default().insert(file);
        }
    }
    let (closure, warnings) = close::close_all(plan, bases, &listed, &looked_up)?;
    let none = BTreeSet::new();
    let rows = closure.values().map(|(package, roles)| {
        let archive = package.archive.as_ref().expect("what is listed has a file");
        let files = files.get(&archive.sha256).unwrap_or(&none);
        let source = indexes.get(archive.repository);
        let source = source.map_or(SOURCE, |index| &index.source);
        let mut row = row::package(package, files, source, roles)?;
        let is_it = |one: &&GivenPackage| source == SOURCE && one.file.sha256 == row.sha256;
        row.by_digest = given.iter().find(is_it).and_then(|one| one.by_digest);
        Ok(row)
    });
    let mut rows = rows.collect::<Result<Vec<_>, RowError>>()?;
    rows.sort_by(|a, b| {
        let one = (&a.name, &a.version, &a.architecture);
        one.cmp(&(&b.name, &b.version, &b.architecture))
    });
    Ok((rows, warnings))
}

/// Refuses a plan whose roots there are for other architectures alone.
fn only_elsewhere(
    plan: &Plan,
    indexes: &[VerifiedIndex],
    listed: &PackageSet<'_>,
) -> Result<(), PinError> {
    let is_absent =
        |root: &&String| listed.named(root).is_empty() && listed.providers(root).next().is_none();
    let absent: Vec<_> = plan.packages.values().flatten().filter(is_absent).collect();
    if absent.is_empty() {
        return Ok(());
    }
    let architecture = plan.architecture.as_str();
    for index in indexes {
        let is_other = |one: &str| !runs_on(architecture, one) && !["src", "nosrc"].contains(&one);
        let others = primary::read(index.primary.bytes(), 0, is_other);
        let others = others.unwrap_or_default();
        let is_root = |package: &&Package<'_>| absent.iter().any(|root| package.name == **root);
        if let Some(package) = others.iter().find(is_root) {
            return Err(PinError::OtherArchitecture {
                package: package.to_string(),
                architecture: architecture.to_owned(),
            });
        }
    }
    Ok(())
}

/// What modules hide on the hosts, where all but the profile's choice is as upstream has it.
fn hidden(plan: &Plan, indexes: &[VerifiedIndex]) -> Result<Hidden, PinError> {
    let mut modules = Modules::default();
    for index in indexes {
        if let Some(text) = &index.modules {
            let added = modules.add(text.bytes());
            added.map_err(|source| PinError::Modules {
                source_id: index.source.clone(),
                source,
            })?;
        }
    }
    let choice = Choice {
        disabled: plan.profile.disabled_modules.clone(),
        ..Choice::default()
    };
    Ok(modules.hidden(&choice, plan.architecture.as_str()))
}

/// Whether a host of that architecture runs what is made for `package`: itself,
/// any, and on x86_64 what ran on its forerunners (rpm's `arch_compat`).
pub fn runs_on(host: &str, package: &str) -> bool {
    let is_forerunner = ["i686", "i586", "i486", "i386"].contains(&package);
    package == host || package == "noarch" || (host == "x86_64" && is_forerunner)
}
