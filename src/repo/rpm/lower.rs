//! Lowers rpm packages into the [`Model`]: candidates are what the base has
//! and, of every name and architecture, the versions that are newer than that.
//!
//! Only what can be reached from the roots and the base is lowered.

use std::collections::{BTreeSet, HashMap};

use super::candidates::Search;
use super::entry::Entry;
use super::formula::{Clause, clauses};
use super::package::Package;
use super::requirement::{NotARequirement, Requirement};
use super::set::PackageSet;
use crate::repo::model::{self, Id, Model, Solvable};

/// A model together with the package behind each of its numbers.
#[derive(Debug, Default)]
pub struct Lowered<'p, 'a> {
    /// The model.
    pub model: Model,
    /// The packages, by the model's numbers; none where the solvable was
    /// invented to say what a package alone cannot.
    pub packages: Vec<Option<&'p Package<'a>>>,
    /// Files that are asked for and that no package is known to own: where
    /// there are some, the file lists are worth reading.
    pub unowned_files: BTreeSet<String>,
}

/// A package asks for something that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LowerError {
    /// Not a dependency.
    #[error("the package `{package}` asks for what cannot be read: {source}")]
    Requirement {
        /// The package.
        package: String,
        /// What is wrong.
        source: NotARequirement,
    },
    /// A rich dependency that comes to too many cases.
    #[error("the package `{package}` asks for `{text}`, which has too many cases")]
    TooRich {
        /// The package.
        package: String,
        /// The dependency.
        text: String,
    },
}

/// Lowers what installing `roots` on `base` from `listed` can touch, on a host
/// of one architecture. Packages of another one stand beside it, and are taken
/// only where nothing else will do.
pub fn lower<'p, 'a>(
    base: &'p PackageSet<'a>,
    listed: &'p PackageSet<'a>,
    roots: &[&'p str],
    architecture: &'p str,
) -> Result<Lowered<'p, 'a>, LowerError> {
    let mut work = Lowering {
        search: Search::new(base, listed, architecture),
        forms: Vec::new(),
    };
    for package in base.all() {
        work.search.slot_of(package);
    }
    for root in roots {
        let requirement = work.search.root(root);
        work.search.lowered.model.roots.push(requirement);
    }
    // New solvables appear at the end while the list is walked.
    let mut next = 0;
    while next < work.search.lowered.packages.len() {
        work.lower_requirements(next as Id)?;
        next += 1;
    }
    work.lower_conflicts()?;
    Ok(work.search.lowered)
}

struct Lowering<'p, 'a> {
    search: Search<'p, 'a>,
    // Invented solvables, each with what must not be chosen beside it.
    forms: Vec<(Id, Requirement<'p>)>,
}

impl<'p, 'a> Lowering<'p, 'a> {
    fn lower_requirements(&mut self, id: Id) -> Result<(), LowerError> {
        let Some(package) = self.search.package(id) else {
            return Ok(());
        };
        let mut requirements = Vec::new();
        for entry in &package.requires {
            for clause in clauses_of(package, entry, true)? {
                requirements.extend(self.clause(id, entry, clause));
            }
        }
        for entry in &package.conflicts {
            for clause in clauses_of(package, entry, false)? {
                if !is_plain_conflict(&clause) {
                    requirements.extend(self.clause(id, entry, clause));
                }
            }
        }
        self.search.lowered.model.solvables[id as usize].requirements = requirements;
        Ok(())
    }

    // None, where it is met by the package itself, or where the base does
    // without it: what is installed there is not to be mended.
    fn clause(
        &mut self,
        id: Id,
        entry: &Entry<'p>,
        clause: Clause<'p>,
    ) -> Option<model::Requirement> {
        if self.search.is_installed(id) && !self.holds_in_base(&clause) {
            return None;
        }
        let mut some = self.search.candidates(&clause.some);
        if some.contains(&id) {
            return None;
        }
        if !clause.none.is_empty() {
            some = self.invent(entry, &clause, some);
        }
        let shortfall = some.is_empty().then(|| self.search.shortfall(&clause.some));
        Some(model::Requirement {
            text: entry.to_string(),
            candidates: some,
            shortfall,
        })
    }

    fn holds_in_base(&self, clause: &Clause<'p>) -> bool {
        let stands = |leaf: &Requirement<'p>| {
            let known = self.search.known(leaf);
            known.into_iter().any(|id| self.search.is_installed(id))
        };
        clause.some.iter().any(stands) || clause.none.iter().any(|leaf| !stands(leaf))
    }

    // The ways of meeting a clause that also speaks of what is not there, in
    // one slot: something is absent, or one of `some` is chosen.
    fn invent(&mut self, entry: &Entry<'p>, clause: &Clause<'p>, some: Vec<Id>) -> Vec<Id> {
        let slot = self.search.new_slot();
        let mut ways = Vec::new();
        for leaf in &clause.none {
            let id = self.search.invent(format!("{entry}, without {leaf}"), slot);
            self.forms.push((id, leaf.clone()));
            ways.push(id);
        }
        if !some.is_empty() {
            let id = self.search.invent(format!("{entry}, met"), slot);
            let model = &mut self.search.lowered.model;
            model.solvables[id as usize].requirements = vec![model::Requirement {
                text: entry.to_string(),
                candidates: some,
                shortfall: None,
            }];
            ways.push(id);
        }
        ways
    }

    fn lower_conflicts(&mut self) -> Result<(), LowerError> {
        let mut replaced: HashMap<Id, Vec<Id>> = HashMap::new();
        for id in self.search.lowered.model.ids() {
            let Some(package) = self.search.package(id) else {
                continue;
            };
            let mut conflicts = Vec::new();
            for entry in &package.conflicts {
                let clauses = clauses_of(package, entry, false)?;
                for clause in clauses.iter().filter(|clause| is_plain_conflict(clause)) {
                    conflicts.extend(self.search.known(&clause.none[0]));
                }
            }
            for obsolete in self.obsoletes(package) {
                conflicts.push(obsolete);
                if self.search.is_installed(obsolete) && !self.search.is_installed(id) {
                    replaced.entry(obsolete).or_default().push(id);
                }
            }
            conflicts.extend(self.search.uncoloured_rivals(id));
            self.strike(id, conflicts);
        }
        for (id, leaf) in std::mem::take(&mut self.forms) {
            let absent = self.search.known(&leaf);
            self.strike(id, absent);
        }
        let mut replaced: Vec<_> = replaced.into_iter().collect();
        replaced.sort_unstable();
        for (old, obsoleters) in replaced {
            self.let_go(old, obsoleters);
        }
        Ok(())
    }

    // rpm looks at the names of packages alone, and not at what they provide.
    fn obsoletes(&self, package: &Package<'a>) -> Vec<Id> {
        let of_entry = |entry: &Entry<'a>| {
            let named = self.search.known_named(&entry.name).into_iter();
            let meant = named.filter(|id| {
                let other = self.search.package(*id);
                other.is_some_and(|other| entry.admits(other.evr))
            });
            meant.collect::<Vec<_>>()
        };
        package.obsoletes.iter().flat_map(of_entry).collect()
    }

    // A package speaks neither against itself nor, where both are installed,
    // against what it stands beside already.
    fn strike(&mut self, id: Id, mut conflicts: Vec<Id>) {
        let model = &self.search.lowered.model;
        let one = model.solvable(id);
        conflicts.retain(|other| {
            let other = model.solvable(*other);
            other.slot != one.slot && !(one.installed && other.installed)
        });
        conflicts.sort_unstable();
        conflicts.dedup();
        self.search.lowered.model.solvables[id as usize].conflicts = conflicts;
    }

    // The base keeps each of its slots taken; this takes the slot of what is replaced.
    fn let_go(&mut self, old: Id, obsoleters: Vec<Id>) {
        let one = self.search.lowered.model.solvable(old);
        let (label, slot) = (one.label.clone(), one.slot);
        let id = self.search.invent(format!("{label}, obsoleted"), slot);
        let solvable: &mut Solvable = &mut self.search.lowered.model.solvables[id as usize];
        solvable.requirements = vec![model::Requirement {
            text: format!("what obsoletes {label}"),
            candidates: obsoleters,
            shortfall: None,
        }];
    }
}

fn is_plain_conflict(clause: &Clause<'_>) -> bool {
    clause.some.is_empty() && clause.none.len() == 1
}

fn clauses_of<'p>(
    package: &Package<'_>,
    entry: &'p Entry<'p>,
    holds: bool,
) -> Result<Vec<Clause<'p>>, LowerError> {
    let wanted = Requirement::of_entry(entry).map_err(|source| LowerError::Requirement {
        package: package.to_string(),
        source,
    })?;
    let Some(wanted) = wanted else {
        return Ok(Vec::new());
    };
    clauses(&wanted, holds).ok_or_else(|| LowerError::TooRich {
        package: package.to_string(),
        text: entry.to_string(),
    })
}

#[cfg(test)]
#[path = "lower_tests.rs"]
mod tests;
