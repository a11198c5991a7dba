//! The two layers of a role's bundle, as trees.

use std::collections::BTreeMap;

use super::BuildError;
use crate::base::{BundlePath, NodeName, NodePath, Role, Sha256};
use crate::bundle::assignment::Assignment;
use crate::bundle::manifest::{Family, Layer, ManifestFile, PackageEntry};
use crate::bundle::{plain_file, seal};
use crate::lock::{Lock, LockedPackage};
use crate::store::Blob;
use crate::tree::{Content, Tree};

/// One role on one node, rendered.
pub struct NodeFiles {
    /// The node.
    pub node: NodeName,
    /// What the node program is told.
    pub assignment: Assignment,
    /// The files it names, by path on the node.
    pub files: BTreeMap<NodePath, Vec<u8>>,
}

/// Where a bundle's packages and its index lie.
const POOL: &str = "packages/pool";
const INDEX: &str = "packages/Packages";

/// The packages layer: the pool, its index, and plain files. Nothing in it
/// comes from the cluster.
pub fn packages(
    role: Role,
    lock: &Lock,
    blobs: &BTreeMap<Sha256, Blob>,
) -> Result<Tree, BuildError> {
    let mut tree = Tree::new();
    let carried: Vec<_> = lock
        .packages
        .iter()
        .filter(|package| package.roles.contains(&role))
        .collect();
    for package in &carried {
        let name = file_name(&package.path);
        tree.insert_blob(
            bundle_path(&format!("{POOL}/{name}"))?,
            blob(blobs, &package.sha256, &package.name)?,
        )?;
    }
    if carried.iter().any(|package| package.family == Family::Deb) {
        tree.insert_bytes(bundle_path(INDEX)?, deb_index(&carried))?;
    }
    for file in lock.files.iter().filter(|file| file.roles.contains(&role)) {
        tree.insert_blob(
            plain_file(&file.name).map_err(BuildError::Path)?,
            blob(blobs, &file.sha256, &file.name)?,
        )?;
    }
    Ok(tree)
}

/// A flat repository's index (deb822, Debian's RepositoryFormat wiki page).
fn deb_index(packages: &[&LockedPackage]) -> String {
    let stanzas: Vec<_> = packages
        .iter()
        .map(|package| package.stanza.trim_end())
        .collect();
    let mut text = stanzas.join("\n\n");
    text.push('\n');
    text
}

/// The cluster layer: CA certificates and, node by node, what the role asks for.
pub fn cluster(ca: &str, nodes: &[NodeFiles]) -> Result<Tree, BuildError> {
    let mut tree = Tree::new();
    tree.insert_bytes(bundle_path("cluster/ca.pem")?, ca)?;
    for node in nodes {
        let folder = format!("cluster/nodes/{}", node.node);
        tree.insert_bytes(
            bundle_path(&format!("{folder}/assignment.json"))?,
            seal::canonical(&node.assignment),
        )?;
        for (path, content) in &node.files {
            tree.insert_bytes(
                bundle_path(&format!("{folder}/files{path}"))?,
                content.clone(),
            )?;
        }
    }
    Ok(tree)
}

/// A tree as the manifest lists it.
pub fn sealed(tree: &Tree) -> Result<Layer, BuildError> {
    let listed = tree
        .iter()
        .map(|(path, entry)| listed(path, &entry.content));
    Ok(Layer::seal(listed)?)
}

/// A file as a manifest lists it.
pub fn listed(path: &BundlePath, content: &Content) -> ManifestFile {
    ManifestFile {
        path: path.clone(),
        size: content.size(),
        sha256: content.sha256(),
    }
}

/// The packages of a role by name, as manifest and SBOM have them.
pub fn package_list(role: Role, lock: &Lock) -> Vec<PackageEntry> {
    let entry = |package: &LockedPackage| PackageEntry {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        sha256: package.sha256,
    };
    lock.packages
        .iter()
        .filter(|package| package.roles.contains(&role))
        .map(entry)
        .collect()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

pub(super) fn bundle_path(text: &str) -> Result<BundlePath, BuildError> {
    text.parse().map_err(BuildError::Path)
}

fn blob(blobs: &BTreeMap<Sha256, Blob>, digest: &Sha256, name: &str) -> Result<Blob, BuildError> {
    blobs
        .get(digest)
        .cloned()
        .ok_or_else(|| BuildError::NotFetched {
            name: name.to_owned(),
            sha256: *digest,
        })
}
