//! Everything a release is made of, in memory.

use std::collections::BTreeMap;

use super::layers::{self, NodeFiles};
use super::{BuildError, seeds};
use crate::base::{Epoch, Role, SchemaVersion, Sha256};
use crate::bundle::manifest::{Layer, Manifest};
use crate::bundle::seal::{self, Sealed};
use crate::identity::Identities;
use crate::lock::Lock;
use crate::lock::cover::LockedPlan;
use crate::plan::Plan;
use crate::render::{self, Cluster};
use crate::store::Blob;
use crate::tree::{Content, Tree};

/// What a build is made from.
pub struct Inputs<'a> {
    /// The plan and the lock that covers it.
    pub locked: LockedPlan<'a>,
    /// Blobs of the lock, by digest: all of them for what is to be written,
    /// none for what is only to be compared.
    pub blobs: &'a BTreeMap<Sha256, Blob>,
    /// The program that hosts run: a declared input.
    pub node_program: Blob,
    /// The date that every output carries.
    pub date: Epoch,
    /// Whether each seed's ISO carries the node's bundles too.
    pub media: bool,
}

/// A role's bundle, ready to be written.
pub struct RoleBundle {
    /// The role.
    pub role: Role,
    /// Its manifest.
    pub manifest: Manifest,
    /// The manifest as it is written, with its signature.
    pub sealed: Sealed,
    /// Both layers and the manifest with its signature.
    pub tree: Tree,
}

/// A release in memory.
pub struct Composed {
    /// Its generation.
    pub generation: u64,
    /// One bundle for each role that a node carries, in the roles' order.
    pub bundles: Vec<RoleBundle>,
}

struct Layers {
    role: Role,
    tree: Tree,
    packages: Layer,
    cluster: Layer,
}

/// Composes the bundles. The generation is the one that the same content had
/// before, or the next.
pub fn compose(inputs: &Inputs<'_>, identities: &mut Identities) -> Result<Composed, BuildError> {
    let layers = all_layers(inputs, identities)?;
    let generation = identities.generation_for(content(&layers, inputs, identities)?)?;
    composed(layers, generation, inputs, identities)
}

/// Composes the bundles where the last build had the same content.
pub fn compose_again(
    inputs: &Inputs<'_>,
    identities: &Identities,
) -> Result<Option<Composed>, BuildError> {
    let layers = all_layers(inputs, identities)?;
    let content = content(&layers, inputs, identities)?;
    let generation = identities.generation_of(content);
    generation
        .map(|generation| composed(layers, generation, inputs, identities))
        .transpose()
}

fn all_layers(inputs: &Inputs<'_>, identities: &Identities) -> Result<Vec<Layers>, BuildError> {
    let roles = inputs.locked.plan().packages.keys();
    roles
        .map(|role| layers_of(*role, inputs, identities))
        .collect()
}

fn composed(
    layers: Vec<Layers>,
    generation: u64,
    inputs: &Inputs<'_>,
    identities: &Identities,
) -> Result<Composed, BuildError> {
    let bundles = layers
        .into_iter()
        .map(|layers| bundle(layers, generation, inputs, identities))
        .collect::<Result<_, _>>()?;
    Ok(Composed {
        generation,
        bundles,
    })
}

fn layers_of(
    role: Role,
    inputs: &Inputs<'_>,
    identities: &Identities,
) -> Result<Layers, BuildError> {
    let plan = inputs.locked.plan();
    let nodes: Vec<_> = plan
        .nodes_with(role)
        .map(|node| rendered(plan, role, node, identities))
        .collect::<Result<_, _>>()?;
    let packages = layers::packages(role, inputs.locked.lock(), inputs.blobs)?;
    let cluster = layers::cluster(identities.ca_pem(), &nodes)?;
    let (packages_layer, cluster_layer) = (layers::sealed(&packages)?, layers::sealed(&cluster)?);
    let mut tree = packages;
    for (path, entry) in cluster.iter() {
        tree.insert(path.clone(), entry.clone())?;
    }
    Ok(Layers {
        role,
        tree,
        packages: packages_layer,
        cluster: cluster_layer,
    })
}

fn rendered(
    plan: &Plan,
    role: Role,
    node: &crate::spec::Node,
    identities: &Identities,
) -> Result<NodeFiles, BuildError> {
    let cluster = Cluster {
        id: identities.cluster_id(),
        etcd_token: identities.etcd_token(),
        ca: identities.ca_pem(),
    };
    let rendered = render::assignment(plan, role, node, &cluster)?;
    Ok(NodeFiles {
        node: node.name.clone(),
        assignment: rendered.assignment,
        files: rendered.files,
    })
}

/// What makes one generation differ from another: all that a host would get,
/// but for the generation itself. The pins of the bundles follow from the rest.
fn content(
    layers: &[Layers],
    inputs: &Inputs<'_>,
    identities: &Identities,
) -> Result<Sha256, BuildError> {
    let plan = inputs.locked.plan();
    let mut text = Vec::new();
    for layer in layers {
        let manifest = manifest(
            layer,
            0,
            plan,
            inputs.locked.lock(),
            identities,
            inputs.date,
        );
        text.extend(seal::canonical(&manifest));
    }
    let node_program = layers::listed(
        &layers::bundle_path("pgbundle-node")?,
        &Content::Blob(inputs.node_program.clone()),
    );
    for node in &plan.spec.nodes {
        let identity = seeds::identity(node, 0, &[], &node_program, inputs, identities)?;
        text.extend(seal::canonical(&identity));
    }
    Ok(Sha256::of(&text))
}

fn bundle(
    layers: Layers,
    generation: u64,
    inputs: &Inputs<'_>,
    identities: &Identities,
) -> Result<RoleBundle, BuildError> {
    let manifest = manifest(
        &layers,
        generation,
        inputs.locked.plan(),
        inputs.locked.lock(),
        identities,
        inputs.date,
    );
    let sealed = seal::manifest(&manifest, identities.signer());
    let mut tree = layers.tree;
    tree.insert_bytes(
        layers::bundle_path("manifest.json")?,
        sealed.document.clone(),
    )?;
    tree.insert_bytes(
        layers::bundle_path("manifest.sig")?,
        sealed.signature.clone(),
    )?;
    Ok(RoleBundle {
        role: layers.role,
        manifest,
        sealed,
        tree,
    })
}

fn manifest(
    layers: &Layers,
    generation: u64,
    plan: &Plan,
    lock: &Lock,
    identities: &Identities,
    date: Epoch,
) -> Manifest {
    Manifest {
        format: SchemaVersion,
        cluster: plan.spec.cluster.clone(),
        cluster_id: identities.cluster_id().to_owned(),
        role: layers.role,
        profile: plan.profile.name.clone(),
        architecture: plan.architecture.clone(),
        generation,
        date,
        os: plan.profile.os.clone(),
        family: plan.profile.family,
        packages: layers.packages.clone(),
        cluster_layer: layers.cluster.clone(),
        package_list: layers::package_list(layers.role, lock),
    }
}
