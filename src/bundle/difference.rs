//! What a later release asks of hosts that run an earlier one: packages,
//! files, and the services that take them up.
//!
//! Pure: it compares what two verified releases say. What a release does not
//! hold is not compared: keys, certificates and passwords travel in seeds.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::assignment::{Access, Assignment, Block, FactFile, Service, Uptake};
use super::manifest::{Manifest, PackageEntry};
use crate::base::{NodeName, NodePath, Role, Sha256};

/// One role of a release: its manifest, and what it asks of each node.
#[derive(Clone, Debug)]
pub struct Content {
    /// What its bundle holds.
    pub manifest: Manifest,
    /// What it asks of the nodes that carry it.
    pub assignments: BTreeMap<NodeName, Assignment>,
}

/// The roles of a release.
pub type Roles = BTreeMap<Role, Content>;

/// What became of a thing between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Change<T> {
    /// It is in the later one alone.
    New {
        /// What it is there.
        to: T,
    },
    /// It is in the earlier one alone.
    Gone {
        /// What it was.
        from: T,
    },
    /// It is in both, and not the same.
    Other {
        /// What it was.
        from: T,
        /// What it is.
        to: T,
    },
}

/// A package whose version differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its versions.
    #[serde(flatten)]
    pub change: Change<String>,
    /// The roles where it does, sorted.
    pub roles: Vec<Role>,
}

/// What a host does about a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Its service takes a change up while it runs.
    Reload,
    /// It is stopped and started.
    Restart,
    /// It is new on the host.
    Start,
    /// The later release has it no more on this host.
    Leave,
}

/// A unit that something is done about, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnitChange {
    /// What is done.
    pub act: Act,
    /// For which packages and files, sorted; none where the unit itself came or went.
    pub because_of: BTreeSet<String>,
}

impl UnitChange {
    /// `restart patroni.service: /etc/patroni/conf.d/10-cluster.yml`.
    pub fn in_words(&self, unit: &str) -> String {
        let causes: Vec<_> = self.because_of.iter().map(String::as_str).collect();
        match self.act {
            Act::Reload => format!("reload {unit}: {}", causes.join(", ")),
            Act::Restart => format!("restart {unit}: {}", causes.join(", ")),
            Act::Start => format!("start {unit}: it is new here"),
            Act::Leave => format!("{unit} is no longer this host's"),
        }
    }
}

/// What differs on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeChange {
    /// Files by path: of the release's own, and those with a fact of the host.
    pub files: BTreeMap<NodePath, Change<()>>,
    /// Units by name.
    pub units: BTreeMap<String, UnitChange>,
}

/// Everything that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Packages, by name.
    pub packages: Vec<PackageChange>,
    /// Nodes on which something differs.
    pub nodes: BTreeMap<NodeName, NodeChange>,
}

/// Compares two releases.
pub fn between(from: &Roles, to: &Roles) -> Difference {
    let names: BTreeSet<_> = nodes(from).chain(nodes(to)).collect();
    let node = |name: &NodeName| (name.clone(), of_node(name, from, to));
    Difference {
        packages: packages(from, to),
        nodes: (names.into_iter().map(node))
            .filter(|(_, change)| *change != NodeChange::default())
            .collect(),
    }
}

fn nodes(roles: &Roles) -> impl Iterator<Item = &NodeName> {
    roles.values().flat_map(|role| role.assignments.keys())
}

fn packages(from: &Roles, to: &Roles) -> Vec<PackageChange> {
    let mut found: BTreeMap<(String, Change<String>), Vec<Role>> = BTreeMap::new();
    for role in Role::ALL {
        for (name, change) in changes(&versions(from.get(&role)), &versions(to.get(&role))) {
            found.entry((name, change)).or_default().push(role);
        }
    }
    let row = |((name, change), roles)| PackageChange {
        name,
        change,
        roles,
    };
    found.into_iter().map(row).collect()
}

fn versions(role: Option<&Content>) -> BTreeMap<String, String> {
    let entries = role.iter().flat_map(|role| &role.manifest.package_list);
    let version = |entry: &PackageEntry| (entry.name.clone(), entry.version.clone());
    entries.map(version).collect()
}

fn changes<K: Ord + Clone, V: PartialEq + Clone>(
    from: &BTreeMap<K, V>,
    to: &BTreeMap<K, V>,
) -> BTreeMap<K, Change<V>> {
    let keys: BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let change = |key: &K| {
        let change = match (from.get(key).cloned(), to.get(key).cloned()) {
            (Some(from), Some(to)) if from != to => Change::Other { from, to },
            (Some(from), None) => Change::Gone { from },
            (None, Some(to)) => Change::New { to },
            _ => return None,
        };
        Some((key.clone(), change))
    };
    keys.into_iter().filter_map(change).collect()
}

// All that the roles of a release ask of one node.
#[derive(Default)]
struct Asked<'r> {
    files: BTreeMap<NodePath, Delivered<'r>>,
    services: BTreeMap<&'r str, &'r Service>,
    versions: BTreeMap<String, String>,
}

// How a file is told from another, and who takes it up, by service name.
#[derive(Clone, PartialEq)]
struct Delivered<'r> {
    what: What<'r>,
    services: &'r [String],
}

#[derive(Clone, PartialEq)]
enum What<'r> {
    File(&'r Access, Sha256),
    Fact(&'r FactFile),
    Block(&'r Block),
}

impl<'r> Asked<'r> {
    fn of(roles: &'r Roles, node: &NodeName) -> Self {
        let mut asked = Self::default();
        for content in roles.values() {
            if let Some(assignment) = content.assignments.get(node) {
                asked.add(assignment);
                asked.versions.extend(versions(Some(content)));
            }
        }
        asked
    }

    fn add(&mut self, assignment: &'r Assignment) {
        for file in &assignment.files {
            let what = What::File(&file.access, file.sha256);
            self.deliver(&file.path, what, &file.services);
        }
        for fact in &assignment.facts {
            self.deliver(&fact.path, What::Fact(fact), &fact.services);
        }
        for block in &assignment.blocks {
            self.deliver(&block.path, What::Block(block), &[]);
        }
        let services = assignment.services.iter();
        self.services
            .extend(services.map(|service| (service.unit.as_str(), service)));
    }

    fn deliver(&mut self, path: &NodePath, what: What<'r>, services: &'r [String]) {
        self.files
            .insert(path.clone(), Delivered { what, services });
    }
}

fn of_node(node: &NodeName, from: &Roles, to: &Roles) -> NodeChange {
    let (before, after) = (Asked::of(from, node), Asked::of(to, node));
    let files = changes(&before.files, &after.files);
    let packages = changes(&before.versions, &after.versions);
    let mut units = BTreeMap::new();
    for unit in before.services.keys().chain(after.services.keys()) {
        let change = match (before.services.get(unit), after.services.get(unit)) {
            (_, None) => Some(UnitChange::without_a_cause(Act::Leave)),
            (None, Some(_)) => Some(UnitChange::without_a_cause(Act::Start)),
            (Some(_), Some(service)) => taken_up(service, &after, &files, &packages),
        };
        units.extend(change.map(|change| ((*unit).to_owned(), change)));
    }
    let plain = |change: &Change<_>| match change {
        Change::New { .. } => Change::New { to: () },
        Change::Gone { .. } => Change::Gone { from: () },
        Change::Other { .. } => Change::Other { from: (), to: () },
    };
    let files = files
        .iter()
        .map(|(path, change)| (path.clone(), plain(change)));
    NodeChange {
        files: files.collect(),
        units,
    }
}

// What a service that runs before and after does about what changed.
fn taken_up(
    service: &Service,
    after: &Asked<'_>,
    files: &BTreeMap<NodePath, Change<Delivered<'_>>>,
    packages: &BTreeMap<String, Change<String>>,
) -> Option<UnitChange> {
    let mut taken: Option<UnitChange> = None;
    let mut note = |act, cause: &str| {
        let change = taken.get_or_insert_with(|| UnitChange::without_a_cause(act));
        change.act = change.act.max(act);
        change.because_of.insert(cause.to_owned());
    };
    for path in files.keys() {
        let delivered = after.files.get(path);
        if delivered.is_some_and(|file| file.services.contains(&service.name)) {
            match service.uptake_of(path.as_str()) {
                Uptake::Reload => note(Act::Reload, path.as_str()),
                Uptake::Restart => note(Act::Restart, path.as_str()),
            }
        }
    }
    for name in &service.packages {
        // A new one takes the place of one of another name.
        if let Some(Change::Other { .. } | Change::New { .. }) = packages.get(name) {
            note(Act::Restart, name);
        }
    }
    taken
}

impl UnitChange {
    fn without_a_cause(act: Act) -> Self {
        Self {
            act,
            because_of: BTreeSet::new(),
        }
    }
}
