//! What an operating system release offers: repositories and keys, package
//! names, paths, units, dialects. Facts, never logic.

mod parse;
mod parse_source;
mod source;

pub use parse::{extends, parse};
pub use source::{AptArchive, Metadata, Repository, RpmRepository, Source};

use std::collections::BTreeMap;

use crate::base::Architecture;
use crate::bundle::manifest::{Family, OsRelease};

/// A profile, complete: what `extends` named has been merged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name (`debian12`).
    pub name: String,
    /// Its title for people (`Debian 12 "bookworm"`).
    pub title: String,
    /// How packages are described and installed.
    pub family: Family,
    /// What the host's os-release must say.
    pub os: OsRelease,
    /// Architectures it is known for, by the family's names.
    pub architectures: Vec<Architecture>,
    /// PostgreSQL majors that its sources carry, ascending.
    pub postgres_majors: Vec<u32>,
    /// The major taken when the spec names none.
    pub postgres_default: u32,
    /// Where packages come from.
    pub sources: Vec<Source>,
    /// Base images the closure can be proved against.
    pub bases: Vec<Base>,
    /// Components (`etcd`, `patroni`, …) by name.
    pub components: BTreeMap<String, Component>,
    /// Paths on the node by name; `{major}` has been left in place.
    pub paths: BTreeMap<String, String>,
    /// Units that restart or stop services behind the cluster's back, masked on every node.
    pub disturbing_units: Vec<String>,
    /// What is known to be limited or unproven, in sentences.
    pub limits: Vec<String>,
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
    /// Which dialect of its configuration it speaks (`3.4`, `2.6`).
    pub dialect: String,
    /// The unit it runs under here.
    pub unit: String,
    /// Units of the package that would start it on their own, masked for good.
    pub masked_units: Vec<String>,
    /// The user and group it runs as.
    pub user: String,
}
