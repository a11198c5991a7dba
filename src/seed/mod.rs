//! What a node is booted with: the identity document, and cloud-init as its carrier.

pub mod identity;
#[cfg(feature = "workstation")]
pub mod nocloud;
#[cfg(feature = "workstation")]
pub mod user_data;
