//! The closure of a plan's roots over rpm packages: on each base by itself,
//! then all in one, each package with the roles that need it.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Role;
use crate::lock::pin::{PinError, Warning};
use crate::plan::Plan;
use crate::repo::BaseList;
use crate::repo::rpm::base_list;
use crate::repo::rpm::lower::{Lowered, lower};
use crate::repo::rpm::package::Package;
use crate::repo::rpm::set::PackageSet;
use crate::solve::{self, slice};

/// Packages by name and architecture, each with the roles that need it.
pub type Pinned<'p, 'a> = BTreeMap<(&'a str, &'a str), (&'p Package<'a>, BTreeSet<Role>)>;

/// The closure on each base, as one. Where packages ask for files that nobody
/// is known to own and that are not in `looked_up`, it says which.
pub fn close_all<'p, 'a>(
    plan: &Plan,
    bases: &[BaseList],
    listed: &'p PackageSet<'a>,
    looked_up: &BTreeSet<String>,
) -> Result<(Pinned<'p, 'a>, Vec<Warning>), PinError> {
    if bases.is_empty() {
        return Err(PinError::NoBase);
    }
    let mut union = Pinned::new();
    let mut warnings = Vec::new();
    for base in bases {
        let installed = base_list::read(&base.text).map_err(|source| PinError::BaseList {
            base: base.name.clone(),
            source,
        })?;
        let installed = PackageSet::new(installed);
        let (closure, difference) = close_one(plan, base, &installed, listed, looked_up)?;
        merge(&mut union, closure)?;
        let base = base.name.clone();
        warnings.extend(difference.map(|difference| Warning::CrossCheck { base, difference }));
    }
    Ok((union, warnings))
}

fn merge<'p, 'a>(union: &mut Pinned<'p, 'a>, closure: Pinned<'p, 'a>) -> Result<(), PinError> {
    for (name, (package, roles)) in closure {
        let (known, known_roles) = union
            .entry(name)
            .or_insert_with(|| (package, BTreeSet::new()));
        if known.evr != package.evr {
            return Err(PinError::TwoVersions {
                package: package.name.to_owned(),
                one: known.evr.to_string(),
                other: package.evr.to_string(),
            });
        }
        known_roles.extend(roles);
    }
    Ok(())
}

fn close_one<'p, 'a>(
    plan: &Plan,
    base: &BaseList,
    installed: &PackageSet<'_>,
    listed: &'p PackageSet<'a>,
    looked_up: &BTreeSet<String>,
) -> Result<(Pinned<'p, 'a>, Option<String>), PinError> {
    let roots: Vec<(Role, &str)> = (plan.packages.iter())
        .flat_map(|(role, names)| names.iter().map(|name| (*role, name.as_str())))
        .collect();
    let names: Vec<_> = roots.iter().map(|(_, name)| *name).collect();
    let lowered = lower(installed, listed, &names, plan.architecture.as_str());
    let lowered = lowered.map_err(|source| PinError::Lower {
        base: base.name.clone(),
        source,
    })?;
    let unknown: BTreeSet<_> = lowered
        .unowned_files
        .difference(looked_up)
        .cloned()
        .collect();
    if !unknown.is_empty() {
        return Err(PinError::FileLists(unknown));
    }
    let closure = solve::close(&lowered.model).map_err(|source| PinError::Solve {
        base: base.name.clone(),
        source,
    })?;
    let mut pinned = Pinned::new();
    for id in &closure.chosen {
        if let Some(package) = brought(&lowered, *id, listed) {
            pinned.insert(key(package), (package, BTreeSet::new()));
        }
    }
    for role in plan.packages.keys() {
        let is_of_role = |place: &usize| roots[*place].0 == *role;
        let places: Vec<_> = (0..roots.len()).filter(is_of_role).collect();
        for id in slice::reach(&lowered.model, &closure.chosen, &places) {
            if let Some(package) = brought(&lowered, id, listed) {
                let entry = pinned.get_mut(&key(package));
                entry.expect("what is reached is chosen").1.insert(*role);
            }
        }
    }
    // Nothing leads to an upgrade of the base that only makes room for another
    // package; whichever role brings that, the upgrade must be there.
    for (_, roles) in pinned.values_mut().filter(|(_, roles)| roles.is_empty()) {
        roles.extend(plan.packages.keys());
    }
    Ok((pinned, closure.difference))
}

fn key<'a>(package: &Package<'a>) -> (&'a str, &'a str) {
    (package.name, package.arch)
}

/// The listed package behind a number; none where the base has it already, or
/// where the solvable only says what a package cannot.
fn brought<'p, 'a>(
    lowered: &Lowered<'_, '_>,
    id: crate::repo::model::Id,
    listed: &'p PackageSet<'a>,
) -> Option<&'p Package<'a>> {
    if lowered.model.solvable(id).installed {
        return None;
    }
    let chosen = lowered.packages[id as usize]?;
    let is_chosen = |one: &&Package<'_>| one.arch == chosen.arch && one.evr == chosen.evr;
    listed.named(chosen.name).iter().find(is_chosen)
}
