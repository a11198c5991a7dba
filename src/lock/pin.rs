//! Makes a lock: the closure over all roles, proved against each base, with
//! one version of a package, sliced by role.

use std::collections::{BTreeMap, BTreeSet};

use super::given::GivenPackage;
use super::request::{asked, digest, wheels};
use super::{Lock, LockedFile, LockedIndex};
use crate::base::SchemaVersion;
use crate::plan::Plan;
use crate::repo::BaseList;
use crate::repo::deb::package::PackageError;
use crate::repo::index::{Indexes, Proof};
use crate::repo::rpm::base_list::BaseListError;
use crate::repo::rpm::lower::LowerError;
use crate::repo::rpm::modules::ModulesError;
use crate::repo::rpm::primary::PrimaryError;
use crate::solve::SolveError;

pub mod deb;
pub(super) mod row;
pub mod rpm;
pub use row::RowError;

/// A lock cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// No base to prove it against.
    #[error(
        "the plan names no base image to prove the closure against; name one under `bases`, or capture one with `pgbundle base capture`"
    )]
    NoBase,
    /// No index to lock from.
    #[error("the profile `{0}` has no source to lock from")]
    NoIndex(String),
    /// A base list or an index says what dpkg would refuse.
    #[error("{place}: {source}")]
    Package {
        /// Which list.
        place: String,
        /// What is wrong.
        source: PackageError,
    },
    /// A base list of the rpm family cannot be read.
    #[error("the base list `{base}`: {source}")]
    BaseList {
        /// The base.
        base: String,
        /// What is wrong.
        source: BaseListError,
    },
    /// A repository's list of packages cannot be read.
    #[error("source `{source_id}`: {source}")]
    Primary {
        /// The source.
        source_id: String,
        /// What is wrong.
        source: PrimaryError,
    },
    /// What a given package says of itself makes no sense.
    #[error("the vendor's file {file}: {source}")]
    Given {
        /// The file.
        file: String,
        /// What is wrong.
        source: PrimaryError,
    },
    /// A repository's modules cannot be read.
    #[error("source `{source_id}`: {source}")]
    Modules {
        /// The source.
        source_id: String,
        /// What is wrong.
        source: ModulesError,
    },
    /// What is asked for is hidden.
    #[error(
        "the module `{module}` hides {package}, which is asked for; a profile that is to have it names the module among its `disabled_modules`"
    )]
    Hidden {
        /// The package.
        package: String,
        /// The module and its stream.
        module: String,
    },
    /// What is asked for is there for other hosts.
    #[error(
        "what is asked for is there for other hosts alone: {package}; these are {architecture}"
    )]
    OtherArchitecture {
        /// The package.
        package: String,
        /// The hosts' architecture.
        architecture: String,
    },
    /// A package asks for something that means nothing.
    #[error("solving on the base `{base}`: {source}")]
    Lower {
        /// The base.
        base: String,
        /// What is wrong.
        source: LowerError,
    },
    /// Whether these files are owned by anybody has to be looked up first.
    #[error("the lists of files have to say who owns {}", .0.iter().map(String::as_str).collect::<Vec<_>>().join(", "))]
    FileLists(BTreeSet<String>),
    /// There is no closure.
    #[error("on the base `{base}`: {source}")]
    Solve {
        /// The base.
        base: String,
        /// Why.
        source: SolveError,
    },
    /// Two bases need two versions.
    #[error("the bases need two versions of {package}: {one} and {other}; lock them apart")]
    TwoVersions {
        /// The package.
        package: String,
        /// One version.
        one: String,
        /// The other.
        other: String,
    },
    /// A package's stanza cannot be locked.
    #[error(transparent)]
    Row(#[from] RowError),
    /// A plain file was not measured.
    #[error("the plain file `{0}` has no known size; it has to be fetched before it is locked")]
    UnknownFile(String),
}

/// Something worth saying that does not stop a lock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The cross-check disagrees.
    #[error("on the base `{base}` two ways of closing over dependencies differ: {difference}")]
    CrossCheck {
        /// The base.
        base: String,
        /// How they differ.
        difference: String,
    },
}

/// Locks a plan: pure, and the same for the same arguments.
///
/// The certificates of rpm packages' signers are not in it yet: [`super::keys::of`].
///
/// `file_sizes` holds the size of each plain file of the spec, by its name;
/// `given` are the packages that the operator was given.
pub fn make(
    plan: &Plan,
    bases: &[BaseList],
    indexes: &Indexes,
    file_sizes: &BTreeMap<String, u64>,
    given: &[GivenPackage],
) -> Result<(Lock, Vec<Warning>), PinError> {
    let proofs = indexes.proofs();
    let date = proofs
        .iter()
        .map(|proof| proof.date)
        .max()
        .ok_or_else(|| PinError::NoIndex(plan.profile.name.clone()))?;
    let (packages, warnings) = match indexes {
        Indexes::Apt(indexes) => deb::rows(plan, bases, indexes)?,
        Indexes::RpmMd(indexes) => rpm::rows(plan, bases, indexes, given)?,
    };
    let asked = asked(plan, bases);
    let lock = Lock {
        version: SchemaVersion,
        profile: plan.profile.name.clone(),
        architecture: plan.architecture.clone(),
        date,
        request: digest(&asked),
        asked,
        indexes: proofs.iter().flat_map(index_rows).collect(),
        keys: Vec::new(),
        packages: row::distinct(packages)?,
        wheels: wheels(plan),
        files: file_rows(plan, file_sizes)?,
    };
    Ok((lock, warnings))
}

fn index_rows<'p>(proof: &Proof<'p>) -> impl Iterator<Item = LockedIndex> + use<'p> {
    let proof = *proof;
    let rows = proof.evidence.iter().enumerate();
    rows.map(move |(place, evidence)| LockedIndex {
        source: proof.source.to_owned(),
        path: evidence.path.clone(),
        size: evidence.size,
        sha256: evidence.sha256,
        key: proof.key.filter(|_| place == 0).map(str::to_owned),
    })
}

fn file_rows(plan: &Plan, sizes: &BTreeMap<String, u64>) -> Result<Vec<LockedFile>, PinError> {
    let row = |file: &crate::spec::PlainFile| {
        let size = sizes
            .get(&file.name)
            .ok_or_else(|| PinError::UnknownFile(file.name.clone()))?;
        let is_address = file.from.contains("://");
        Ok(LockedFile {
            name: file.name.clone(),
            version: file.version.clone(),
            path: if is_address {
                String::new()
            } else {
                file.from.clone()
            },
            size: *size,
            sha256: file.sha256,
            roles: file
                .roles
                .iter()
                .copied()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        })
    };
    let mut rows = plan
        .spec
        .plain_files
        .iter()
        .map(row)
        .collect::<Result<Vec<_>, PinError>>()?;
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}
