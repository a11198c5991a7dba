//! Packages that can be found by their name, by what they provide, and by
//! their files.

use std::collections::{BTreeSet, HashMap};

use super::entry::Entry;
use super::package::Package;
use crate::base::Sha256;
use crate::repo::pieces;

/// Packages, sorted by name, the newest of a name first.
#[derive(Debug, Default)]
pub struct PackageSet<'a> {
    packages: Vec<Package<'a>>,
    // Places of packages, each with the place among its provides or files,
    // sorted by what stands there.
    provided: Vec<(u32, u32)>,
    files: Vec<(u32, u32)>,
    // Owners of files that only the file lists name.
    listed_files: HashMap<String, Vec<u32>>,
    // Names of packages that were left out, with what hides them.
    hidden: HashMap<&'a str, String>,
}

impl<'a> PackageSet<'a> {
    /// Takes packages; of several of the same name, architecture and version
    /// the first one counts.
    pub fn new(mut packages: Vec<Package<'a>>) -> Self {
        packages.sort_by(|a, b| {
            (a.name.cmp(b.name))
                .then_with(|| b.evr.cmp(&a.evr))
                .then_with(|| a.arch.cmp(b.arch))
        });
        packages.dedup_by(|b, a| (a.name, a.arch, a.evr) == (b.name, b.arch, b.evr));
        let provided = index(&packages, |p| p.provides.len(), |p, n| &p.provides[n].name);
        let files = index(&packages, |p| p.files.len(), |p, n| &p.files[n]);
        Self {
            packages,
            provided,
            files,
            listed_files: HashMap::new(),
            hidden: HashMap::new(),
        }
    }

    /// The same without the packages for which `hides` names the module that
    /// hides them ([`Hidden::by`](super::modules::Hidden::by)).
    pub fn visible(
        packages: Vec<Package<'a>>,
        hides: impl Fn(&Package<'a>) -> Option<String>,
    ) -> Self {
        let mut hidden = HashMap::new();
        let is_visible = |package: &Package<'a>| match hides(package) {
            Some(module) => {
                hidden.insert(package.name, module);
                false
            }
            None => true,
        };
        let visible = packages.into_iter().filter(is_visible).collect();
        Self {
            hidden,
            ..Self::new(visible)
        }
    }

    /// The module that hides a package of this name.
    pub fn hidden_by(&self, name: &str) -> Option<&str> {
        self.hidden.get(name).map(String::as_str)
    }

    /// All packages.
    pub fn all(&self) -> &[Package<'a>] {
        &self.packages
    }

    /// All versions of a name, in all architectures, the newest first.
    pub fn named(&self, name: &str) -> &[Package<'a>] {
        let start = self.packages.partition_point(|p| p.name < name);
        let length = self.packages[start..].partition_point(|p| p.name == name);
        &self.packages[start..start + length]
    }

    /// Everything that is provided under a name, with who provides it.
    pub fn providers(&self, name: &str) -> impl Iterator<Item = (&Package<'a>, &Entry<'a>)> {
        let entry = |(package, place): &(u32, u32)| {
            let package = &self.packages[*package as usize];
            (package, &package.provides[*place as usize])
        };
        let start = self
            .provided
            .partition_point(|at| *entry(at).1.name < *name);
        let length = self.provided[start..].partition_point(|at| entry(at).1.name == name);
        self.provided[start..start + length].iter().map(entry)
    }

    /// The packages that own a file, as far as primary, a base list or
    /// [`learn_files`](Self::learn_files) tell.
    pub fn owners(&self, file: &str) -> impl Iterator<Item = &Package<'a>> {
        let path = |(package, place): &(u32, u32)| {
            self.packages[*package as usize].files[*place as usize].as_ref()
        };
        let start = self.files.partition_point(|at| path(at) < file);
        let length = self.files[start..].partition_point(|at| path(at) == file);
        let known = self.files[start..start + length]
            .iter()
            .map(|(package, _)| package);
        let listed = self.listed_files.get(file).into_iter().flatten();
        known
            .chain(listed)
            .map(|place| &self.packages[*place as usize])
    }

    /// The files that some package asks for and none is known to own: what is
    /// worth a look into the file lists.
    pub fn files_without_owner(&self) -> BTreeSet<&str> {
        let asked = self.packages.iter().flat_map(|package| &package.requires);
        let files = asked
            .map(|entry| &*entry.name)
            .filter(|name| name.starts_with('/'));
        let distinct: BTreeSet<_> = files.collect();
        let is_unknown = |file: &&str| self.owners(file).next().is_none();
        distinct.into_iter().filter(is_unknown).collect()
    }

    /// Takes what the file lists say: files, each with the digests of the
    /// packages that own it.
    pub fn learn_files(&mut self, owners: &HashMap<String, Vec<Sha256>>) {
        if owners.is_empty() {
            return;
        }
        let digest = |package: &Package<'_>| package.archive.as_ref().map(|a| a.sha256);
        let places: HashMap<Sha256, u32> = (self.packages.iter().zip(0..))
            .filter_map(|(package, place)| Some((digest(package)?, place)))
            .collect();
        for (file, digests) in owners {
            let known = digests.iter().filter_map(|digest| places.get(digest));
            let mut known: Vec<u32> = known.copied().collect();
            known.sort_unstable();
            self.listed_files.insert(file.clone(), known);
        }
    }
}

fn index<'p, 'a>(
    packages: &'p [Package<'a>],
    count: impl Fn(&Package<'a>) -> usize,
    name: impl Fn(&'p Package<'a>, usize) -> &'p str,
) -> Vec<(u32, u32)> {
    let mut named = Vec::new();
    for (package, place) in packages.iter().zip(0..) {
        let entries = (0..count(package)).zip(0..);
        named.extend(entries.map(|(entry, number)| (name(package, entry), (place, number))));
    }
    let sorted = pieces::sorted(named, |(name, _)| *name, |a, b| a.1.cmp(&b.1));
    sorted.into_iter().map(|(_, at)| at).collect()
}
