//! The manifests of a bundle and of a release.

use std::path::{Component, Path};

use pgbundle::bundle::manifest::{Manifest, ManifestFile, Release};

use super::document;

/// Paths stay inside of the folder that they are put under.
pub fn holds(bytes: &[u8]) -> bool {
    let manifest: Option<Manifest> = document::read(bytes);
    let release: Option<Release> = document::read(bytes);
    let layers = manifest
        .iter()
        .flat_map(|m| [&m.packages, &m.cluster_layer]);
    layers.flat_map(|layer| &layer.files).for_each(stays_inside);
    release.iter().flat_map(|r| &r.files).for_each(stays_inside);
    manifest.is_some() || release.is_some()
}

fn stays_inside(file: &ManifestFile) {
    let place = file.path.under(Path::new("/folder"));
    let rest = place
        .strip_prefix("/folder")
        .expect("it stays below the folder");
    let is_normal = |part| matches!(part, Component::Normal(_));
    assert!(rest.components().all(is_normal), "{}", file.path);
}
