//! rpm-md repositories (repodata, createrepo_c(8)) and what rpm makes of their
//! packages: from metadata to the one [`model::Model`](super::model::Model).
//!
//! ```text
//! repomd.xml ─ repomd ─► which files, with size and digest
//! primary.xml ─ primary ─► packages ─ modules (what they hide) ─► set::PackageSet ─┐
//! filelists.xml ─ filelists (where a file has no owner yet) ──────────┘            │
//! base list ─ base_list ─► packages ───────────────────► set::PackageSet ─► lower::lower ─► Model
//! ```
//!
//! - **Trust**: where upstream signs `repomd.xml`, its detached signature is
//!   checked before anything it names is read ([`index`]). Where it signs its
//!   packages alone (CentOS 7), each of the closure is fetched and its signature
//!   over header and payload checked ([`signature`]) before a lock names it.
//! - **Metadata** are named by SHA-256 alone; a checksum of another type is
//!   refused. Nothing is decompressed beyond the size that repomd.xml names.
//!   Primary is cut between packages and read on every processor, and what is
//!   read borrows from the text. File lists are a stream, read only where
//!   [`files_without_owner`](set::PackageSet::files_without_owner) names files
//!   that a closure asks for ([`unowned_files`](lower::Lowered::unowned_files)).
//! - **Solvables**: one for each package of the architecture and `noarch`, of
//!   each version that is newer than the base's. A slot is a name, and a name
//!   with its architecture where that is another one (i686 beside x86_64),
//!   which comes last among candidates; a kernel has a slot for each version.
//! - **Versions** are [`evr::Evr`]: epoch as a number, version and release by
//!   rpm's order with `~` and `^`; no epoch is 0.
//! - **Requirements**: each entry becomes the list of solvables whose provides
//!   overlap the asked range ([`entry::Entry::overlaps`]; each package provides
//!   its own `name = evr`). Unlike Debian's, provides without a version
//!   satisfy a range. `rpmlib(…)` is rpm's own and dropped.
//! - **File requirements** (`/usr/bin/python3`) are met by the owners that the
//!   base list, primary or the file lists name; the very package that the
//!   base has stands in for the repository's.
//! - **Rich requirements** become clauses: something of these is chosen, or
//!   nothing of those is. Where absence will do, an invented solvable in a slot
//!   of its own has one form for each way of meeting it, so that the solver
//!   needs no word for absence. `with` and `without` meet and part lists of
//!   candidates.
//! - **Conflicts** are Debian's. **Obsoletes** look at packages' names: they are
//!   conflicts, the obsoleted comes last among candidates, a root that is
//!   obsoleted is met by what takes its place, and so is the slot of what the
//!   base has, by an invented solvable that needs the obsoleting package.
//! - **Modules**: packages of a stream that is not active, and others that have
//!   or provide a name of an active one, are left out before
//!   ([`modules::Hidden`]); the reason of a failure names the module.
//! - **Installed** is a [`base_list`]. What is broken there already is not
//!   mended, and packages that stand beside each other there may.
//! - **The order of candidates** is libsolv's, which dnf decides by. It weighs
//!   upgrades of the base otherwise: a package of the base is left alone
//!   where another package will do, or an older version of it. The tests
//!   beside libsolv pin both.
//! - **Weak** dependencies (`recommends`, `supplements`) are left out, as Debian's.

pub mod base_list;
mod candidates;
pub mod collision;
pub mod element;
pub mod entry;
pub mod file;
pub mod filelists;
mod formula;
pub mod header;
pub mod index;
pub mod lower;
pub mod modules;
pub mod package;
pub mod primary;
#[cfg(test)]
mod publishing;
pub mod repodata;
pub mod repomd;
pub mod requirement;
#[cfg(test)]
mod rpm_writing;
pub mod set;
pub mod signature;
pub mod stanza;
mod xml;

pub use crate::base::evr;
pub use xml::XmlError;
