//! One package, as rpm-md's primary or a base list describes it.

use std::borrow::Cow;
use std::fmt;

use super::entry::Entry;
use super::evr::Evr;
use crate::base::{BundlePath, Sha256};

/// A package: what it is, needs and offers.
#[derive(Clone, Debug)]
pub struct Package<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its architecture (`noarch` too).
    pub arch: &'a str,
    /// Epoch, version and release.
    pub evr: Evr<'a>,
    /// What it needs.
    pub requires: Box<[Entry<'a>]>,
    /// What it offers, `name = evr` of its own among it.
    pub provides: Box<[Entry<'a>]>,
    /// What it cannot stand beside.
    pub conflicts: Box<[Entry<'a>]>,
    /// Which packages it takes the place of.
    pub obsoletes: Box<[Entry<'a>]>,
    /// Those of its files that primary or the base list names.
    pub files: Box<[Cow<'a, str>]>,
    /// The file it comes in; none for what a base has installed.
    pub archive: Option<Archive<'a>>,
}

/// The file that a package comes in.
#[derive(Clone, Debug)]
pub struct Archive<'a> {
    /// Its digest.
    pub sha256: Sha256,
    /// Where it lies, relative to the repository's root.
    pub location: BundlePath,
    /// Its size in bytes.
    pub size: u64,
    /// What its files take when they are installed, in bytes.
    pub installed_size: u64,
    /// The `<package>` element of primary, as it was written.
    pub raw: &'a str,
    /// Which of the repositories it is in, by their order.
    pub repository: usize,
}

impl fmt::Display for Package<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.name, self.evr, self.arch)
    }
}
