//! Repositories: from signed indexes to one family-neutral [`model::Model`].
//!
//! ```text
//! mirror ─ Transport ─► openpgp::verify ─► deb::release ─► deb::index::VerifiedIndex
//!                                                                    │ deb::package::PackageSet
//! base::BaseList ──────────────────────────► deb::lower ◄────────────┘
//!                                                  ▼
//!                            model::Model { solvables, requirements, conflicts, installed, roots }
//! ```
//!
//! Promises: nothing is parsed before its signature (InRelease) or its digest
//! (Packages) was checked; nothing is decompressed beyond the size that the
//! signed index names; no mirror is trusted, and none is named in a lock.
//! Only [`keyring`], [`deb::apt_sources`] and [`transport::Folder`] touch the disk,
//! and sockets are behind [`transport::Transport`].
//!
//! An error's text is complete by itself: it ends with the text of its source.
//!
//! # How an rpm-md repository lowers into the same model
//!
//! The chain is the same with other names. `repodata/repomd.xml` with its
//! detached `repomd.xml.asc` stands for InRelease: the signature is checked
//! against pinned fingerprints, then `<revision>` or `<timestamp>` gives the
//! date, and each `<data>` gives path, size and checksum of `primary.xml`,
//! `filelists.xml` and `modules.yaml`, with `<open-checksum>` and
//! `<open-size>` as the bound for decompressing. Upstreams that sign packages
//! and not repomd.xml (CentOS 7) are accepted by the packages' own header
//! signatures, checked with a policy of their own after the checksum matched.
//!
//! - **Solvables**: one for each `<package>` of the architecture and `noarch`.
//!   A slot is (name, architecture), as rpm lets i686 stand beside x86_64;
//!   what is `installonly` would get one slot for each version.
//! - **Versions** are EVR: epoch as a number, version and release by
//!   `rpmvercmp` with `~` and `^`. A type of its own, never compared with a
//!   Debian version; both end here, as the order of candidates.
//! - **Requirements**: each `<rpm:entry>` of `requires` becomes the list of
//!   solvables whose `provides` (each package provides its own `name = EVR`)
//!   overlaps the asked range; flags EQ, LT, LE, GT, GE. Unlike Debian's, an
//!   unversioned provides does satisfy a versioned requires. `rpmlib(…)` is
//!   rpm's own and dropped.
//! - **File requirements** (`/usr/bin/python3`) are looked up in primary's
//!   `<file>` list first and in filelists only where that has nothing: they
//!   lower to the owners' numbers as any other name.
//! - **Rich requirements**: `(a or b)` is a list of candidates; `(a and b)` is
//!   two requirements; `(a if b)` and `(a unless b)` become a requirement on
//!   an invented solvable with a slot of its own, whose one form needs `a` and
//!   whose other form conflicts with `b`; `with` and `without` intersect the
//!   candidate lists. So the solver stays as it is.
//! - **Conflicts**: `conflicts` like Debian's; `obsoletes` is a conflict, and
//!   the obsoleting package also becomes a candidate for the old name.
//! - **Modules**: packages of a module stream that is neither default nor
//!   enabled are left out before lowering, and packages outside of modules
//!   are left out where an active stream has the same name. The profile says
//!   which modules are disabled (`postgresql` on EL 8, which hides PGDG's).
//! - **Installed** is `rpm -qa` with provides, requires and files, as a base list.
//! - **Weak** dependencies (`recommends`, `supplements`) are left out, as Debian's.

pub mod base;
pub mod deb;
pub mod index;
pub mod keyring;
pub mod mirror;
pub mod model;
pub mod openpgp;
mod pieces;
pub mod rpm;
pub mod transport;
pub mod unpack;
mod xz;

pub use base::BaseList;
pub use transport::{Transport, TransportError};

#[cfg(test)]
mod signing;
