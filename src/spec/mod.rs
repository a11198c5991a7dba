//! What the operator asked for: parsed, complete, valid by itself.
//!
//! A [`Spec`] is made by [`parse`]; every default is applied, every
//! reference inside resolves.

mod check;
mod parse;

pub use parse::parse;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::base::{ClusterName, NodeName, Role};
use crate::document::Span;
use crate::seed::identity::DeliverySource;

/// Where etcd tells its own host of its health; no spec can move it.
pub const ETCD_METRICS: u16 = 2381;

/// A cluster as its operator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The cluster's name; Patroni's scope.
    pub cluster: ClusterName,
    /// The profile named in the spec, if any (`--profile` overrides it).
    pub profile: Option<String>,
    /// Names of the base images the closure is proved against; empty: all of the profile's.
    pub bases: Vec<String>,
    /// PostgreSQL and Patroni.
    pub postgres: Postgres,
    /// The nodes, in the spec's order.
    pub nodes: Vec<Node>,
    /// The virtual address, where the cluster has one.
    pub vip: Option<Vip>,
    /// Where services listen.
    pub ports: Ports,
    /// NTP servers; empty leaves the host's time service as it is.
    pub time_servers: Vec<String>,
    /// Where bundles are found at boot, in order.
    pub delivery: Vec<DeliverySource>,
    /// Lifetimes of what is issued.
    pub certificates: Certificates,
    /// Plain files: binaries or archives that no repository carries.
    pub plain_files: Vec<PlainFile>,
    /// Folders of RPMs that no repository carries.
    pub vendor: Vec<VendorFolder>,
    /// Where the spec says what its profile must offer.
    pub places: Places,
}

/// Where a spec's text says what only a profile can judge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// `cluster.profile`.
    pub profile: Option<Span>,
    /// `cluster.bases`.
    pub bases: Option<Span>,
    /// `postgres.major`.
    pub major: Option<Span>,
    /// The first `vendor.path`.
    pub vendor: Option<Span>,
}

/// The `[postgres]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Major version; none: the profile's default.
    pub major: Option<u32>,
    /// How many standbys must have a commit before it is acknowledged.
    pub synchronous: Synchronous,
    /// Server parameters, as text, passed on to Patroni's dynamic configuration.
    pub parameters: BTreeMap<String, String>,
}

/// The synchronous mode (Patroni: `synchronous_mode`, `synchronous_mode_strict`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// Asynchronous replication alone.
    Off,
    /// One synchronous standby while there is one.
    On,
    /// No commit without a synchronous standby.
    Strict,
}

/// A `[[node]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name and host name.
    pub name: NodeName,
    /// Its address with the network's prefix.
    pub address: IpNet,
    /// Its roles, sorted, at least one.
    pub roles: Vec<Role>,
    /// How its network is set up; none: the host's own network is left alone.
    pub network: Option<StaticNetwork>,
}

/// A static network, written into the seed's `network-config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticNetwork {
    /// The interface's hardware address, by which it is found; none: the only Ethernet interface.
    pub mac: Option<String>,
    /// The default gateway.
    pub gateway: Option<IpAddr>,
    /// DNS servers.
    pub dns: Vec<IpAddr>,
}

/// The `[vip]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vip {
    /// The address with prefix.
    pub address: IpNet,
    /// VRRP virtual router id (RFC 5798), 1 to 255; the default is the address's last octet.
    pub virtual_router_id: u8,
}

/// The `[ports]` table: TCP ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// PostgreSQL itself.
    pub postgres: u16,
    /// PgBouncer.
    pub pgbouncer: u16,
    /// Patroni's REST API.
    pub patroni: u16,
    /// etcd, for clients.
    pub etcd_client: u16,
    /// etcd, for its peers.
    pub etcd_peer: u16,
    /// HAProxy: the primary, read and write.
    pub read_write: u16,
    /// HAProxy: all replicas.
    pub replicas: u16,
    /// HAProxy: the synchronous standby.
    pub synchronous: u16,
    /// HAProxy: the asynchronous replicas.
    pub asynchronous: u16,
    /// HAProxy: statistics.
    pub statistics: u16,
}

/// The `[certificates]` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// Days that the CA is valid.
    pub ca_days: u32,
    /// Days that a node's certificates are valid.
    pub node_days: u32,
}

/// A `[[file]]`: a binary or an archive that no repository carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainFile {
    /// Its name in the lock and in the bundle.
    pub name: String,
    /// Its version, for reports and the SBOM.
    pub version: String,
    /// A path relative to the spec's folder, or an address.
    pub from: String,
    /// Its digest, without which it is not taken.
    pub sha256: crate::base::Sha256,
    /// Where it is installed on the node, and with what mode (octal).
    pub install: Option<(crate::base::NodePath, u32)>,
    /// The roles that carry it.
    pub roles: Vec<Role>,
}

/// A `[[vendor]]`: a folder with RPMs that the operator was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorFolder {
    /// A path, relative to the spec's folder.
    pub path: String,
}
