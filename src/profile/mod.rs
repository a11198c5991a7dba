//! What an operating system release offers: repositories and keys, package
//! names, paths, units, dialects. Facts, never logic.

mod dialect;
mod packaging;
mod parse;
mod parse_postgres;
mod parse_python;
mod parse_source;
mod source;

pub use dialect::Dialect;
pub use packaging::{NoPackaging, Packaging};
pub use parse::{extends, parse};
pub use source::{AptArchive, Metadata, Repository, RpmRepository, Source};

use std::collections::{BTreeMap, BTreeSet};

use time::Date;

use crate::base::{Architecture, NodePath};
use crate::bundle::manifest::{Family, OsRelease};
use crate::wheel::{Interpreter, Wheel, WheelName};
use source::MAJOR;

/// A profile, complete: what `extends` named has been merged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name (`debian12`).
    pub name: String,
    /// The profile that it extends, which has been merged in.
    pub extends: Option<String>,
    /// Its title for people (`Debian 12 "bookworm"`).
    pub title: String,
    /// How packages are described and installed.
    pub family: Family,
    /// What the host's os-release must say.
    pub os: OsRelease,
    /// Architectures it is known for, by the family's names.
    pub architectures: Vec<Architecture>,
    /// Which PostgreSQL there is.
    pub postgres: Postgres,
    /// Where packages come from.
    pub sources: Vec<Source>,
    /// Base images the closure can be proved against.
    pub bases: Vec<Base>,
    /// Components (`etcd`, `patroni`, …) by name.
    pub components: BTreeMap<String, Component>,
    /// The Python wheels that one of them runs on, where no package has it.
    pub python: Option<Python>,
    /// Paths on the node by name; `{major}` has been left in place.
    pub paths: BTreeMap<String, String>,
    /// Units that restart or stop services behind the cluster's back, masked on every node.
    pub disturbing_units: Vec<String>,
    /// Modules of the system's own repositories that would hide packages of the
    /// other sources (dnf(8), "Module Command").
    pub disabled_modules: Vec<String>,
    /// The tag that packages made for it carry in their release (`el7`).
    pub dist: Option<String>,
    /// How the vendor of its PostgreSQL has packaged it; empty where a source carries it.
    pub packagings: Vec<Packaging>,
    /// What the packages that an operator was given say that they provide, and
    /// no other package finds there ([`Packaging::not_provided`]).
    pub not_provided: Vec<String>,
    /// What is known to be limited or unproven, in sentences.
    pub limits: Vec<String>,
}

impl Profile {
    /// The profile for one architecture and one major of PostgreSQL: what
    /// stands for them is filled in, but for paths.
    pub fn filled(mut self, architecture: &str, major: u32) -> Self {
        let fill = |source: Source| source.filled(architecture, major);
        self.sources = self.sources.into_iter().map(fill).collect();
        for component in self.components.values_mut() {
            let lists = component
                .packages
                .iter_mut()
                .chain(&mut component.masked_units);
            for name in lists.chain([&mut component.unit]) {
                *name = name.replace(MAJOR, &major.to_string());
            }
        }
        self
    }

    /// Sources in which nothing changes any more, by the day since when, both sorted.
    pub fn frozen(&self) -> BTreeMap<Date, BTreeSet<&str>> {
        let mut by_day: BTreeMap<Date, BTreeSet<&str>> = BTreeMap::new();
        for source in &self.sources {
            if let Some(day) = source.frozen() {
                by_day.entry(day).or_default().insert(&source.id);
            }
        }
        by_day
    }
}

/// The `[postgres]` of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Majors that the sources carry, ascending.
    pub majors: Vec<u32>,
    /// The major taken when the spec names none.
    pub default: u32,
    /// Why majors are absent: the first that is, and the reason, which holds
    /// for later ones, too, up to the next.
    pub absent: BTreeMap<u32, String>,
    /// The locale of new data (initdb(1)), there without generating any.
    pub locale: String,
}

impl Postgres {
    /// Why there is no such major, where the profile says.
    pub fn why_absent(&self, major: u32) -> Option<&str> {
        let (_, reason) = self.absent.range(..=major).next_back()?;
        Some(reason)
    }
}

/// The `[python]` of a profile: a fixed set of wheels for the hosts' own Python.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// The component that runs on them (`patroni`).
    pub component: String,
    /// The hosts' Python.
    pub interpreter: Interpreter,
    /// Where a host has it (`/usr/bin/python3.6`).
    pub program: NodePath,
    /// The environment that is made with it, by the name that scripts know
    /// (`/opt/pgbundle/patroni`).
    pub environment: NodePath,
    /// The wheel of pip, which installs the others on a host; one of `wheels`.
    pub pip: WheelName,
    /// The set, sorted by project.
    pub wheels: Vec<Wheel>,
    /// What builds those of them that exist as source alone, sorted by project.
    pub tools: Vec<Wheel>,
}

/// A named package list of a base image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its name (`minbase`).
    pub name: String,
    /// The file in the library, relative to `profiles/`.
    pub file: String,
}

/// A component: one upstream program as this release packages it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Component {
    /// Package names; `{major}` stands for PostgreSQL's major version.
    pub packages: Vec<String>,
    /// Which configuration it understands; none where nothing depends on it.
    pub dialect: Option<Dialect>,
    /// The unit it runs under here; `{major}` as in `packages`.
    pub unit: String,
    /// Units of the package that would start it on their own, masked for good; `{major}` too.
    pub masked_units: Vec<String>,
    /// The user and group it runs as.
    pub user: String,
    /// Whether it was built to tell systemd when it is ready (sd_notify(3)).
    pub notifies: bool,
}
