//! Which part of a closure a root needs: reachability through chosen candidates.

use std::collections::BTreeSet;

use crate::repo::model::{Id, Model};

/// What of `chosen` the roots at these places of the model reach, with what
/// the base has left out.
pub fn reach(model: &Model, chosen: &[Id], roots: &[usize]) -> BTreeSet<Id> {
    let is_chosen = |id: &Id| chosen.binary_search(id).is_ok();
    let mut waiting: Vec<_> = roots.iter().map(|place| &model.roots[*place]).collect();
    let mut reached = BTreeSet::new();
    while let Some(requirement) = waiting.pop() {
        let Some(id) = requirement.candidates.iter().copied().find(is_chosen) else {
            continue;
        };
        if reached.insert(id) {
            waiting.extend(&model.solvable(id).requirements);
        }
    }
    reached.retain(|id| !model.solvable(*id).installed);
    reached
}
