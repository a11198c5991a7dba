//! Where packages come from, and why they are trusted.

use time::Date;

/// A repository with its trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its id in the lock (`debian`, `debian-security`, `pgdg`).
    pub id: String,
    /// Full fingerprints of the keys that may sign it (any one suffices), upper-case hex.
    pub keys: Vec<String>,
    /// Public mirrors to fall back to, without a trailing slash. In a profile
    /// [`MAJOR`] and [`ARCHITECTURE`] may stand in them; a plan has them filled in.
    pub mirrors: Vec<String>,
    /// What kind of repository it is.
    pub kind: Repository,
}

/// Stands for PostgreSQL's major version in a mirror's address.
pub const MAJOR: &str = "{major}";

/// Stands for the architecture in a mirror's address.
pub const ARCHITECTURE: &str = "{architecture}";

/// The kinds of repositories: one for each family of packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repository {
    /// An archive that apt reads.
    Apt(AptArchive),
    /// A repository that yum and dnf read.
    RpmMd(RpmRepository),
}

/// What of an apt archive is read, and whose it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AptArchive {
    /// Suites (`bookworm`, `bookworm-updates`).
    pub suites: Vec<String>,
    /// Components (`main`).
    pub components: Vec<String>,
    /// `Origin` that its Release files must carry.
    pub origin: String,
    /// `Codename` that its Release files must carry, one a suite, in the suites' order.
    pub codenames: Vec<String>,
}

/// How an rpm-md repository is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpmRepository {
    /// What upstream signs.
    pub metadata: Metadata,
    /// Those of the source's keys that made signatures of version 3, or that
    /// are bound by SHA-1 alone: for them, and for no other, both count.
    pub legacy_keys: Vec<String>,
    /// Since when nothing changes in it; none while upstream maintains it.
    pub frozen: Option<Date>,
}

/// Whether the index of an rpm-md repository is signed. Packages are in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// `repomd.xml.asc` is a detached signature of `repomd.xml`.
    Signed,
    /// Only the packages are signed: what the index says counts for nothing
    /// until the package itself has been checked, header and payload.
    Unsigned,
}

impl Metadata {
    /// As a profile writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Unsigned => "unsigned",
        }
    }
}

impl Source {
    /// The source with the addresses of its mirrors filled in.
    pub fn filled(mut self, architecture: &str, major: u32) -> Self {
        for mirror in &mut self.mirrors {
            *mirror = mirror
                .replace(ARCHITECTURE, architecture)
                .replace(MAJOR, &major.to_string());
        }
        self
    }

    /// Since when nothing changes in it; none while upstream maintains it.
    pub fn frozen(&self) -> Option<Date> {
        match &self.kind {
            Repository::Apt(_) => None,
            Repository::RpmMd(repository) => repository.frozen,
        }
    }

    /// What it is as an apt archive, where it is one.
    pub fn apt(&self) -> Option<&AptArchive> {
        match &self.kind {
            Repository::Apt(archive) => Some(archive),
            Repository::RpmMd(_) => None,
        }
    }
}
