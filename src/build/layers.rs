//! The two layers of a role's bundle, as trees.

use std::collections::BTreeMap;

use super::BuildError;
use crate::base::{BundlePath, NodeName, NodePath, Role, Sha256};
use crate::bundle::assignment::Assignment;
use crate::bundle::manifest::{Family, Layer, ManifestFile, PackageEntry};
use crate::bundle::{BY_DIGEST, KEYS, REPOSITORY, plain_file, seal, wheel_path};
use crate::lock::{Lock, LockedPackage};
use crate::repo::rpm::repodata;
use crate::store::Blob;
use crate::tree::{Content, Entry, Mode, Tree};

/// One role on one node, rendered.
pub struct NodeFiles {
    /// The node.
    pub node: NodeName,
    /// What the node program is told.
    pub assignment: Assignment,
    /// The files it names, by path on the node.
    pub files: BTreeMap<NodePath, Vec<u8>>,
}

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
        let content = stored(blobs, package.sha256, package.size);
        let path = format!("{}/pool/{name}", repository(package));
        tree.insert(bundle_path(&path)?, plain(content))?;
    }
    let of = |family| {
        carried
            .iter()
            .filter(move |package| package.family == family)
    };
    if of(Family::Deb).next().is_some() {
        tree.insert_bytes(
            bundle_path(&format!("{REPOSITORY}/Packages"))?,
            deb_index(&carried),
        )?;
    }
    for root in [REPOSITORY, BY_DIGEST] {
        let rows = of(Family::Rpm).filter(|package| repository(package) == root);
        let elements: Vec<_> = rows.map(|package| package.stanza.as_str()).collect();
        if elements.is_empty() {
            continue;
        }
        for file in repodata::write(elements, lock.date)? {
            tree.insert_bytes(bundle_path(&format!("{root}/{}", file.path))?, file.bytes)?;
        }
    }
    let is_rpm = of(Family::Rpm).next().is_some();
    for key in lock.keys.iter().filter(|_| is_rpm) {
        let path = bundle_path(&format!("{KEYS}/{}.asc", key.fingerprint))?;
        tree.insert_bytes(path, key.certificate.as_bytes())?;
    }
    for wheel in lock
        .wheels
        .iter()
        .filter(|wheel| wheel.roles.contains(&role))
    {
        let content = stored(blobs, wheel.sha256, wheel.size);
        let path = wheel_path(&wheel.file).map_err(BuildError::Path)?;
        tree.insert(path, plain(content))?;
    }
    for file in lock.files.iter().filter(|file| file.roles.contains(&role)) {
        let content = stored(blobs, file.sha256, file.size);
        let path = plain_file(&file.name).map_err(BuildError::Path)?;
        tree.insert(path, plain(content))?;
    }
    Ok(tree)
}

/// In which of the bundle's repositories a package lies.
fn repository(package: &LockedPackage) -> &'static str {
    match package.by_digest {
        Some(_) => BY_DIGEST,
        None => REPOSITORY,
    }
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
        by_digest: package.by_digest,
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

fn plain(content: Content) -> Entry {
    let mode = Mode::Plain;
    Entry { content, mode }
}

/// A file of the lock: the blob, or only its name where none was handed in.
pub(super) fn stored(blobs: &BTreeMap<Sha256, Blob>, sha256: Sha256, size: u64) -> Content {
    let named = Content::Named { sha256, size };
    blobs.get(&sha256).cloned().map_or(named, Content::Blob)
}
