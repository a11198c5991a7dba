//! Whether what stands at the target is what a build would write.
//!
//! Nothing is taken on trust, and no time or size of a file proves anything.
//! Everything but the bundles is made again in memory or known by digest.
//! The bundles are those that this operator signed for exactly these layers.
//! Then the digest of every file on the disk is taken anew.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::compose::compose_again;
use super::release::{self, Document};
use super::write::failed;
use super::{BuildError, Composed, Inputs, Made, MadeFile, seeds};
use crate::archive::iso;
use crate::base::Sha256;
use crate::base::atomic::parent_of;
use crate::bundle::manifest::{ManifestFile, Release, ReleaseBundle};
use crate::identity::Identities;
use crate::spec::Node;

/// The release at `target`, where a build would write the same to the last
/// byte and mode. Blobs are not looked at: `inputs` may have none.
///
/// Never with bundles on the media: their images would have to be made again
/// to be compared.
pub fn kept(
    inputs: &Inputs<'_>,
    identities: &Identities,
    target: &Path,
) -> Result<Option<Made>, BuildError> {
    if inputs.media {
        return Ok(None);
    }
    let Some(composed) = compose_again(inputs, identities)? else {
        return Ok(None);
    };
    let Some(bundles) = signed_bundles(&target.join("public"), &composed, identities) else {
        return Ok(None);
    };
    let (expected, seeds) = expected(&composed, &bundles, inputs, identities, target)?;
    if !expected.stands_at(target) {
        return Ok(None);
    }
    let node_program = release::node_program(inputs)?.listed();
    let shown = bundles.iter().map(|bundle| &bundle.file);
    Ok(Some(Made {
        folder: target.to_owned(),
        generation: composed.generation,
        public: shown.chain([&node_program]).map(MadeFile::public).collect(),
        seeds,
    }))
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
    expected.folders.insert("seeds".to_owned(), 0o700);
    for node in &inputs.locked.plan().spec.nodes {
        let seed = seeds::seed(node, composed, bundles, &node_program, inputs, identities)?;
        expected.seed(node, &seed, inputs, target)?;
        shown.extend(seed.shown(node));
    }
    Ok((expected, shown))
}

/// A file's mode, digest and size.
type FileThere = (u32, Sha256, u64);

/// A folder's whole content, by path below it.
#[derive(Default)]
struct Expected {
    folders: BTreeMap<String, u32>,
    files: BTreeMap<String, FileThere>,
}

impl Expected {
    fn public(&mut self, file: &ManifestFile, mode: u32) {
        let path = format!("public/{}", file.path);
        for (at, _) in path.match_indices('/') {
            self.folders.insert(path[..at].to_owned(), 0o755);
        }
        self.files.insert(path, (mode, file.sha256, file.size));
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
            let there = (0o600, Sha256::of(bytes), bytes.len() as u64);
            self.files.insert(format!("{folder}/{name}"), there);
        }
        let (digest, size) = image(seed, inputs, target)?;
        let there = (0o600, digest, size);
        self.files.insert(format!("{folder}/seed.iso"), there);
        self.folders.insert(folder, 0o700);
        Ok(())
    }

    /// Whether `target` holds exactly this.
    fn stands_at(&self, target: &Path) -> bool {
        let mut there = There::default();
        let listed = there.list(target, "");
        let is_open = fs::symlink_metadata(target)
            .is_ok_and(|found| found.is_dir() && mode_of(&found) == 0o755);
        if listed.is_err() || !is_open || there.folders != self.folders {
            return false;
        }
        let names = self.files.iter().map(|(path, (mode, ..))| (path, mode));
        names.eq(&there.files) && self.digests_match(target)
    }

    /// Takes the digests of all files, several at a time, the largest first.
    fn digests_match(&self, target: &Path) -> bool {
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by_key(|(_, (_, _, size))| std::cmp::Reverse(*size));
        let (next, matches) = (AtomicUsize::new(0), AtomicBool::new(true));
        let compare = || {
            while let Some((path, (_, sha256, size))) =
                files.get(next.fetch_add(1, Ordering::Relaxed))
            {
                let found = File::open(target.join(path)).and_then(Sha256::of_reader);
                if !found.is_ok_and(|found| found == (*sha256, *size)) {
                    matches.store(false, Ordering::Relaxed);
                }
            }
        };
        let processors = thread::available_parallelism().map_or(1, |count| count.get());
        thread::scope(|scope| {
            for _ in 0..processors.min(files.len()) {
                scope.spawn(compare);
            }
        });
        matches.into_inner()
    }
}

fn mode_of(found: &fs::Metadata) -> u32 {
    found.permissions().mode() & 0o7777
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

/// Folders and files that are there, with their modes.
#[derive(Default)]
struct There {
    folders: BTreeMap<String, u32>,
    files: BTreeMap<String, u32>,
}

impl There {
    fn list(&mut self, folder: &Path, below: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let path = PathBuf::from(below).join(name).display().to_string();
            let found = entry.metadata()?;
            let mode = mode_of(&found);
            if found.is_dir() {
                self.list(&entry.path(), &path)?;
                self.folders.insert(path, mode);
            } else if found.is_file() {
                self.files.insert(path, mode);
            } else {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
        Ok(())
    }
}
