//! The closure of a plan's roots: on each base by itself, then all in one,
//! each package with the roles that need it.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Role;
use crate::lock::pin::{PinError, Warning};
use crate::plan::Plan;
use crate::repo::BaseList;
use crate::repo::deb::companions::companions;
use crate::repo::deb::lower::{Lowered, Siblings, lower};
use crate::repo::deb::package::{Package, PackageError, PackageSet};
use crate::repo::model::Id;
use crate::solve::{self, slice};

/// Packages by name, each with the roles that need it.
pub type Pinned<'p, 'a> = BTreeMap<&'a str, (&'p Package<'a>, BTreeSet<Role>)>;

/// The closure on each base, as one.
pub fn close_all<'p, 'a>(
    plan: &Plan,
    bases: &[BaseList],
    listed: &'p PackageSet<'a>,
) -> Result<(Pinned<'p, 'a>, Vec<Warning>), PinError> {
    if bases.is_empty() {
        return Err(PinError::NoBase);
    }
    let mut union = Pinned::new();
    let mut warnings = Vec::new();
    for base in bases {
        let place = format!("the base list `{}`", base.name);
        let installed = read(&[&base.text], &place, plan)?;
        let (closure, difference) = close_one(plan, base, &installed, listed)?;
        merge(&mut union, closure)?;
        let base = base.name.clone();
        warnings.extend(difference.map(|difference| Warning::CrossCheck { base, difference }));
    }
    Ok((union, warnings))
}

/// Reads packages of the plan's architecture; `place` names the texts in errors.
pub fn read<'a>(texts: &[&'a str], place: &str, plan: &Plan) -> Result<PackageSet<'a>, PinError> {
    PackageSet::read(texts, plan.architecture.as_str()).map_err(in_place(place))
}

fn in_place(place: &str) -> impl Fn(PackageError) -> PinError {
    move |source| PinError::Package {
        place: place.to_owned(),
        source,
    }
}

fn merge<'p, 'a>(union: &mut Pinned<'p, 'a>, closure: Pinned<'p, 'a>) -> Result<(), PinError> {
    for (name, (package, roles)) in closure {
        let (known, known_roles) = union
            .entry(name)
            .or_insert_with(|| (package, BTreeSet::new()));
        if known.version != package.version {
            return Err(PinError::TwoVersions {
                package: name.to_owned(),
                one: known.version.to_string(),
                other: package.version.to_string(),
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
) -> Result<(Pinned<'p, 'a>, Option<String>), PinError> {
    let architecture = plan.architecture.as_str();
    let roots: Vec<(Role, &str)> = (plan.packages.iter())
        .flat_map(|(role, names)| names.iter().map(|name| (*role, name.as_str())))
        .collect();
    let names: Vec<_> = roots.iter().map(|(_, name)| *name).collect();
    let place = format!("solving on the base `{}`", base.name);
    let solve = |siblings| {
        let lowered = lower(installed, listed, &names, architecture, siblings);
        let lowered = lowered.map_err(in_place(&place))?;
        let closure = solve::close(&lowered.model).map_err(|source| PinError::Solve {
            base: base.name.clone(),
            source,
        })?;
        Ok((lowered, closure))
    };
    // That siblings move together is a wish: where it cannot be, the needs alone decide.
    let (lowered, closure) = match solve(Siblings::Upgraded) {
        Err(PinError::Solve { .. }) => solve(Siblings::Left)?,
        solved => solved?,
    };
    let mut pinned = chosen(&lowered, &closure.chosen, listed);
    for role in plan.packages.keys() {
        let is_of_role = |place: &usize| roots[*place].0 == *role;
        let places: Vec<_> = (0..roots.len()).filter(is_of_role).collect();
        for id in slice::reach(&lowered.model, &closure.chosen, &places) {
            let entry = pinned.get_mut(lowered.packages[id as usize].name);
            entry.expect("what is reached is chosen").1.insert(*role);
        }
    }
    give_to_all(&mut pinned, plan);
    add_companions(&mut pinned, installed, listed, architecture).map_err(in_place(&place))?;
    Ok((pinned, closure.difference))
}

// What is chosen and not in the base is the newest that is listed.
fn chosen<'p, 'a>(
    lowered: &Lowered<'_, '_>,
    ids: &[Id],
    listed: &'p PackageSet<'a>,
) -> Pinned<'p, 'a> {
    let ids = ids
        .iter()
        .filter(|id| !lowered.model.solvable(**id).installed);
    let newest = ids.filter_map(|id| listed.newest(lowered.packages[*id as usize].name));
    newest
        .map(|package| (package.name, (package, BTreeSet::new())))
        .collect()
}

// Nothing leads to an upgrade of the base that only makes room for another
// package; whichever role brings that, the upgrade must be there.
fn give_to_all(pinned: &mut Pinned<'_, '_>, plan: &Plan) {
    for (_, roles) in pinned.values_mut().filter(|(_, roles)| roles.is_empty()) {
        roles.extend(plan.packages.keys());
    }
}

fn add_companions<'p, 'a>(
    pinned: &mut Pinned<'p, 'a>,
    installed: &PackageSet<'_>,
    listed: &'p PackageSet<'a>,
    architecture: &str,
) -> Result<(), PackageError> {
    let closure: Vec<_> = pinned.values().map(|(package, _)| *package).collect();
    let companions = companions(&closure, installed, listed, architecture)?;
    for (name, (package, _)) in &companions {
        pinned.insert(name, (package, BTreeSet::new()));
    }
    // A companion of a companion takes its roles in a later round.
    loop {
        let before: usize = pinned.values().map(|(_, roles)| roles.len()).sum();
        for (name, (_, leaders)) in &companions {
            let roles: BTreeSet<_> = leaders.iter().flat_map(|l| pinned[l].1.clone()).collect();
            pinned
                .entry(name)
                .and_modify(|(_, known)| known.extend(roles));
        }
        let after: usize = pinned.values().map(|(_, roles)| roles.len()).sum();
        if before == after {
            return Ok(());
        }
    }
}
