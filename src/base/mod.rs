//! The small values everything else is written in: digests, names, paths,
//! roles, time and secrets. Each can only be made from text that is right.

pub mod architecture;
pub mod atomic;
pub mod digest;
pub mod epoch;
pub mod evr;
pub mod name;
pub mod numbers;
pub mod path;
pub mod role;
pub mod schema;
pub mod secret;
pub mod unfinished;

pub use architecture::Architecture;
pub use digest::Sha256;
pub use epoch::Epoch;
pub use name::{ClusterName, NodeName};
pub use numbers::Numbers;
pub use path::{BundlePath, NodePath};
pub use role::Role;
pub use schema::SchemaVersion;
pub use secret::Secret;
