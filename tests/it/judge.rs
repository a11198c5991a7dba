//! Where two choices from one model differ, and which of the differences come
//! from meeting one need by another alternative.

use std::collections::BTreeSet;

use pgbundle::repo::model::{Id, Model, Requirement};

/// What was chosen, the unchanged packages of the base included.
pub type Choice = BTreeSet<Id>;

/// How our choice and another's differ.
pub struct Difference {
    /// Needs that the two met by different packages, in words.
    pub alternatives: Vec<String>,
    /// What we have for no such reason.
    pub only_ours: Vec<String>,
    /// What the other has for no such reason.
    pub only_theirs: Vec<String>,
}

/// Compares our choice with that of `other`.
pub fn difference(model: &Model, other: &str, ours: &Choice, theirs: &Choice) -> Difference {
    let side = |mine, other| {
        let mut side = Side {
            model,
            mine,
            other,
            explained: Choice::new(),
            causes: BTreeSet::new(),
        };
        while side.grows() {}
        side
    };
    let (mut left, mut right) = (side(ours, theirs), side(theirs, ours));
    left.follow_versions(&right);
    right.follow_versions(&left);
    let causes = left.causes.iter().chain(&right.causes);
    let causes: BTreeSet<_> = causes
        .map(|cause| cause.told(model, other, ours, theirs))
        .collect();
    Difference {
        alternatives: causes.into_iter().collect(),
        only_ours: left.unexplained(),
        only_theirs: right.unexplained(),
    }
}

/// A need and who has it; none for what is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    holder: Option<Id>,
    place: usize,
}

impl Cause {
    fn need<'m>(&self, model: &'m Model) -> &'m Requirement {
        match self.holder {
            None => &model.roots[self.place],
            Some(id) => &model.solvable(id).requirements[self.place],
        }
    }

    fn told(&self, model: &Model, other: &str, ours: &Choice, theirs: &Choice) -> String {
        let need = self.need(model);
        let these = |choice| {
            let told: Vec<_> = among(need, choice)
                .into_iter()
                .map(|id| told(model, id, need))
                .collect();
            told.join(" and ")
        };
        let label = |id| model.solvable(id).label.as_str();
        format!(
            "`{}` of {}: we have {}, {other} has {}",
            need.text,
            self.holder.map_or("the roots", label),
            these(ours),
            these(theirs)
        )
    }
}

/// A package, and why it meets the need.
fn told(model: &Model, id: Id, need: &Requirement) -> String {
    let label = &model.solvable(id).label;
    let name = label.split(' ').next();
    let mut words = need.text.split([' ', '|', ':', '(', ')']);
    match words.any(|word| Some(word) == name) {
        true => label.clone(),
        false => format!("{label} (provides it)"),
    }
}

fn among(need: &Requirement, choice: &Choice) -> Vec<Id> {
    let candidates = need.candidates.iter().copied();
    candidates.filter(|id| choice.contains(id)).collect()
}

/// One choice, seen from the other.
struct Side<'l> {
    model: &'l Model,
    mine: &'l Choice,
    other: &'l Choice,
    explained: Choice,
    causes: BTreeSet<Cause>,
}

impl Side<'_> {
    fn grows(&mut self) -> bool {
        let before = self.explained.len();
        let shared = self.mine.intersection(self.other).copied().map(Some);
        for holder in std::iter::once(None).chain(shared) {
            self.weigh(holder);
        }
        for id in self.explained.clone() {
            self.follow(id);
            self.make_room(id);
        }
        self.explained.len() > before
    }

    /// Needs that both have: they may be met by packages of different names.
    fn weigh(&mut self, holder: Option<Id>) {
        let model = self.model;
        let needs = holder.map_or(&model.roots, |id| &model.solvable(id).requirements);
        for (place, need) in needs.iter().enumerate() {
            let other = among(need, self.other);
            let is_another = |id: &Id| !other.iter().any(|o| self.slot(*o) == self.slot(*id));
            let alone: Vec<_> = among(need, self.mine)
                .into_iter()
                .filter(is_another)
                .collect();
            if other.is_empty() {
                continue;
            }
            for id in alone {
                if self.explained.insert(id) {
                    self.causes.insert(Cause { holder, place });
                }
            }
        }
    }

    /// What came by such a choice has needs of its own; where something shared
    /// meets one as well, what stands beside it is an alternative again.
    fn follow(&mut self, holder: Id) {
        let needs = &self.model.solvable(holder).requirements;
        for (place, need) in needs.iter().enumerate() {
            let mine = among(need, self.mine).into_iter();
            let (shared, alone): (Vec<_>, Vec<_>) = mine.partition(|id| self.other.contains(id));
            for id in alone {
                if self.explained.insert(id) && !shared.is_empty() {
                    let holder = Some(holder);
                    self.causes.insert(Cause { holder, place });
                }
            }
        }
    }

    /// Where an alternative binds another package to a version, the other's
    /// choice has that package in the version that it would have anyway.
    fn follow_versions(&mut self, other: &Self) {
        let new = |id: &&Id| !self.model.solvable(**id).installed;
        let bound = other.explained.iter().filter(new);
        let slots: BTreeSet<_> = bound.map(|id| self.slot(*id)).collect();
        let alone = self.mine.difference(self.other);
        let versions: Vec<_> = alone
            .filter(|id| slots.contains(&self.slot(**id)))
            .copied()
            .collect();
        self.explained.extend(versions);
        while self.grows() {}
    }

    /// Upgrades of the base without which `id` could not stand there.
    fn make_room(&mut self, id: Id) {
        let model = self.model;
        for upgrade in self.mine.difference(self.other) {
            let slot = self.slot(*upgrade);
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
        self.model.solvable(id).slot
    }

    fn unexplained(&self) -> Vec<String> {
        let model = self.model;
        let alone = self
            .mine
            .difference(self.other)
            .map(|id| (id, model.solvable(*id)));
        let new = alone.filter(|(id, one)| !one.installed && !self.explained.contains(id));
        new.map(|(_, one)| one.label.clone()).collect()
    }
}
