//! Where two choices from one model differ, and which differences follow
//! from taking another alternative of one need.

use std::collections::BTreeSet;

use pgbundle::repo::lower::Lowered;
use pgbundle::repo::model::{Id, Requirement};

/// What was chosen, the unchanged packages of the base included.
pub type Choice = BTreeSet<Id>;

/// How a choice differs from another.
#[derive(Debug, Default)]
pub struct Difference {
    /// The needs that were met by another alternative, in words.
    pub alternatives: Vec<String>,
    /// What is there for no such reason.
    pub unexplained: Vec<String>,
}

/// What `mine` has and `other` lacks.
pub fn difference(lowered: &Lowered<'_, '_>, mine: &Choice, other: &Choice) -> Difference {
    let mut judge = Judge {
        lowered,
        mine,
        other,
        explained: Choice::new(),
        alternatives: Vec::new(),
    };
    while judge.grows() {}
    let is_new = |id: &&Id| !lowered.model.solvable(**id).installed;
    let alone = mine.difference(other).filter(is_new);
    let unexplained = alone.filter(|id| !judge.explained.contains(id));
    Difference {
        unexplained: unexplained.map(|id| judge.label(*id)).collect(),
        alternatives: judge.alternatives,
    }
}

struct Judge<'l> {
    lowered: &'l Lowered<'l, 'l>,
    mine: &'l Choice,
    other: &'l Choice,
    explained: Choice,
    alternatives: Vec<String>,
}

impl Judge<'_> {
    fn label(&self, id: Id) -> String {
        self.lowered.model.solvable(id).label.clone()
    }

    fn grows(&mut self) -> bool {
        let before = self.explained.len();
        let model = &self.lowered.model;
        for root in &model.roots {
            self.weigh("what is asked for", root);
        }
        for id in self.mine.intersection(self.other) {
            for requirement in &model.solvable(*id).requirements {
                self.weigh(&model.solvable(*id).label, requirement);
            }
        }
        for id in self.explained.clone() {
            for requirement in &model.solvable(id).requirements {
                self.follow(requirement);
            }
            self.make_room(id);
        }
        self.explained.len() > before
    }

    /// A need that both have: the two may have met it by packages of other
    /// names, each of them with the one that the other lacks.
    fn weigh(&mut self, holder: &str, need: &Requirement) {
        let (mine, other) = (among(need, self.mine), among(need, self.other));
        let shares_a_name = |id: &Id| other.iter().any(|o| self.slot(*o) == self.slot(*id));
        if other.is_empty() || mine.iter().any(shares_a_name) {
            return;
        }
        let new: Vec<_> = mine
            .into_iter()
            .filter(|id| self.explained.insert(*id))
            .collect();
        if !new.is_empty() {
            let these = |ids: &[Id]| {
                let told: Vec<_> = ids.iter().map(|id| self.told(*id, need)).collect();
                told.join(", ")
            };
            self.alternatives.push(format!(
                "`{}` of {holder}: {} in place of {}",
                need.text,
                these(&new),
                these(&other)
            ));
        }
    }

    /// A need of what came by such a choice, that nothing shared meets.
    fn follow(&mut self, need: &Requirement) {
        let mine = among(need, self.mine);
        if !mine.iter().any(|id| self.other.contains(id)) {
            self.explained.extend(mine);
        }
    }

    /// Upgrades of the base without which `id` could not stand there.
    fn make_room(&mut self, id: Id) {
        let model = &self.lowered.model;
        for upgrade in self.mine.difference(self.other) {
            let slot = model.solvable(*upgrade).slot;
            let mut old = model.installed.iter().filter(|i| self.slot(**i) == slot);
            let clashes = |old: &Id| {
                model.solvable(id).conflicts.contains(old)
                    || model.solvable(*old).conflicts.contains(&id)
            };
            if old.any(clashes) {
                self.explained.insert(*upgrade);
            }
        }
    }

    fn slot(&self, id: Id) -> u32 {
        self.lowered.model.solvable(id).slot
    }

    fn told(&self, id: Id, need: &Requirement) -> String {
        let name = self.lowered.packages[id as usize].name;
        let mut words = need.text.split([' ', '|', ':', '(']);
        let how = if words.any(|word| word == name) {
            "named"
        } else {
            "provides it"
        };
        format!("{} ({how})", self.label(id))
    }
}

fn among(need: &Requirement, choice: &Choice) -> Vec<Id> {
    let candidates = need.candidates.iter().copied();
    candidates.filter(|id| choice.contains(id)).collect()
}
