//! The one model of dependencies that every package family is lowered into.
//!
//! A solver of this model sees numbers. The words in it (`label`, `text`,
//! `shortfall`) are for people and decide nothing.

/// A solvable's place in [`Model::solvables`].
pub type Id = u32;

/// What there is to choose from, and what must hold of a choice.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Everything that can be chosen; in one slot the preferred one comes first.
    pub solvables: Vec<Solvable>,
    /// What the base has: each slot of these stays taken.
    pub installed: Vec<Id>,
    /// What is asked for.
    pub roots: Vec<Requirement>,
}

/// One thing that can be chosen.
#[derive(Clone, Debug)]
pub struct Solvable {
    /// How people call it.
    pub label: String,
    /// At most one solvable of a slot can be chosen.
    pub slot: u32,
    /// Whether the base has it already.
    pub installed: bool,
    /// What it needs, each satisfied by one candidate at least.
    pub requirements: Vec<Requirement>,
    /// What cannot be chosen together with it.
    pub conflicts: Vec<Id>,
}

/// A need: any one of its candidates, the first preferred.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// The need as upstream wrote it.
    pub text: String,
    /// What satisfies it, in order of preference.
    pub candidates: Vec<Id>,
    /// Why nothing does, where there is no candidate.
    pub shortfall: Option<String>,
}

impl Model {
    /// The solvable of that number.
    pub fn solvable(&self, id: Id) -> &Solvable {
        &self.solvables[id as usize]
    }

    /// All numbers, ascending.
    pub fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        0..self.solvables.len() as Id
    }

    /// For each slot, its solvables in order of preference.
    pub fn slots(&self) -> Vec<Vec<Id>> {
        let mut slots: Vec<Vec<Id>> = Vec::new();
        for id in self.ids() {
            let slot = self.solvable(id).slot as usize;
            if slots.len() <= slot {
                slots.resize(slot + 1, Vec::new());
            }
            slots[slot].push(id);
        }
        slots
    }
}
