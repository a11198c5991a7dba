//! The roles a node can carry, in any combination.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a node does in the cluster. One bundle is built for each role.
///
/// The order is the order in which a node that carries several takes them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A member of the distributed configuration store.
    Etcd,
    /// PostgreSQL under Patroni, with PgBouncer in front.
    Postgres,
    /// HAProxy, and keepalived where the cluster has a VIP.
    Proxy,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Etcd, Self::Postgres, Self::Proxy];

    /// The role's name as the spec writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Postgres => "postgres",
            Self::Proxy => "proxy",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
