//! `.lab/` of the checkout: what the lab keeps, and what a run that crashed left.
//!
//! One process at a time uses it. Whoever has its lock may therefore take any
//! run's folder in it as abandoned, but for the one that was left up on purpose.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};

use crate::cgroup;
use crate::command::Failure;
use crate::network;

static LOCK: OnceLock<Result<File, String>> = OnceLock::new();

/// The folder, locked for this process, with nothing abandoned in it.
pub struct Workspace {
    /// The folder itself.
    pub folder: PathBuf,
}

impl Workspace {
    /// Opens it, waiting for another process to finish.
    pub fn open() -> Result<Self, Failure> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".lab");
        let workspace = Self { folder };
        LOCK.get_or_init(|| workspace.take().map_err(|cause| cause.to_string()))
            .as_ref()
            .map_err(String::as_str)?;
        Ok(workspace)
    }

    fn take(&self) -> Result<File, Failure> {
        fs::create_dir_all(self.runs())?;
        let file = File::create(self.folder.join("in-use"))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            eprintln!(
                "lab: another run uses {}; waiting for it",
                self.folder.display()
            );
            flock(&file, FlockOperation::LockExclusive)?;
        }
        let kept = self.left_up()?;
        for entry in fs::read_dir(self.runs())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if kept.as_ref() != Some(&name) {
                eprintln!("lab: removing what the run {name} left");
                self.remove_run(&name)?;
            }
        }
        Ok(file)
    }

    fn runs(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// The folder of a new run.
    pub fn create_run(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.runs().join(name);
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// Ends a run's hosts and removes its namespaces, cgroups and folder.
    pub fn remove_run(&self, name: &str) -> Result<(), Failure> {
        let prefix = format!("{name}-");
        for cgroup in cgroup::named(&prefix)? {
            cgroup.remove()?;
        }
        network::remove_named(&prefix)?;
        fs::remove_dir_all(self.runs().join(name))?;
        Ok(())
    }

    /// The run that was left up, if one was.
    pub fn left_up(&self) -> Result<Option<String>, Failure> {
        let marker = self.up_marker();
        if !marker.exists() {
            return Ok(None);
        }
        let marker: serde_json::Value = serde_json::from_slice(&fs::read(marker)?)?;
        let run = marker["run"].as_str().ok_or(".lab/up.json names no run")?;
        Ok(Some(run.to_owned()))
    }

    /// The file that says what was left up.
    pub fn up_marker(&self) -> PathBuf {
        self.folder.join("up.json")
    }
}
