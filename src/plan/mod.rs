//! Spec × profile: everything each node must become, still without versions
//! of packages.

mod resolve;
mod roles;

pub use resolve::{Unservable, resolve};
pub use roles::RoleComponents;

use std::collections::BTreeMap;

use crate::base::{Architecture, Role, Sha256};
use crate::profile::Profile;
use crate::spec::{Node, Spec};

/// A spec that its profile can serve. Made by [`resolve`] alone.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What was asked for.
    pub spec: Spec,
    /// What the operating system offers.
    pub profile: Profile,
    /// The architecture of all nodes.
    pub architecture: Architecture,
    /// PostgreSQL's major version.
    pub postgres_major: u32,
    /// For each role that a node carries, the packages it asks for by name, sorted.
    pub packages: BTreeMap<Role, Vec<String>>,
    /// RPMs that no repository carries and the operator was given, by the
    /// names of their files, which have chosen the profile's packaging.
    pub given: Vec<GivenFile>,
    /// The roles that carry the profile's Python wheels, sorted.
    pub wheel_roles: Vec<Role>,
}

/// A file that the operator was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GivenFile {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

impl Plan {
    /// A path of the profile, with PostgreSQL's major version put in.
    pub fn with_major(&self, text: &str) -> String {
        text.replace("{major}", &self.postgres_major.to_string())
    }

    /// The nodes that carry `role`, in the spec's order.
    pub fn nodes_with(&self, role: Role) -> impl Iterator<Item = &Node> {
        self.spec
            .nodes
            .iter()
            .filter(move |node| node.roles.contains(&role))
    }
}
