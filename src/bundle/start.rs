//! Two questions that are decided anew at each start, on the host, and what
//! the workstation knows of them: [`EtcdStart`] and [`Bootstrap`].

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::base::{ClusterName, NodeName, NodePath, SchemaVersion};

/// Where [`EtcdStart`] lies on a node.
pub const ETCD_START: &str = "/etc/pgbundle/etcd.json";

/// Where [`Bootstrap`] lies on a node.
pub const BOOTSTRAP: &str = "/etc/pgbundle/bootstrap.json";

/// Where `etcd-start` writes `ETCD_INITIAL_CLUSTER` and `ETCD_INITIAL_CLUSTER_STATE`.
pub const ETCD_START_ENVIRONMENT: &str = "/run/pgbundle/etcd-start.env";

/// What `pgbundle-node etcd-start` must know to tell a new member from one that
/// was lost and from one that is merely late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdStart {
    /// Format of this file.
    pub format: SchemaVersion<1>,
    /// The cluster's random identity, as the data folder's marker repeats it.
    pub cluster_id: String,
    /// This member's name.
    pub name: NodeName,
    /// The folder that holds its data.
    pub data_directory: NodePath,
    /// All members of this generation, this one included, in the spec's order.
    pub members: Vec<EtcdMember>,
    /// The CA set, the certificate and the key to ask the others with.
    pub tls: TlsFiles,
}

/// A member of etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdMember {
    /// Its name.
    pub name: NodeName,
    /// `https://address:port` for its peers.
    pub peer_url: String,
    /// `https://address:port` for clients.
    pub client_url: String,
}

/// What `pgbundle-node initdb` must know to be sure that no node holds data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Format of this file.
    pub format: SchemaVersion<1>,
    /// The cluster's name: Patroni's scope, and what the operator types to override.
    pub cluster: ClusterName,
    /// The cluster's random identity.
    pub cluster_id: String,
    /// This node's name.
    pub name: NodeName,
    /// The folder that `initdb` fills.
    pub data_directory: NodePath,
    /// The program.
    pub initdb: NodePath,
    /// Its arguments but for the folder.
    pub arguments: Vec<String>,
    /// The other nodes that may hold data.
    pub peers: Vec<PatroniPeer>,
    /// etcd's client URLs, which tell whether a first start was completed.
    #[serde(default)]
    pub etcd: Vec<String>,
    /// Where below them etcd answers in JSON.
    #[serde(default, skip_serializing_if = "EtcdGateway::is_usual")]
    pub etcd_gateway: EtcdGateway,
    /// Patroni's key with the system identifier (`/<namespace>/<cluster>/initialize`).
    #[serde(default)]
    pub initialize_key: String,
    /// The CA set, the certificate and the key to ask them with.
    pub tls: TlsFiles,
}

impl Bootstrap {
    /// The URLs below which etcd's services answer in JSON (`…/kv/range`).
    pub fn etcd_gateways(&self) -> Vec<String> {
        let path = self.etcd_gateway.path();
        let gateway = |endpoint: &String| format!("{endpoint}{path}");
        self.etcd.iter().map(gateway).collect()
    }
}

/// The path of etcd's JSON gateway, which moved: 3.3 has `/v3beta` alone, 3.4
/// has both, 3.5 and later have `/v3` alone (etcd's manual, "Why gRPC gateway").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EtcdGateway {
    /// `/v3beta`.
    #[serde(rename = "/v3beta")]
    Beta,
    /// `/v3`.
    #[default]
    #[serde(rename = "/v3")]
    Stable,
}

impl EtcdGateway {
    fn path(self) -> &'static str {
        match self {
            Self::Beta => "/v3beta",
            Self::Stable => "/v3",
        }
    }

    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// A node to ask before a new history is begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatroniPeer {
    /// Its name.
    pub name: NodeName,
    /// Its address, for messages.
    pub address: IpAddr,
    /// `https://address:port/patroni`.
    pub url: String,
}

/// Files of a TLS client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The CA set.
    pub ca: NodePath,
    /// The certificate.
    pub certificate: NodePath,
    /// Its key.
    pub key: NodePath,
}
