//! The marker beside a data folder: whose it is and whether it ever held data.
//!
//! It lies beside the folder, not in it, because initdb and etcd want an empty
//! one; it is on the disk before a service that fills the folder can start.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::durable::{self, Rights};
use super::host::parse_json;
use super::stop::Stop;
use crate::base::atomic::AtomicError;
use crate::seed::identity::Identity;

/// `<data folder>.pgbundle.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The cluster's name.
    pub cluster: String,
    /// The cluster's random identity.
    pub cluster_id: String,
    /// The node.
    pub node: String,
    /// The generation of the node's identity.
    pub generation: u64,
    /// What the folder holds.
    pub state: Held,
    /// The initialise key that this node holds, or held when it was cut off:
    /// etcd's number of its making (`create_revision`). Who finds it can tell its
    /// own key from another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialize: Option<String>,
}

/// What a data folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// Nothing ever was there.
    Empty,
    /// A first start was begun here. PostgreSQL has served nobody yet.
    Beginning,
    /// A first start was gone through but for its last act, by which the cluster
    /// takes it for its own; whether that was done, etcd knows.
    Formed,
    /// Data of the cluster is or was there.
    HoldsData,
}

impl Marker {
    /// A marker of this identity's.
    pub fn of(identity: &Identity, state: Held) -> Self {
        Self {
            cluster: identity.cluster.to_string(),
            cluster_id: identity.cluster_id.clone(),
            node: identity.node.to_string(),
            generation: identity.generation,
            state,
            initialize: None,
        }
    }

    /// Whether it is of the same cluster and node.
    pub fn is_of(&self, other: &Self) -> bool {
        (&self.cluster_id, &self.node) == (&other.cluster_id, &other.node)
    }
}

/// Where the marker of a data folder lies.
pub fn path(folder: &Path) -> PathBuf {
    beside(folder, "pgbundle.json")
}

/// `<data folder>.<suffix>`.
pub fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}.{suffix}"))
}

/// Everything that lies beside a data folder under its name (`<data folder>.…`).
pub fn beside_it(folder: &Path) -> Result<Vec<PathBuf>, Stop> {
    let Some(parent) = folder.parent().filter(|parent| parent.exists()) else {
        return Ok(Vec::new());
    };
    let told = |fault| Stop::World(format!("cannot list `{}`: {fault}", parent.display()));
    let start = beside(folder, "").into_os_string();
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path
            .as_os_str()
            .as_encoded_bytes()
            .starts_with(start.as_encoded_bytes())
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads the marker of a data folder.
pub fn read(folder: &Path) -> Result<Option<Marker>, Stop> {
    let path = path(folder);
    let bytes = durable::read(&path)?;
    bytes.map(|bytes| parse_json(&path, &bytes)).transpose()
}

/// Writes it durably.
pub fn write(folder: &Path, marker: &Marker, owner: Option<(u32, u32)>) -> Result<(), AtomicError> {
    let mut bytes = serde_json::to_vec_pretty(marker).expect("a marker is plain text");
    bytes.push(b'\n');
    durable::write(&path(folder), &bytes, Rights { owner, mode: 0o644 })
}

/// Whether the folder is absent or has no entry.
pub fn is_empty(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(fault) => fault.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Refuses a folder whose content is not this node's; names the reason.
pub fn foreign(folder: &Path, mine: &Marker) -> Result<Option<String>, Stop> {
    let place = folder.display();
    Ok(match read(folder)? {
        Some(marker) if marker.is_of(mine) => None,
        Some(marker) => Some(format!(
            "`{place}` belongs to node {} of cluster {} ({}), not to {} of {} ({}); nothing was touched: move it away, or give this host its own identity",
            marker.node,
            marker.cluster,
            marker.cluster_id,
            mine.node,
            mine.cluster,
            mine.cluster_id
        )),
        None if is_empty(folder) => None,
        None => Some(format!(
            "`{place}` holds data that this cluster did not write (no `{}`); nothing was touched: move it away",
            path(folder).display()
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::identity::tests::example;

    #[test]
    fn foreign_data_is_named_and_our_own_is_not() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("15/main");
        let mine = Marker::of(&example(), Held::Empty);
        assert_eq!(foreign(&folder, &mine).unwrap(), None);
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(foreign(&folder, &mine).unwrap(), None);
        fs::write(folder.join("PG_VERSION"), "15\n").unwrap();
        assert!(
            foreign(&folder, &mine)
                .unwrap()
                .unwrap()
                .contains("did not write")
        );
        write(&folder, &mine, None).unwrap();
        assert_eq!(foreign(&folder, &mine).unwrap(), None);
        let other = Marker {
            cluster_id: "ff".to_owned(),
            ..mine.clone()
        };
        write(&folder, &other, None).unwrap();
        assert!(
            foreign(&folder, &mine)
                .unwrap()
                .unwrap()
                .contains("belongs to node db-1")
        );
        assert_eq!(fs::read(folder.join("PG_VERSION")).unwrap(), b"15\n");
    }
}
