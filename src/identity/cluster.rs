//! `cluster.json`: what a cluster is besides its name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::random::{Random, draw};
use super::{IdentityError, from_json, to_json};
use crate::base::{ClusterName, NodeName, SchemaVersion, Sha256};

pub(super) const NAME: &str = "cluster.json";

/// The file's content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterRecord {
    format: SchemaVersion<1>,
    cluster: ClusterName,
    /// 32 hexadecimal digits.
    pub cluster_id: String,
    /// `initial-cluster-token`.
    pub etcd_token: String,
    /// The number of the last build whose content was new; 0 before the first.
    pub generation: u64,
    /// What that build held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<Sha256>,
    /// Every node that keys were ever made for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    nodes: BTreeSet<NodeName>,
    /// Digest of the lock that was last proved against its signed indexes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved: Option<Sha256>,
}

impl ClusterRecord {
    /// Reads the record, or makes it where the folder is new.
    pub fn open_or_make(
        folder: &Folder,
        cluster: &ClusterName,
        random: &mut dyn Random,
    ) -> Result<Self, IdentityError> {
        match Self::open(folder, cluster)? {
            Some(record) => Ok(record),
            None => Self::make(folder, cluster, random),
        }
    }

    /// Reads the record; none where there is none yet.
    pub fn open(folder: &Folder, cluster: &ClusterName) -> Result<Option<Self>, IdentityError> {
        let Some(text) = folder.read(NAME)? else {
            return Ok(None);
        };
        let record: Self = from_json(folder, NAME, &text)?;
        if record.cluster != *cluster {
            return Err(IdentityError::OtherCluster {
                path: folder.at(NAME),
                found: record.cluster,
                wanted: cluster.clone(),
            });
        }
        Ok(Some(record))
    }

    /// Takes over what another process has stored since.
    pub fn read_again(&mut self, folder: &Folder) -> Result<(), IdentityError> {
        if let Some(record) = Self::open(folder, &self.cluster)? {
            *self = record;
        }
        Ok(())
    }

    fn make(
        folder: &Folder,
        cluster: &ClusterName,
        random: &mut dyn Random,
    ) -> Result<Self, IdentityError> {
        // It is written first: where anything else is there, it was lost.
        for other in ["ca.key", "ca.pem", "signer.key", "passwords.json"] {
            if folder.read(other)?.is_some() {
                return Err(IdentityError::Incomplete {
                    missing: folder.at(NAME),
                    beside: folder.at(other),
                });
            }
        }
        let record = Self {
            format: SchemaVersion,
            cluster: cluster.clone(),
            cluster_id: hex::encode(draw::<16>(random)?),
            etcd_token: hex::encode(draw::<16>(random)?),
            generation: 0,
            content: None,
            nodes: BTreeSet::new(),
            proved: None,
        };
        record.store(folder)?;
        Ok(record)
    }

    /// Whether everything in the folder was made once.
    pub fn is_complete(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// Whether keys were made for this node.
    pub fn knows(&self, node: &NodeName) -> bool {
        self.nodes.contains(node)
    }

    /// Takes down that keys were made for these nodes; says whether that is new.
    pub fn note<'n>(&mut self, nodes: impl Iterator<Item = &'n NodeName>) -> bool {
        let before = self.nodes.len();
        self.nodes.extend(nodes.cloned());
        self.nodes.len() > before
    }

    /// Takes up what a build holds; says whether that is new.
    pub fn take_up(&mut self, content: Sha256) -> bool {
        if self.content == Some(content) {
            return false;
        }
        self.content = Some(content);
        self.generation += 1;
        true
    }

    /// Writes the record.
    pub fn store(&self, folder: &Folder) -> Result<(), IdentityError> {
        Ok(folder.write(NAME, &to_json(self))?)
    }
}
