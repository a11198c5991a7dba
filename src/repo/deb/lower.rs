//! Lowers deb packages into the [`Model`]: candidates are what the base has
//! and, of every name, the newest version that is newer than that.
//!
//! Only what can be reached from the roots and the base is lowered, so the
//! model holds hundreds or thousands of solvables and not the whole archive.

use std::collections::HashMap;

use super::package::{Package, PackageError, PackageSet};
use super::relation::Relation;
use crate::repo::model::{Id, Model, Requirement, Solvable};

/// A model together with the package behind each of its numbers.
#[derive(Debug)]
pub struct Lowered<'p, 'a> {
    /// The model.
    pub model: Model,
    /// The packages, by the model's numbers.
    pub packages: Vec<&'p Package<'a>>,
}

/// What becomes of the base's older packages from the same source as a package to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Siblings {
    /// They are upgraded with it, as apt does since 2.6 (`APT::Get::Upgrade-By-Source-Package`):
    /// what was built and tested together stays together, whatever its relations allow.
    Upgraded,
    /// They stay, unless something needs them newer.
    Left,
}

/// Lowers what installing `roots` on `base` from `listed` can touch.
pub fn lower<'p, 'a>(
    base: &'p PackageSet<'a>,
    listed: &'p PackageSet<'a>,
    roots: &'p [&'p str],
    architecture: &'p str,
    siblings: Siblings,
) -> Result<Lowered<'p, 'a>, PackageError> {
    let mut work = Lowering {
        base,
        listed,
        architecture,
        lowered: Lowered {
            model: Model::default(),
            packages: Vec::new(),
        },
        slots: HashMap::new(),
        siblings: HashMap::new(),
    };
    if siblings == Siblings::Upgraded {
        work.note_siblings();
    }
    for package in base.all() {
        work.slot(package.name);
    }
    for root in roots {
        let requirement = work.root(root)?;
        work.lowered.model.roots.push(requirement);
    }
    work.lower_requirements()?;
    work.lower_conflicts()?;
    Ok(work.lowered)
}

struct Lowering<'p, 'a> {
    base: &'p PackageSet<'a>,
    listed: &'p PackageSet<'a>,
    architecture: &'p str,
    lowered: Lowered<'p, 'a>,
    slots: HashMap<&'p str, Vec<Id>>,
    // What the base has older than listed, by the source of the newer one.
    siblings: HashMap<(&'a str, &'a str), Vec<&'p str>>,
}

impl<'p, 'a> Lowering<'p, 'a> {
    // The candidates of a name: what the base has first, then what is newer.
    fn slot(&mut self, name: &'p str) -> Vec<Id> {
        if let Some(ids) = self.slots.get(name) {
            return ids.clone();
        }
        let (base, listed) = (self.base, self.listed);
        let installed = base.newest(name);
        let newest = listed
            .newest(name)
            .filter(|newest| installed.is_none_or(|have| newest.version > have.version));
        let slot = self.slots.len() as u32;
        let mut ids = Vec::new();
        ids.extend(installed.map(|package| self.add(package, slot, true)));
        ids.extend(newest.map(|package| self.add(package, slot, false)));
        self.slots.insert(name, ids.clone());
        ids
    }

    fn add(&mut self, package: &'p Package<'a>, slot: u32, installed: bool) -> Id {
        let model = &mut self.lowered.model;
        let id = model.solvables.len() as Id;
        model.solvables.push(Solvable {
            label: format!("{} {}", package.name, package.version),
            slot,
            installed,
            requirements: Vec::new(),
            conflicts: Vec::new(),
        });
        if installed {
            model.installed.push(id);
        }
        self.lowered.packages.push(package);
        id
    }

    // Who asks for a package by its name means that one, not another that
    // provides the name, and the newest, not the one that the base has; as for
    // apt, only a name that no package has is virtual.
    fn root(&mut self, name: &'p str) -> Result<Requirement, PackageError> {
        let wanted = Relation {
            name,
            qualifier: None,
            bound: None,
        };
        let mut requirement = self.requirement(name, &[wanted])?;
        // A slot begins with what the base has.
        if let Some(newest) = self.slot(name).pop() {
            requirement.candidates = vec![newest];
        }
        Ok(requirement)
    }

    // New solvables appear at the end while the list is walked.
    fn lower_requirements(&mut self) -> Result<(), PackageError> {
        let mut next = 0;
        while let Some(package) = self.lowered.packages.get(next).copied() {
            let mut requirements = Vec::new();
            for field in ["Pre-Depends", "Depends"] {
                for (text, wanted) in package.relations(field, self.architecture)? {
                    requirements.push(self.requirement(text, &wanted)?);
                }
            }
            requirements.extend(self.siblings_of(next));
            self.lowered.model.solvables[next].requirements = requirements;
            next += 1;
        }
        Ok(())
    }

    fn note_siblings(&mut self) {
        for have in self.base.all() {
            let newest = self.listed.newest(have.name);
            if let Some(newest) = newest.filter(|newest| newest.version > have.version) {
                let siblings = self.siblings.entry(newest.source()).or_default();
                siblings.push(have.name);
            }
        }
    }

    fn siblings_of(&mut self, place: usize) -> Vec<Requirement> {
        let package = self.lowered.packages[place];
        if self.lowered.model.solvables[place].installed {
            return Vec::new();
        }
        let names = self.siblings.get(&package.source()).cloned();
        let names = names.unwrap_or_default().into_iter();
        let others = names.filter(|name| *name != package.name);
        let upgrade = |name| {
            let newest = self.slot(name).pop().expect("it is in the base and listed");
            Requirement {
                text: format!("{name} of the same source"),
                candidates: vec![newest],
                shortfall: None,
            }
        };
        others.map(upgrade).collect()
    }

    fn requirement(
        &mut self,
        text: &str,
        wanted: &[Relation<'p>],
    ) -> Result<Requirement, PackageError> {
        let mut candidates = Vec::new();
        for relation in wanted {
            for id in self.candidates(relation)? {
                if !candidates.contains(&id) {
                    candidates.push(id);
                }
            }
        }
        let shortfall = candidates.is_empty().then(|| self.shortfall(wanted));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Requirement {
            text,
            candidates,
            shortfall,
        })
    }

    // Real packages first, then what provides the name; of each what the base has first.
    fn candidates(&mut self, wanted: &Relation<'p>) -> Result<Vec<Id>, PackageError> {
        let mut ids = self.slot(wanted.name);
        ids.retain(|id| self.satisfies_by_name(*id, wanted));
        let (base, listed) = (self.base, self.listed);
        let mut provided = Vec::new();
        for package in base
            .providers(wanted.name)
            .chain(listed.providers(wanted.name))
        {
            for id in self.slot(package.name) {
                if self.satisfies_by_provides(id, wanted)? {
                    provided.push(id);
                }
            }
        }
        provided.sort_by_key(|id| !self.lowered.model.solvable(*id).installed);
        ids.extend(provided);
        Ok(ids)
    }

    fn satisfies_by_name(&self, id: Id, wanted: &Relation<'_>) -> bool {
        let package = self.lowered.packages[id as usize];
        wanted.admits(package.version)
            && package.fits_qualifier(wanted.qualifier, self.architecture)
    }

    fn satisfies_by_provides(&self, id: Id, wanted: &Relation<'_>) -> Result<bool, PackageError> {
        let package = self.lowered.packages[id as usize];
        Ok(package.fits_qualifier(wanted.qualifier, self.architecture)
            && package.provides(wanted, self.architecture)?)
    }

    fn shortfall(&self, wanted: &[Relation<'_>]) -> String {
        let reasons: Vec<_> = wanted.iter().map(|one| self.shortfall_of(one)).collect();
        reasons.join("; ")
    }

    fn shortfall_of(&self, wanted: &Relation<'_>) -> String {
        let name = wanted.name;
        let older = (self.listed.named(name).iter()).find(|p| wanted.admits(p.version));
        match (self.base.newest(name), older, self.listed.newest(name)) {
            (Some(have), Some(older), _) if older.version < have.version => format!(
                "the sources have {name} {}, older than the {} of the base, which would have to be downgraded",
                older.version, have.version
            ),
            (Some(have), _, None) => format!("there is only {name} {}, in the base", have.version),
            (_, _, Some(newest)) => format!("the newest {name} is {}", newest.version),
            (None, _, None) => format!("nothing provides {name}"),
        }
    }

    fn lower_conflicts(&mut self) -> Result<(), PackageError> {
        for place in 0..self.lowered.packages.len() {
            let package = self.lowered.packages[place];
            let mut conflicts = Vec::new();
            for field in ["Conflicts", "Breaks"] {
                for (_, wanted) in package.relations(field, self.architecture)? {
                    for relation in &wanted {
                        self.struck(package.name, relation, &mut conflicts)?;
                    }
                }
            }
            conflicts.sort_unstable();
            conflicts.dedup();
            self.lowered.model.solvables[place].conflicts = conflicts;
        }
        Ok(())
    }

    // A package does not conflict with itself, also not through a name that it provides.
    fn struck(
        &self,
        own: &str,
        wanted: &Relation<'_>,
        conflicts: &mut Vec<Id>,
    ) -> Result<(), PackageError> {
        let known = |name: &str| self.slots.get(name).map_or(&[][..], Vec::as_slice);
        if wanted.name != own {
            let real = known(wanted.name).iter();
            conflicts.extend(real.filter(|id| self.satisfies_by_name(**id, wanted)));
        }
        let providers = self
            .base
            .providers(wanted.name)
            .chain(self.listed.providers(wanted.name));
        for package in providers.filter(|package| package.name != own) {
            for id in known(package.name) {
                if self.satisfies_by_provides(*id, wanted)? {
                    conflicts.push(*id);
                }
            }
        }
        Ok(())
    }
}
