//! What a release holds beside its bundles, in memory.

use super::layers::{bundle_path, listed, package_list, stored};
use super::{BuildError, Composed, Inputs, RoleBundle, runbook};
use crate::base::{BundlePath, SchemaVersion};
use crate::bundle::manifest::{ManifestFile, Release, ReleaseBundle};
use crate::bundle::sbom;
use crate::identity::Identities;
use crate::lock::Lock;
use crate::tree::Content;

/// A file of `public/`.
pub struct Document {
    /// Where it is below `public/`.
    pub path: BundlePath,
    /// What it holds.
    pub content: Content,
}

impl Document {
    fn text(path: &str, text: impl Into<Vec<u8>>) -> Result<Self, BuildError> {
        Ok(Self {
            path: bundle_path(path)?,
            content: Content::Bytes(text.into()),
        })
    }

    /// As the release's manifest lists it.
    pub fn listed(&self) -> ManifestFile {
        listed(&self.path, &self.content)
    }
}

/// The program that hosts run.
pub fn node_program(inputs: &Inputs<'_>) -> Result<Document, BuildError> {
    Ok(Document {
        path: bundle_path("pgbundle-node")?,
        content: Content::Blob(inputs.node_program.clone()),
    })
}

/// Runbook, CA certificates, bills of materials, upstream's signed indexes.
pub fn documents(
    composed: &Composed,
    inputs: &Inputs<'_>,
    identities: &Identities,
) -> Result<Vec<Document>, BuildError> {
    let plan = inputs.locked.plan();
    let lock = inputs.locked.lock();
    let runbook = runbook::runbook(plan, composed.generation, inputs.date)?;
    let mut documents = vec![
        Document::text("RUNBOOK.md", runbook)?,
        Document::text("ca.pem", identities.ca_pem())?,
    ];
    for bundle in &composed.bundles {
        let bill = bill(bundle, composed.generation, inputs, lock);
        documents.push(Document::text(&format!("sbom.{}.json", bundle.role), bill)?);
    }
    for index in &lock.indexes {
        documents.push(Document {
            path: bundle_path(&format!("evidence/{}/{}", index.source, index.path))?,
            content: stored(inputs.blobs, index.sha256, index.size),
        });
    }
    Ok(documents)
}

/// The release's manifest.
pub fn manifest(
    composed: &Composed,
    inputs: &Inputs<'_>,
    identities: &Identities,
    bundles: &[ReleaseBundle],
    documents: &[Document],
) -> Result<Release, BuildError> {
    let plan = inputs.locked.plan();
    Ok(Release {
        format: SchemaVersion,
        cluster: plan.spec.cluster.clone(),
        cluster_id: identities.cluster_id().to_owned(),
        profile: plan.profile.name.clone(),
        architecture: plan.architecture.clone(),
        generation: composed.generation,
        date: inputs.date,
        node_program: node_program(inputs)?.listed(),
        bundles: bundles.to_vec(),
        files: documents.iter().map(Document::listed).collect(),
    })
}

/// What seals the release: its manifest with the signature, and whose that is.
pub fn seal(release: &Release, identities: &Identities) -> Result<[Document; 3], BuildError> {
    let sealed = crate::bundle::seal::release(release, identities.signer());
    let signer = identities.signer().public().to_pem();
    Ok([
        Document::text("manifest.json", sealed.document)?,
        Document::text("manifest.sig", sealed.signature)?,
        Document::text("signer.pub", signer)?,
    ])
}

/// Where a role's bundle lies.
pub fn bundle_file(bundle: &RoleBundle) -> Result<BundlePath, BuildError> {
    bundle_path(&format!("bundles/{}.tar.gz", bundle.role))
}

fn bill(bundle: &RoleBundle, generation: u64, inputs: &Inputs<'_>, lock: &Lock) -> Vec<u8> {
    let plan = inputs.locked.plan();
    let name = format!("{}-{}", plan.spec.cluster, bundle.role);
    let version = generation.to_string();
    let subject = sbom::Subject {
        name: &name,
        version: &version,
        date: inputs.date,
        family: plan.profile.family,
        os: &plan.profile.os,
    };
    let plain: Vec<_> = inputs
        .locked
        .files(bundle.role)
        .map(|file| sbom::PlainEntry {
            name: file.name.clone(),
            version: file.version.clone(),
            sha256: file.sha256,
        })
        .collect();
    let wheels: Vec<_> = inputs
        .locked
        .wheels(bundle.role)
        .map(|wheel| sbom::WheelEntry {
            project: wheel.file.project(),
            version: wheel.file.version().to_owned(),
            sha256: wheel.sha256,
        })
        .collect();
    let carried = sbom::Carried {
        packages: &package_list(bundle.role, lock),
        wheels: &wheels,
        files: &plain,
    };
    sbom::write(&subject, carried)
}
