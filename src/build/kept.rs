//! Whether what stands at the target is what a build would write.
//!
//! Nothing is taken on trust, and no time or size of a file proves anything.
//! Everything but the bundles is made again in memory or known by digest.
//! The bundles are those that this operator signed for exactly these layers.
//! Meanwhile the digest of every file on the disk is taken anew.

use std::fs;
use std::io::Seek;
use std::path::Path;

use super::compose::compose_again;
use super::release::{self, Document};
use super::standing::{Digests, Listing, Standing};
use super::write::failed;
use super::{BuildError, Composed, Inputs, Made, MadeFile, seeds};
use crate::archive::iso;
use crate::base::Sha256;
use crate::base::atomic::parent_of;
use crate::bundle::manifest::{ManifestFile, Release, ReleaseBundle};
use crate::identity::Identities;
use crate::spec::Node;

/// The release that stands, where a build would write the same to the last
/// byte and mode. Blobs are not looked at: `inputs` may have none.
///
/// Never with bundles on the media: their images would have to be made again
/// to be compared.
pub fn kept(
    inputs: &Inputs<'_>,
    identities: &Identities,
    standing: Standing,
) -> Result<Option<Made>, BuildError> {
    if inputs.media {
        return Ok(None);
    }
    let made = made_again(inputs, identities, standing.target())?;
    let stands =
        |(expected, _): &(Expected, Made)| standing.is(&expected.listing, &expected.digests);
    Ok(made.filter(stands).map(|(_, made)| made))
}

/// The release that would be written, as far as it can be made again without
/// writing it: with the bundles that are there.
fn made_again(
    inputs: &Inputs<'_>,
    identities: &Identities,
    target: &Path,
) -> Result<Option<(Expected, Made)>, BuildError> {
    let Some(composed) = compose_again(inputs, identities)? else {
        return Ok(None);
    };
    let Some(bundles) = signed_bundles(&target.join("public"), &composed, identities) else {
        return Ok(None);
    };
    let (expected, seeds) = expected(&composed, &bundles, inputs, identities, target)?;
    let node_program = release::node_program(inputs)?.listed();
    let shown = bundles.iter().map(|bundle| &bundle.file);
    let made = Made {
        folder: target.to_owned(),
        generation: composed.generation,
        public: shown.chain([&node_program]).map(MadeFile::public).collect(),
        seeds,
    };
    Ok(Some((expected, made)))
}

/// The bundles that the operator's signature says were made of the same layers.
fn signed_bundles(
    public: &Path,
    composed: &Composed,
    identities: &Identities,
) -> Option<Vec<ReleaseBundle>> {
    let document = fs::read(public.join("manifest.json")).ok()?;
    let signature = fs::read(public.join("manifest.sig")).ok()?;
    let signer = identities.signer().public();
    let release: Release = match signer.has_signed(&document, &signature) {
        true => serde_json::from_slice(&document).ok()?,
        false => return None,
    };
    let of_these_layers = release.bundles.len() == composed.bundles.len()
        && release
            .bundles
            .iter()
            .zip(&composed.bundles)
            .all(|(there, bundle)| {
                there.role == bundle.role
                    && there.packages == bundle.manifest.packages.digest
                    && there.cluster_layer == bundle.manifest.cluster_layer.digest
            });
    of_these_layers.then_some(release.bundles)
}

/// All that a build would write around these bundles.
fn expected(
    composed: &Composed,
    bundles: &[ReleaseBundle],
    inputs: &Inputs<'_>,
    identities: &Identities,
    target: &Path,
) -> Result<(Expected, Vec<MadeFile>), BuildError> {
    let documents = release::documents(composed, inputs, identities)?;
    let manifest = release::manifest(composed, inputs, identities, bundles, &documents)?;
    let node_program = release::node_program(inputs)?.listed();
    let mut expected = Expected::default();
    expected.folder("", 0o755);
    expected.public(&node_program, 0o755);
    for (bundle, composed) in bundles.iter().zip(&composed.bundles) {
        let path = release::bundle_file(composed)?;
        expected.public(
            &ManifestFile {
                path,
                ..bundle.file.clone()
            },
            0o644,
        );
    }
    let seal = release::seal(&manifest, identities)?;
    for document in documents.iter().chain(&seal).map(Document::listed) {
        expected.public(&document, 0o644);
    }
    let mut shown = Vec::new();
    expected.folder("seeds", 0o700);
    for node in &inputs.locked.plan().spec.nodes {
        let seed = seeds::seed(node, composed, bundles, &node_program, inputs, identities)?;
        expected.seed(node, &seed, inputs, target)?;
        shown.extend(seed.shown(node));
    }
    Ok((expected, shown))
}

/// What a build would write.
#[derive(Default)]
struct Expected {
    listing: Listing,
    digests: Digests,
}

impl Expected {
    fn folder(&mut self, path: &str, mode: u32) {
        self.listing.folders.insert(path.to_owned(), mode);
    }

    fn file(&mut self, path: String, mode: u32, sha256: Sha256, size: u64) {
        self.listing.files.insert(path.clone(), (mode, size));
        self.digests.insert(path, sha256);
    }

    fn public(&mut self, file: &ManifestFile, mode: u32) {
        let path = format!("public/{}", file.path);
        for (at, _) in path.match_indices('/') {
            self.folder(&path[..at], 0o755);
        }
        self.file(path, mode, file.sha256, file.size);
    }

    fn seed(
        &mut self,
        node: &Node,
        seed: &seeds::Seed,
        inputs: &Inputs<'_>,
        target: &Path,
    ) -> Result<(), BuildError> {
        let folder = format!("seeds/{}", node.name);
        for (name, bytes) in &seed.files {
            let path = format!("{folder}/{name}");
            self.file(path, 0o600, Sha256::of(bytes), bytes.len() as u64);
        }
        let (digest, size) = image(seed, inputs, target)?;
        self.file(format!("{folder}/seed.iso"), 0o600, digest, size);
        self.folder(&folder, 0o700);
        Ok(())
    }
}

/// A seed's image, made anew in a file without a name.
fn image(
    seed: &seeds::Seed,
    inputs: &Inputs<'_>,
    target: &Path,
) -> Result<(Sha256, u64), BuildError> {
    let parent = parent_of(target);
    let mut file = tempfile::tempfile_in(parent).map_err(failed("create a file in", parent))?;
    let files = seeds::iso_files(seed, &[]);
    iso::fill(&file, parent, iso::LABEL, &files, inputs.date)?;
    file.rewind()
        .and_then(|()| Sha256::of_reader(file))
        .map_err(failed("read a file in", parent))
}
