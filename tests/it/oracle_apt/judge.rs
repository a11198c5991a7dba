//! Where two choices from one model differ, and which of the differences come
//! from meeting one need by another alternative.

use std::collections::BTreeSet;

use pgbundle::repo::deb::lower::Lowered;
use pgbundle::repo::model::{Id, Requirement};

/// What was chosen, the unchanged packages of the base included.
pub type Choice = BTreeSet<Id>;

/// How our choice and apt's differ.
pub struct Difference {
    /// Needs that the two met by different packages, in words.
    pub alternatives: Vec<String>,
    /// What we have for no such reason.
    pub only_ours: Vec<String>,
    /// What apt has for no such reason.
    pub only_theirs: Vec<String>,
}

/// Compares our choice with apt's.
pub fn difference(lowered: &Lowered<'_, '_>, ours: &Choice, theirs: &Choice) -> Difference {
    let side = |mine, other| {
        let mut side = Side {
            lowered,
            mine,
            other,
            explained: Choice::new(),
            causes: BTreeSet::new(),
        };
        while side.grows() {}
        side
    };
    let (left, right) = (side(ours, theirs), side(theirs, ours));
    let causes = left.causes.iter().chain(&right.causes);
    let causes: BTreeSet<_> = causes
        .map(|cause| cause.told(lowered, ours, theirs))
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
    fn need<'l>(&self, lowered: &'l Lowered<'_, '_>) -> &'l Requirement {
        match self.holder {
            None => &lowered.model.roots[self.place],
            Some(id) => &lowered.model.solvable(id).requirements[self.place],
        }
    }

    fn told(&self, lowered: &Lowered<'_, '_>, ours: &Choice, theirs: &Choice) -> String {
        let need = self.need(lowered);
        let these = |choice| {
            let told: Vec<_> = among(need, choice)
                .into_iter()
                .map(|id| told(lowered, id, need))
                .collect();
            told.join(" and ")
        };
        let label = |id| lowered.model.solvable(id).label.as_str();
        format!(
            "`{}` of {}: we have {}, apt has {}",
            need.text,
            self.holder.map_or("the roots", label),
            these(ours),
            these(theirs)
        )
    }
}

/// A package, and why it meets the need.
fn told(lowered: &Lowered<'_, '_>, id: Id, need: &Requirement) -> String {
    let package = lowered.packages[id as usize];
    let mut words = need.text.split([' ', '|', ':', '(']);
    match words.any(|word| word == package.name) {
        true => format!("{} {}", package.name, package.version),
        false => format!("{} {} (provides it)", package.name, package.version),
    }
}

fn among(need: &Requirement, choice: &Choice) -> Vec<Id> {
    let candidates = need.candidates.iter().copied();
    candidates.filter(|id| choice.contains(id)).collect()
}

/// One choice, seen from the other.
struct Side<'l> {
    lowered: &'l Lowered<'l, 'l>,
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
        let model = &self.lowered.model;
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
        let needs = &self.lowered.model.solvable(holder).requirements;
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

    /// Upgrades of the base without which `id` could not stand there.
    fn make_room(&mut self, id: Id) {
        let model = &self.lowered.model;
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
        self.lowered.model.solvable(id).slot
    }

    fn unexplained(&self) -> Vec<String> {
        let model = &self.lowered.model;
        let alone = self
            .mine
            .difference(self.other)
            .map(|id| (id, model.solvable(*id)));
        let new = alone.filter(|(id, one)| !one.installed && !self.explained.contains(id));
        new.map(|(_, one)| one.label.clone()).collect()
    }
}
