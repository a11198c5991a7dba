//! What a node is booted with: the identity document, and cloud-init as its carrier.

pub mod identity;
