//! A plain breadth-first closure: the cross-check beside the solver.
//!
//! Needs with one candidate are met first, then the alternatives in order,
//! each by the first candidate that nothing chosen so far speaks against. It
//! never goes back, so it can fail where the solver does not.

use std::collections::VecDeque;

use crate::repo::model::{Id, Model, Requirement};

/// What the breadth-first closure chose, or the need at which it stuck.
pub fn close(model: &Model) -> Result<Vec<Id>, String> {
    let mut walk = Walk::new(model);
    walk.queue(&model.roots);
    while let Some(requirement) = walk.next() {
        if !walk.is_met(requirement) {
            let id = walk
                .pick(requirement)
                .ok_or_else(|| requirement.text.clone())?;
            walk.choose(id);
        }
    }
    Ok(walk.chosen())
}

struct Walk<'m> {
    model: &'m Model,
    taken: Vec<Option<Id>>,
    forced: VecDeque<&'m Requirement>,
    open: VecDeque<&'m Requirement>,
}

impl<'m> Walk<'m> {
    fn new(model: &'m Model) -> Self {
        let mut taken = vec![None; model.slots().len()];
        for id in &model.installed {
            taken[model.solvable(*id).slot as usize] = Some(*id);
        }
        Self {
            model,
            taken,
            forced: VecDeque::new(),
            open: VecDeque::new(),
        }
    }

    fn queue(&mut self, requirements: &'m [Requirement]) {
        for requirement in requirements {
            match requirement.candidates.len() {
                0 | 1 => self.forced.push_back(requirement),
                _ => self.open.push_back(requirement),
            }
        }
    }

    fn next(&mut self) -> Option<&'m Requirement> {
        self.forced.pop_front().or_else(|| self.open.pop_front())
    }

    fn holds(&self, id: Id) -> bool {
        self.taken[self.model.solvable(id).slot as usize] == Some(id)
    }

    fn is_met(&self, requirement: &Requirement) -> bool {
        requirement.candidates.iter().any(|id| self.holds(*id))
    }

    fn pick(&self, requirement: &Requirement) -> Option<Id> {
        let mut candidates = requirement.candidates.iter().copied();
        candidates.find(|id| self.is_free(*id))
    }

    // A slot taken by what the base has is free: the newer one is an upgrade.
    fn is_free(&self, id: Id) -> bool {
        let solvable = self.model.solvable(id);
        let slot = self.taken[solvable.slot as usize];
        slot.is_none_or(|have| self.model.solvable(have).installed)
            && !solvable.conflicts.iter().any(|other| self.holds(*other))
            && !self.chosen().iter().any(|have| {
                let have = self.model.solvable(*have);
                have.slot != solvable.slot && have.conflicts.contains(&id)
            })
    }

    fn choose(&mut self, id: Id) {
        let model = self.model;
        let solvable = model.solvable(id);
        self.taken[solvable.slot as usize] = Some(id);
        self.queue(&solvable.requirements);
    }

    fn chosen(&self) -> Vec<Id> {
        let mut chosen: Vec<_> = self.taken.iter().flatten().copied().collect();
        chosen.sort_unstable();
        chosen
    }
}
