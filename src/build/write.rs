//! Puts a composed release on the disk: `public/` for the world, `seeds/` for nobody else.
//!
//! Files are not flushed one by one: the folder is flushed as a whole before
//! it takes its place. Bundles are on their way to the disk while they are made.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use super::flushing::Flushing;
use super::release::{self, Document};
use super::{BuildError, Composed, Inputs, RoleBundle, seeds};
use crate::archive::tar::TarError;
use crate::archive::{iso, tar};
use crate::base::BundlePath;
use crate::base::atomic::AtomicFolder;
use crate::bundle::manifest::{ManifestFile, ReleaseBundle};
use crate::identity::Identities;
use crate::store::blob::CopyError;
use crate::tree::Content;

/// What a build made.
pub struct Made {
    /// The folder that holds it.
    pub folder: PathBuf,
    /// Its generation.
    pub generation: u64,
    /// The bundles and the node program.
    pub public: Vec<MadeFile>,
    /// Each node's `user-data`.
    pub seeds: Vec<MadeFile>,
}

/// A file of the result.
pub struct MadeFile {
    /// Path below the result's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

impl MadeFile {
    pub(super) fn public(file: &ManifestFile) -> Self {
        Self {
            path: format!("public/{}", file.path),
            size: file.size,
        }
    }
}

/// Writes the release to `target`, which it replaces when it is whole.
pub fn write(
    composed: &Composed,
    inputs: &Inputs<'_>,
    identities: &Identities,
    target: &Path,
) -> Result<Made, BuildError> {
    let parent = target.parent().unwrap_or(Path::new("."));
    let is_new = !parent.exists();
    fs::create_dir_all(parent).map_err(failed("create the folder", parent))?;
    let made = write_beside(composed, inputs, identities, target);
    if is_new && made.is_err() {
        // Empty it helps nobody; one that another build has filled stays.
        drop(fs::remove_dir(parent));
    }
    made
}

fn write_beside(
    composed: &Composed,
    inputs: &Inputs<'_>,
    identities: &Identities,
    target: &Path,
) -> Result<Made, BuildError> {
    let folder = AtomicFolder::create(target, 0o755)?;
    let mut public = Public::new(folder.path().join("public"))?;
    let bundles = public.bundles(composed, inputs)?;
    let node_program = release::node_program(inputs)?;
    public.document(&node_program, 0o755)?;
    let documents = release::documents(composed, inputs, identities)?;
    let manifest = release::manifest(composed, inputs, identities, &bundles, &documents)?;
    let seal = release::seal(&manifest, identities)?;
    for document in documents.iter().chain(&seal) {
        public.document(document, 0o644)?;
    }
    let node_program = node_program.listed();
    let seeds = write_seeds(
        composed,
        inputs,
        identities,
        folder.path(),
        &bundles,
        &node_program,
    )?;
    public.flushed()?;
    folder.commit()?;
    let shown = bundles.iter().map(|bundle| &bundle.file);
    Ok(Made {
        folder: target.to_owned(),
        generation: composed.generation,
        public: shown.chain([&node_program]).map(MadeFile::public).collect(),
        seeds,
    })
}

/// The folder that may be served to the world.
struct Public {
    folder: PathBuf,
    flushing: Vec<(PathBuf, JoinHandle<io::Result<()>>)>,
}

impl Public {
    fn new(folder: PathBuf) -> Result<Self, BuildError> {
        make_folder(&folder, 0o755)?;
        let flushing = Vec::new();
        Ok(Self { folder, flushing })
    }

    fn bundles(
        &mut self,
        composed: &Composed,
        inputs: &Inputs<'_>,
    ) -> Result<Vec<ReleaseBundle>, BuildError> {
        make_folder(&self.folder.join("bundles"), 0o755)?;
        composed
            .bundles
            .iter()
            .map(|bundle| self.bundle(bundle, inputs))
            .collect()
    }

    fn bundle(
        &mut self,
        bundle: &RoleBundle,
        inputs: &Inputs<'_>,
    ) -> Result<ReleaseBundle, BuildError> {
        let path = release::bundle_file(bundle)?;
        let on_disk = path.under(&self.folder);
        let mut file =
            Flushing::new(create(&on_disk, 0o644)?).map_err(failed("write", &on_disk))?;
        let first = ["manifest.json", "manifest.sig"]
            .map(|name| name.parse::<BundlePath>().expect("the names are constants"));
        let written = tar::write(&mut file, &bundle.tree, &first, inputs.date);
        let written = written.map_err(|error| match error {
            TarError::Out(source) => failed("write", &on_disk)(source),
            other => other.into(),
        })?;
        self.flushing.push((on_disk, file.written()));
        Ok(ReleaseBundle {
            role: bundle.role,
            file: ManifestFile {
                path,
                size: written.size,
                sha256: written.sha256,
            },
            packages: bundle.manifest.packages.digest,
            cluster_layer: bundle.manifest.cluster_layer.digest,
        })
    }

    fn document(&self, document: &Document, mode: u32) -> Result<(), BuildError> {
        let on_disk = document.path.under(&self.folder);
        make_folders(&self.folder, on_disk.parent().unwrap_or(&self.folder))?;
        let mut file = create(&on_disk, mode)?;
        match &document.content {
            Content::Bytes(bytes) => file.write_all(bytes).map_err(failed("write", &on_disk)),
            Content::Blob(blob) => blob.copy_to(&mut file).map_err(|error| match error {
                CopyError::Out(source) => failed("write", &on_disk)(source),
                CopyError::Blob(source) => BuildError::Stored {
                    path: document.path.clone(),
                    source,
                },
            }),
            Content::Named { sha256, .. } => Err(BuildError::NotFetched {
                path: document.path.clone(),
                sha256: *sha256,
            }),
        }
    }

    /// Waits until what was begun early is on the disk.
    fn flushed(self) -> Result<(), BuildError> {
        for (path, flushing) in self.flushing {
            let flushed = flushing.join().expect("flushing does not panic");
            flushed.map_err(failed("flush", &path))?;
        }
        Ok(())
    }
}

fn write_seeds(
    composed: &Composed,
    inputs: &Inputs<'_>,
    identities: &Identities,
    root: &Path,
    bundles: &[ReleaseBundle],
    node_program: &ManifestFile,
) -> Result<Vec<MadeFile>, BuildError> {
    let folder = root.join("seeds");
    make_folder(&folder, 0o700)?;
    let mut made = Vec::new();
    for node in &inputs.locked.plan().spec.nodes {
        let seed = seeds::seed(node, composed, bundles, node_program, inputs, identities)?;
        let own = folder.join(node.name.as_str());
        make_folder(&own, 0o700)?;
        for (name, bytes) in &seed.files {
            let path = own.join(name);
            let written = create(&path, 0o600)?.write_all(bytes);
            written.map_err(failed("write", &path))?;
        }
        let carried = match inputs.media {
            true => media(root, node, bundles, node_program),
            false => Vec::new(),
        };
        let files = seeds::iso_files(&seed, &carried);
        iso::write(&own.join("seed.iso"), iso::LABEL, &files, inputs.date)?;
        made.extend(seed.shown(node));
    }
    Ok(made)
}

fn media(
    root: &Path,
    node: &crate::spec::Node,
    bundles: &[ReleaseBundle],
    node_program: &ManifestFile,
) -> Vec<(BundlePath, PathBuf)> {
    let carried = bundles
        .iter()
        .filter(|bundle| node.roles.contains(&bundle.role))
        .map(|bundle| &bundle.file);
    carried
        .chain([node_program])
        .map(|file| (file.path.clone(), file.path.under(&root.join("public"))))
        .collect()
}

/// Makes a folder with exactly this mode, whatever the umask.
fn make_folder(path: &Path, mode: u32) -> Result<(), BuildError> {
    fs::create_dir(path).map_err(failed("create the folder", path))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("set the mode of", path))
}

fn make_folders(root: &Path, path: &Path) -> Result<(), BuildError> {
    if path == root || path.is_dir() {
        return Ok(());
    }
    make_folders(root, path.parent().unwrap_or(root))?;
    make_folder(path, 0o755)
}

/// Creates a file that nobody reads before it has its mode.
fn create(path: &Path, mode: u32) -> Result<File, BuildError> {
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode & 0o700)
        .open(path)
        .map_err(failed("create", path))?;
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(failed("set the mode of", path))?;
    Ok(file)
}

pub(super) fn failed(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> BuildError + use<> {
    let path = path.to_owned();
    move |source| BuildError::Io {
        action,
        path,
        source,
    }
}
