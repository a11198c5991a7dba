//! Python wheels as a source: a fixed set, each pinned by file name, size and
//! digest, for the Python of the profile's hosts.
//!
//! ```text
//! profile ─► Wheel (name::WheelName, digest, what it is built from)
//! pip::bring ─► store            (the index is the one that this machine's pip is set up with)
//! ```
//!
//! The set is not solved here. pip judges a dependency's markers by the Python
//! that it runs on, not by the one that it is asked about, so a set for another
//! Python comes out too small; whoever writes a profile solves it with a tool
//! that can (`uv pip compile --python-version`) and pins what came out.

pub mod name;
pub mod pip;

use crate::base::Sha256;
pub use name::{Interpreter, NotAWheel, WheelName};

/// A wheel, pinned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wheel {
    /// Its file's name.
    pub name: WheelName,
    /// Bytes.
    pub size: u64,
    /// Digest of the file.
    pub sha256: Sha256,
    /// What it is built from, where the index has no wheel.
    pub sdist: Option<Sdist>,
}

/// A source distribution that a wheel is built from, pinned. It runs its own
/// `setup.py` when it is built, after its digest was checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sdist {
    /// Digest of its file.
    pub sha256: Sha256,
}
