//! A Python environment that a role runs on: which wheels lie in the bundle,
//! and where on the node they are installed.

use serde::{Deserialize, Serialize};

use super::manifest::{Manifest, ManifestFile};
use crate::base::NodePath;

/// Where a bundle has its wheels.
pub const WHEELS: &str = "packages/wheels";

/// An environment of its own (venv of Python's standard library), never the
/// system's Python.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonEnvironment {
    /// The name that programs know it by: a link to the environment that is in
    /// use, which lies beside it.
    pub path: NodePath,
    /// The system's Python that it is made with.
    pub interpreter: NodePath,
    /// The file of the wheel that installs the others: pip's.
    pub pip: String,
    /// Names of the services that run on it.
    pub services: Vec<String>,
}

impl PythonEnvironment {
    /// The environment's own Python, below its name.
    pub fn python(&self) -> String {
        format!("{}/bin/python3", self.path)
    }

    /// The wheels of a bundle, sorted by file.
    pub fn wheels(manifest: &Manifest) -> impl Iterator<Item = (&str, &ManifestFile)> {
        let files = manifest.packages.files.iter();
        files.filter_map(|file| {
            let name = file.path.as_str().strip_prefix(WHEELS)?;
            Some((name.strip_prefix('/')?, file))
        })
    }
}
