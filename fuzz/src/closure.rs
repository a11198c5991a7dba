//! The closure over a base and an index, as far as the indexes lead.

use pgbundle::repo::deb::lower::{Siblings, lower};
use pgbundle::repo::deb::package::PackageSet;
use pgbundle::repo::model::{Id, Model, Requirement};
use pgbundle::solve;

/// What parts the base from the index.
const PART: &str = "\n\n===\n\n";

/// Where there is a closure, it meets every need, clashes nowhere and keeps
/// what the base has.
pub fn holds(bytes: &[u8]) -> bool {
    let Some((base, listed)) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|t| t.split_once(PART))
    else {
        return false;
    };
    let read = |text| PackageSet::read(&[text], "amd64").ok();
    let (Some(base), Some(listed)) = (read(base), read(listed)) else {
        return false;
    };
    let roots: Vec<_> = listed
        .all()
        .iter()
        .map(|package| package.name)
        .take(3)
        .collect();
    let mut found = false;
    for siblings in [Siblings::Upgraded, Siblings::Left] {
        let Ok(lowered) = lower(&base, &listed, &roots, "amd64", siblings) else {
            return false;
        };
        match solve::close(&lowered.model) {
            Ok(closure) => {
                is_sound(&lowered.model, &closure.chosen);
                found = true;
            }
            Err(why) => assert!(!why.to_string().is_empty(), "a refusal says why"),
        }
    }
    found
}

/// Every need is met, nothing clashes, and the base stays.
pub fn is_sound(model: &Model, chosen: &[Id]) {
    let has = |id: &Id| chosen.binary_search(id).is_ok();
    let is_met = |need: &Requirement| need.candidates.iter().any(has);
    assert!(model.roots.iter().all(is_met), "every root is there");
    let mut slots: Vec<u32> = Vec::new();
    for id in chosen {
        let one = model.solvable(*id);
        assert!(
            one.requirements.iter().all(is_met),
            "{} lacks something",
            one.label
        );
        let clashes = |other: &Id| has(other) && model.solvable(*other).slot != one.slot;
        assert!(!one.conflicts.iter().any(clashes), "{} clashes", one.label);
        slots.push(one.slot);
    }
    slots.sort_unstable();
    assert!(
        slots.windows(2).all(|pair| pair[0] < pair[1]),
        "one of a slot"
    );
    for have in &model.installed {
        assert!(
            slots.binary_search(&model.solvable(*have).slot).is_ok(),
            "the base stays"
        );
    }
}
