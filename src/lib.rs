//! pgbundle: offline bundles and seeds for PostgreSQL HA clusters.

#[cfg(feature = "workstation")]
pub mod archive;
pub mod base;
pub mod bundle;
#[cfg(feature = "workstation")]
pub mod cli;
#[cfg(feature = "workstation")]
pub mod identity;
#[cfg(feature = "workstation")]
pub mod lock;
pub mod node;
#[cfg(feature = "workstation")]
pub mod plan;
#[cfg(feature = "workstation")]
pub mod profile;
#[cfg(feature = "workstation")]
pub mod render;
#[cfg(feature = "workstation")]
pub mod repo;
pub mod seed;
#[cfg(feature = "workstation")]
pub mod solve;
#[cfg(feature = "workstation")]
pub mod spec;
#[cfg(feature = "workstation")]
pub mod store;
