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
//! index names; no mirror is trusted, and none is named in a lock.
//! Only [`keyring`], [`deb::apt_sources`] and [`transport::Folder`] touch the disk,
//! and sockets are behind [`transport::Transport`].
//!
//! An error's text is complete by itself: it ends with the text of its source.
//!
//! [`rpm`] is the same for rpm-md repositories, and says how they lower into
//! the same model.

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
