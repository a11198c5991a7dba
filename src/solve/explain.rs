//! Why something cannot be had, as a chain from a root to the gap.

use crate::repo::model::{Id, Model, Requirement};

/// The first root that no choice can ever satisfy, with what leads from it to
/// the gap; none where each need has a candidate by itself and only their
/// combination can fail.
pub fn gap(model: &Model) -> Option<String> {
    let hopeless = hopeless(model);
    let lost = |r: &Requirement| r.candidates.iter().all(|id| hopeless[*id as usize]);
    let root = model.roots.iter().find(|root| lost(root))?;
    let mut chain = format!("`{}` is asked for", root.text);
    let mut requirement = root;
    let mut passed: Vec<Id> = Vec::new();
    loop {
        let mut candidates = requirement.candidates.iter().copied();
        let Some(id) = candidates.find(|id| !passed.contains(id)) else {
            let reason = requirement
                .shortfall
                .as_deref()
                .unwrap_or("they need each other");
            return Some(format!("{chain}: {reason}"));
        };
        passed.push(id);
        let solvable = model.solvable(id);
        let Some(next) = solvable.requirements.iter().find(|r| lost(r)) else {
            return Some(chain);
        };
        chain.push_str(&format!("\n  {} needs `{}`", solvable.label, next.text));
        requirement = next;
    }
}

// Grows from what has an unmet need to all that depends on it alone.
fn hopeless(model: &Model) -> Vec<bool> {
    let mut hopeless = vec![false; model.solvables.len()];
    loop {
        let mut grew = false;
        for id in model.ids() {
            let lost = |r: &Requirement| r.candidates.iter().all(|id| hopeless[*id as usize]);
            let falls = model.solvable(id).requirements.iter().any(lost);
            if falls && !hopeless[id as usize] {
                hopeless[id as usize] = true;
                grew = true;
            }
        }
        if !grew {
            return hopeless;
        }
    }
}
