//! Which packages of the base and of the repositories satisfy what is asked
//! for, and in which order they are preferred: libsolv's, which dnf decides by
//! (its `policy.c`).

use std::collections::{HashMap, HashSet};

use super::entry::{Entry, Sense};
use super::evr::Evr;
use super::lower::Lowered;
use super::package::Package;
use super::requirement::Requirement;
use super::set::PackageSet;
use crate::repo::model::{self, Id, Solvable};

/// What packages provide of which several versions may be installed (dnf.conf(5), `installonlypkgs`).
const INSTALL_ONLY: [&str; 5] = [
    "kernel",
    "installonlypkg(kernel)",
    "installonlypkg(kernel-module)",
    "installonlypkg(vm)",
    "multiversion(kernel)",
];

/// The packages, and the part of them that has become solvables.
pub(super) struct Search<'p, 'a> {
    base: &'p PackageSet<'a>,
    listed: &'p PackageSet<'a>,
    architecture: &'p str,
    pub lowered: Lowered<'p, 'a>,
    slots: HashMap<Slot<'p>, Vec<Id>>,
    // Invented solvables have slots that no package has.
    slot_count: u32,
}

/// What at most one package can take.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Slot<'p> {
    name: &'p str,
    /// The architecture, where it is neither the host's nor `noarch`.
    beside: Option<&'p str>,
    /// The version, where several may be installed.
    version: Option<(u32, &'p str, &'p str)>,
}

impl<'p, 'a> Search<'p, 'a> {
    pub fn new(
        base: &'p PackageSet<'a>,
        listed: &'p PackageSet<'a>,
        architecture: &'p str,
    ) -> Self {
        Self {
            base,
            listed,
            architecture,
            lowered: Lowered::default(),
            slots: HashMap::new(),
            slot_count: 0,
        }
    }

    /// The package behind a number.
    pub fn package(&self, id: Id) -> Option<&'p Package<'a>> {
        self.lowered.packages[id as usize]
    }

    pub fn is_installed(&self, id: Id) -> bool {
        self.lowered.model.solvable(id).installed
    }

    pub fn new_slot(&mut self) -> u32 {
        self.slot_count += 1;
        self.slot_count - 1
    }

    /// A solvable without a package.
    pub fn invent(&mut self, label: String, slot: u32) -> Id {
        self.push(None, label, slot, false)
    }

    fn push(
        &mut self,
        package: Option<&'p Package<'a>>,
        label: String,
        slot: u32,
        installed: bool,
    ) -> Id {
        let model = &mut self.lowered.model;
        let id = model.solvables.len() as Id;
        model.solvables.push(Solvable {
            label,
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

    fn beside(&self, package: &'p Package<'a>) -> Option<&'p str> {
        let is_own = [self.architecture, "noarch"].contains(&package.arch);
        (!is_own).then_some(package.arch)
    }

    fn slot(&self, package: &'p Package<'a>) -> Slot<'p> {
        let is_install_only = |entry: &Entry<'_>| INSTALL_ONLY.contains(&&*entry.name);
        let evr = package.evr;
        let version = (evr.epoch, evr.version, evr.release.unwrap_or_default());
        Slot {
            name: package.name,
            beside: self.beside(package),
            version: package
                .provides
                .iter()
                .any(is_install_only)
                .then_some(version),
        }
    }

    /// The solvables of a package's slot: what the base has first, then what
    /// is newer, the newest first.
    pub fn slot_of(&mut self, package: &'p Package<'a>) -> Vec<Id> {
        let slot = self.slot(package);
        if let Some(ids) = self.slots.get(&slot) {
            return ids.clone();
        }
        let (base, listed) = (self.base, self.listed);
        let installed = base.named(slot.name).iter().find(|p| self.slot(p) == slot);
        let of_slot = listed
            .named(slot.name)
            .iter()
            .filter(|p| self.slot(p) == slot && installed.is_none_or(|have| p.evr > have.evr));
        let newer: Vec<_> = of_slot.collect();
        let number = self.new_slot();
        let mut ids = Vec::new();
        ids.extend(installed.map(|p| self.push(Some(p), label(p), number, true)));
        ids.extend(
            newer
                .into_iter()
                .map(|p| self.push(Some(p), label(p), number, false)),
        );
        self.slots.insert(slot, ids.clone());
        ids
    }

    // A package that is older than the base's is no solvable.
    fn number(&self, package: &Package<'a>, of_slot: &[Id]) -> Option<Id> {
        let is_it = |id: &&Id| self.package(**id).is_some_and(|p| std::ptr::eq(p, package));
        of_slot.iter().find(is_it).copied()
    }

    /// What satisfies one of these, in order of preference.
    pub fn candidates(&mut self, wanted: &[Requirement<'p>]) -> Vec<Id> {
        let mut ids = Vec::new();
        for leaf in wanted {
            for package in self.satisfying(leaf) {
                let of_slot = self.slot_of(package);
                ids.extend(self.number(package, &of_slot));
            }
        }
        self.in_order(ids)
    }

    /// What satisfies this, as far as it is a solvable already.
    pub fn known(&self, wanted: &Requirement<'p>) -> Vec<Id> {
        let number = |package| {
            let of_slot = self.slots.get(&self.slot(package))?;
            self.number(package, of_slot)
        };
        self.satisfying(wanted)
            .into_iter()
            .filter_map(number)
            .collect()
    }

    /// The packages of that name, as far as they are solvables already.
    pub fn known_named(&self, name: &str) -> Vec<Id> {
        let named = self.base.named(name).iter().chain(self.listed.named(name));
        let number = |package| {
            let of_slot = self.slots.get(&self.slot(package))?;
            self.number(package, of_slot)
        };
        named.filter_map(number).collect()
    }

    /// rpm lets packages of one name stand side by side where their
    /// architectures differ, but not beside one for all architectures.
    pub fn uncoloured_rivals(&self, id: Id) -> Vec<Id> {
        let Some(package) = self.package(id).filter(|p| p.arch == "noarch") else {
            return Vec::new();
        };
        let named = self.known_named(package.name).into_iter();
        let is_rival = |id: &Id| self.package(*id).is_some_and(|p| self.beside(p).is_some());
        named.filter(is_rival).collect()
    }

    fn satisfying(&self, wanted: &Requirement<'_>) -> Vec<&'p Package<'a>> {
        match wanted {
            Requirement::Entry(entry) => self.offering(entry),
            Requirement::With(all) => {
                let (first, others) = all.split_first().expect("two are joined");
                let others: Vec<_> = others.iter().map(|leaf| self.satisfying(leaf)).collect();
                let mut found = self.satisfying(first);
                found.retain(|package| others.iter().all(|other| has(other, package)));
                found
            }
            Requirement::Without(two) => {
                let unwanted = self.satisfying(&two[1]);
                let mut found = self.satisfying(&two[0]);
                found.retain(|package| !has(&unwanted, package));
                found
            }
            // Only an entry can be joined by `with` (rpm's manual): one of several is one of all.
            Requirement::Or(all) => all.iter().flat_map(|leaf| self.satisfying(leaf)).collect(),
            _ => Vec::new(),
        }
    }

    fn offering(&self, wanted: &Entry<'_>) -> Vec<&'p Package<'a>> {
        let mut found: Vec<&'p Package<'a>> = Vec::new();
        for set in [self.base, self.listed] {
            let named = set.named(&wanted.name).iter();
            found.extend(named.filter(|package| wanted.admits(package.evr)));
            let provided = set.providers(&wanted.name);
            found.extend(
                provided
                    .filter(|(_, own)| own.overlaps(wanted))
                    .map(|(p, _)| p),
            );
            if wanted.name.starts_with('/') {
                found.extend(set.owners(&wanted.name).map(|owner| self.stand_in(owner)));
            }
        }
        found.sort_by_key(|package| std::ptr::from_ref(*package));
        found.dedup_by(|a, b| std::ptr::eq(*a, *b));
        found
    }

    // A base list names few files: where the base has the very package that
    // owns one by the repository's file lists, the base has that file.
    fn stand_in(&self, owner: &'p Package<'a>) -> &'p Package<'a> {
        let named = self.base.named(owner.name).iter();
        let mut same = named.filter(|have| have.arch == owner.arch && have.evr == owner.evr);
        same.next().unwrap_or(owner)
    }

    // As libsolv prunes and sorts (policy_filter_unwanted): the base first,
    // then the host's architecture, what nothing else here obsoletes, new
    // versions of what the base has, the newest of what several provide, versions
    // that are the newest of their name, and the rest by name.
    fn in_order(&self, mut ids: Vec<Id>) -> Vec<Id> {
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < 2 {
            return ids;
        }
        let is_obsoleted = |package: &Package<'_>| {
            ids.iter().filter_map(|id| self.package(*id)).any(|other| {
                let meant =
                    |entry: &Entry<'_>| entry.name == package.name && entry.admits(package.evr);
                other.name != package.name && other.obsoletes.iter().any(meant)
            })
        };
        let common = self.common_versions(&ids);
        let rank = |id: &Id| {
            let package = self.package(*id).expect("candidates are packages");
            let of_slot = &self.slots[&self.slot(package)];
            let has_older = self.is_installed(of_slot[0]);
            let newest = of_slot.get(usize::from(has_older));
            (
                !self.is_installed(*id),
                self.beside(package).is_some(),
                is_obsoleted(package),
                !has_older,
                behind(package, &common),
                newest.is_some_and(|newest| newest != id),
                package.name,
                *id,
            )
        };
        let mut ranked: Vec<_> = ids.iter().map(rank).collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(.., id)| id).collect()
    }

    // Which versions of each name these provide, the newest of each slot alone.
    fn common_versions(&self, ids: &[Id]) -> HashMap<&'p str, Vec<Evr<'p>>> {
        let mut versions: HashMap<&str, Vec<Evr<'_>>> = HashMap::new();
        let mut slots = HashSet::new();
        for id in ids {
            let package = self.package(*id).expect("candidates are packages");
            if slots.insert(self.lowered.model.solvable(*id).slot) {
                for (name, evr) in exact(package) {
                    versions.entry(name).or_default().push(evr);
                }
            }
        }
        for known in versions.values_mut() {
            known.sort_unstable();
            known.dedup();
        }
        versions
    }

    /// Who asks for a package by its name means the newest, for this host's
    /// architecture where there is one, or what obsoletes it, as for dnf; only
    /// a name that no package has is looked up among what packages provide.
    pub fn root(&mut self, name: &'p str) -> model::Requirement {
        let listed = self.listed;
        let named = listed.named(name).iter().chain(self.base.named(name));
        let mut named: Vec<_> = named.collect();
        named.sort_by_key(|p| (self.beside(p).is_some(), std::cmp::Reverse(p.evr)));
        let wanted = Requirement::Entry(Entry {
            name: name.into(),
            range: None,
        });
        let candidates = match named.first() {
            Some(best) => {
                let of_slot = self.slot_of(best);
                let newest = match self.is_installed(of_slot[0]) {
                    true => of_slot.get(1).or(of_slot.first()),
                    false => of_slot.first(),
                };
                let mut candidates = self.obsoleters(best);
                candidates.extend(newest);
                candidates
            }
            None => self.candidates(std::slice::from_ref(&wanted)),
        };
        let shortfall = candidates.is_empty().then(|| self.shortfall(&[wanted]));
        model::Requirement {
            text: name.to_owned(),
            candidates,
            shortfall,
        }
    }

    // Newest packages of other names that take the place of this one.
    fn obsoleters(&mut self, package: &Package<'a>) -> Vec<Id> {
        let listed = self.listed;
        let takes_place = |other: &&'p Package<'a>| {
            let meant = |entry: &Entry<'_>| entry.name == package.name && entry.admits(package.evr);
            other.name != package.name && other.obsoletes.iter().any(meant)
        };
        let others: Vec<_> = listed.all().iter().filter(takes_place).collect();
        let mut ids = Vec::new();
        for other in others {
            let of_slot = self.slot_of(other);
            ids.extend(self.number(other, &of_slot));
        }
        self.in_order(ids)
    }

    /// Why nothing satisfies any of these.
    pub fn shortfall(&mut self, wanted: &[Requirement<'p>]) -> String {
        let mut reasons = Vec::new();
        for leaf in wanted {
            if let Requirement::Entry(entry) = leaf
                && entry.name.starts_with('/')
            {
                self.lowered.unowned_files.insert(entry.name.to_string());
            }
            reasons.push(self.shortfall_of(leaf));
        }
        reasons.join("; ")
    }

    fn shortfall_of(&self, wanted: &Requirement<'_>) -> String {
        let Requirement::Entry(entry) = wanted else {
            return format!("nothing is `{wanted}`");
        };
        let name = &entry.name;
        let older = self
            .offering(entry)
            .into_iter()
            .find(|p| p.archive.is_some());
        let have = older.and_then(|older| self.base.named(older.name).first());
        let newest = self.listed.named(name).first();
        match (older, have, newest) {
            (Some(older), Some(have), _) => format!(
                "the sources have {older}, older than {have} of the base, which would have to be downgraded"
            ),
            (_, _, Some(newest)) => format!("the newest {name} is {}", newest.evr),
            _ => match self.base.named(name).first() {
                Some(have) => format!("there is only {have}, in the base"),
                None => match self.listed.hidden_by(name) {
                    Some(module) => format!("the module {module} hides every {name}"),
                    None => format!("nothing provides {entry}"),
                },
            },
        }
    }
}

fn exact<'p>(package: &'p Package<'_>) -> impl Iterator<Item = (&'p str, Evr<'p>)> {
    package
        .provides
        .iter()
        .filter_map(|entry| match entry.range {
            Some((Sense::Equal, evr)) => Some((&*entry.name, evr)),
            _ => None,
        })
}

// How many newer versions of what it provides are provided by others.
fn behind(package: &Package<'_>, common: &HashMap<&str, Vec<Evr<'_>>>) -> usize {
    let newer = |(name, evr): (&str, Evr<'_>)| {
        let known = common.get(name).map_or(&[][..], Vec::as_slice);
        known.len() - known.partition_point(|one| *one <= evr)
    };
    exact(package).map(newer).sum()
}

fn has(packages: &[&Package<'_>], package: &Package<'_>) -> bool {
    packages.iter().any(|one| std::ptr::eq(*one, package))
}

fn label(package: &Package<'_>) -> String {
    format!("{} {}.{}", package.name, package.evr, package.arch)
}
