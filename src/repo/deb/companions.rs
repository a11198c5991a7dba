//! Packages of the base that move in lock-step with one of the closure.
//!
//! `perl` needs `perl-base (= 5.36.0-7)`. A base that has exactly that version
//! satisfies it, but an image that is a little older does not, and a bundle
//! without `perl-base` could not be installed there. So what of the base is
//! needed at one exact version comes along, as long as the index has it.

use std::collections::BTreeMap;

use super::package::{Package, PackageError, PackageSet};
use super::relation::{Operator, Relation};

/// The companions of `closure`, by name: the package and the names of those
/// in the closure, or companions themselves, that it comes along with.
pub fn companions<'p, 'a>(
    closure: &[&'p Package<'a>],
    base: &PackageSet<'_>,
    listed: &'p PackageSet<'a>,
    architecture: &str,
) -> Result<BTreeMap<&'a str, (&'p Package<'a>, Vec<&'a str>)>, PackageError> {
    let mut found: BTreeMap<&str, (&Package<'_>, Vec<&str>)> = BTreeMap::new();
    let mut waiting = closure.to_vec();
    while let Some(package) = waiting.pop() {
        for wanted in exact_needs(package, architecture)? {
            let is_new = |p: &&Package<'_>| !closure.iter().any(|known| known.name == p.name);
            let Some(companion) = companion(&wanted, base, listed).filter(is_new) else {
                continue;
            };
            let entry = found.entry(companion.name).or_insert_with(|| {
                waiting.push(companion);
                (companion, Vec::new())
            });
            entry.1.push(package.name);
        }
    }
    Ok(found)
}

fn exact_needs<'a>(
    package: &Package<'a>,
    architecture: &str,
) -> Result<Vec<Relation<'a>>, PackageError> {
    let mut needs = package.relations("Pre-Depends", architecture)?;
    needs.extend(package.relations("Depends", architecture)?);
    let exact = |r: &Relation<'_>| matches!(r.bound, Some((Operator::Equal, _)));
    Ok(needs
        .into_iter()
        .flat_map(|(_, all)| all)
        .filter(exact)
        .collect())
}

fn companion<'p, 'a>(
    wanted: &Relation<'_>,
    base: &PackageSet<'_>,
    listed: &'p PackageSet<'a>,
) -> Option<&'p Package<'a>> {
    let installed = base
        .newest(wanted.name)
        .filter(|have| wanted.admits(have.version))?;
    let versions = listed.named(wanted.name).iter();
    versions
        .into_iter()
        .find(|p| p.version == installed.version)
}
