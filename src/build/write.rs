//! Puts a composed release on the disk: `public/` for the world, `seeds/` for nobody else.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::layers::{bundle_path, package_list};
use super::{BuildError, Composed, Inputs, RoleBundle, runbook, seeds};
use crate::archive::{iso, tar};
use crate::base::atomic::{AtomicFolder, write_file};
use crate::base::{BundlePath, SchemaVersion, Sha256};
use crate::bundle::manifest::{ManifestFile, Release, ReleaseBundle};
use crate::bundle::sbom;
use crate::bundle::seal;
use crate::identity::Identities;
use crate::lock::Lock;
use crate::store::Blob;
use crate::store::blob::CopyError;

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
    let public = Public::new(folder.path().join("public"))?;
    let bundles = public.bundles(composed, inputs)?;
    let node_program = public.blob("pgbundle-node", &inputs.node_program, 0o755)?;
    let files = public.documents(composed, inputs, identities)?;
    public.seal(composed, inputs, identities, &node_program, &bundles, files)?;

    let seed_sizes = write_seeds(
        composed,
        inputs,
        identities,
        folder.path(),
        &bundles,
        &node_program,
    )?;
    folder.commit()?;
    let shown = bundles
        .iter()
        .map(|bundle| &bundle.file)
        .chain([&node_program]);
    Ok(Made {
        folder: target.to_owned(),
        generation: composed.generation,
        public: shown
            .map(|file| MadeFile {
                path: format!("public/{}", file.path),
                size: file.size,
            })
            .collect(),
        seeds: seed_sizes,
    })
}

/// The folder that may be served to the world.
struct Public {
    folder: PathBuf,
}

impl Public {
    fn new(folder: PathBuf) -> Result<Self, BuildError> {
        make_folder(&folder, 0o755)?;
        Ok(Self { folder })
    }

    fn bundles(
        &self,
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
        &self,
        bundle: &RoleBundle,
        inputs: &Inputs<'_>,
    ) -> Result<ReleaseBundle, BuildError> {
        let path = bundle_path(&format!("bundles/{}.tar.gz", bundle.role))?;
        let on_disk = path.under(&self.folder);
        let file = create(&on_disk, 0o644)?;
        let first = [bundle_path("manifest.json")?, bundle_path("manifest.sig")?];
        let written = tar::write(file, &bundle.tree, &first, inputs.date)?;
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

    fn blob(&self, path: &str, blob: &Blob, mode: u32) -> Result<ManifestFile, BuildError> {
        let path = bundle_path(path)?;
        let on_disk = path.under(&self.folder);
        let mut file = create(&on_disk, mode)?;
        blob.copy_to(&mut file).map_err(|error| BuildError::Io {
            action: "write",
            path: on_disk,
            source: match error {
                CopyError::Out(source) => source,
                CopyError::Blob(source) => std::io::Error::other(source),
            },
        })?;
        Ok(ManifestFile {
            path,
            size: blob.size(),
            sha256: blob.sha256(),
        })
    }

    fn text(&self, path: &str, bytes: &[u8]) -> Result<ManifestFile, BuildError> {
        let path = bundle_path(path)?;
        write_file(&path.under(&self.folder), 0o644, bytes)?;
        Ok(ManifestFile {
            path,
            size: bytes.len() as u64,
            sha256: Sha256::of(bytes),
        })
    }

    /// Runbook, CA certificates, bills of materials, upstream's signed indexes.
    fn documents(
        &self,
        composed: &Composed,
        inputs: &Inputs<'_>,
        identities: &Identities,
    ) -> Result<Vec<ManifestFile>, BuildError> {
        let plan = inputs.locked.plan();
        let lock = inputs.locked.lock();
        let runbook = runbook::runbook(plan, composed.generation, inputs.date)?;
        let mut files = vec![
            self.text("RUNBOOK.md", runbook.as_bytes())?,
            self.text("ca.pem", identities.ca_pem().as_bytes())?,
        ];
        for bundle in &composed.bundles {
            let bill = bill(bundle, composed.generation, inputs, lock);
            files.push(self.text(&format!("sbom.{}.json", bundle.role), &bill)?);
        }
        for index in &lock.indexes {
            let path = format!("evidence/{}/{}", index.source, index.path);
            let blob = inputs
                .blobs
                .get(&index.sha256)
                .ok_or_else(|| BuildError::NotFetched {
                    name: path.clone(),
                    sha256: index.sha256,
                })?;
            let folder = self.folder.join(&path);
            make_folders(&self.folder, folder.parent().unwrap_or(&self.folder))?;
            files.push(self.blob(&path, blob, 0o644)?);
        }
        Ok(files)
    }

    fn seal(
        &self,
        composed: &Composed,
        inputs: &Inputs<'_>,
        identities: &Identities,
        node_program: &ManifestFile,
        bundles: &[ReleaseBundle],
        files: Vec<ManifestFile>,
    ) -> Result<(), BuildError> {
        let plan = inputs.locked.plan();
        let release = Release {
            format: SchemaVersion,
            cluster: plan.spec.cluster.clone(),
            cluster_id: identities.cluster_id().to_owned(),
            profile: plan.profile.name.clone(),
            architecture: plan.architecture.clone(),
            generation: composed.generation,
            date: inputs.date,
            node_program: node_program.clone(),
            bundles: bundles.to_vec(),
            files,
        };
        let sealed = seal::release(&release, identities.signer());
        self.text("manifest.json", &sealed.document)?;
        self.text("manifest.sig", &sealed.signature)?;
        self.text(
            "signer.pub",
            identities.signer().public().to_pem().as_bytes(),
        )?;
        Ok(())
    }
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
    sbom::write(&subject, &package_list(bundle.role, lock), &plain)
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
            write_file(&own.join(name), 0o600, bytes)?;
        }
        let carried = match inputs.media {
            true => media(root, node, bundles, node_program),
            false => Vec::new(),
        };
        iso::write(
            &own.join("seed.iso"),
            iso::LABEL,
            &seeds::iso_files(&seed, &carried),
            inputs.date,
        )?;
        made.extend(
            seed.files
                .iter()
                .filter(|(name, _)| *name == "user-data")
                .map(|(name, bytes)| MadeFile {
                    path: format!("seeds/{}/{name}", node.name),
                    size: bytes.len() as u64,
                }),
        );
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

fn create(path: &Path, mode: u32) -> Result<File, BuildError> {
    let file = File::create_new(path).map_err(failed("create", path))?;
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(failed("set the mode of", path))?;
    Ok(file)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::Io {
        action,
        path,
        source,
    }
}
