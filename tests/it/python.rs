//! The environment that a node makes of a bundle's wheels, with a real Python.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pgbundle::node::bundles::RoleBundle;
use pgbundle::node::host::Host;
use pgbundle::node::step::{Check, Context};
use pgbundle::node::system::Real;
use pgbundle::node::{pending, python, steps, up};
use pgbundle::wheel::Wheel;
use serde_json::json;

use crate::sample::accepts;
use crate::wheels::debian_wheels;

const NAME: &str = "opt/pgbundle/patroni";

/// A host with a bundle of wheels and a service that runs on them.
pub struct Node {
    root: tempfile::TempDir,
    pip: String,
}

impl Node {
    /// With the machine's Python at `python`; `wheels` are files and what is pinned of them.
    pub fn with(python: &Path, pip: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/bin")).unwrap();
        symlink(python, root.path().join("usr/bin/python3")).unwrap();
        Self {
            root,
            pip: pip.to_owned(),
        }
    }

    fn bundle(&self, wheels: &[(PathBuf, Wheel)]) -> RoleBundle {
        let folder = self.root.path().join("bundle");
        let place = folder.join("packages/wheels");
        fs::create_dir_all(&place).unwrap();
        let files: Vec<_> = wheels
            .iter()
            .map(|(path, wheel)| {
                fs::copy(path, place.join(wheel.name.as_str())).unwrap();
                json!({"path": format!("packages/wheels/{}", wheel.name), "size": wheel.size, "sha256": wheel.sha256})
            })
            .collect();
        let nothing = "0".repeat(64);
        let manifest = json!({
            "format": 1, "cluster": "demo", "cluster_id": "00", "role": "postgres", "profile": "tiny",
            "architecture": "x86_64", "generation": 1, "date": "2026-11-01T00:00:00Z",
            "os": {"id": "tiny", "version": "7"}, "family": "rpm",
            "packages": {"digest": nothing, "files": files},
            "cluster_layer": {"digest": nothing, "files": []}, "package_list": [],
        });
        let service = json!({"name": "patroni", "unit": "patroni.service", "on_change": "reload", "on_certificate": "reload",
            "health": {"kind": "unit-active", "waits_for": "it to run"}});
        let assignment = json!({
            "format": 1, "node": "db-1", "role": "postgres", "packages": [], "guarded_units": [],
            "masked_units": [], "directories": [], "files": [], "facts": [], "blocks": [], "ports": [],
            "data": [], "services": [service],
            "python": {"path": format!("/{NAME}"), "interpreter": "/usr/bin/python3", "pip": self.pip, "services": ["patroni"]},
        });
        RoleBundle {
            folder,
            manifest: serde_json::from_value(manifest).unwrap(),
            assignment: serde_json::from_value(assignment).unwrap(),
        }
    }

    pub fn host(&self) -> Host<'_> {
        Host {
            root: self.root.path().to_owned(),
            system: &Real,
        }
    }

    /// Runs the step over these wheels; why it had something to do.
    pub fn run(&self, wheels: &[(PathBuf, Wheel)]) -> Result<Option<String>, String> {
        let host = self.host();
        let mut context: Context = up::context(&host, Some(Duration::ZERO));
        context.bundles = vec![self.bundle(wheels)];
        let step = steps::all().into_iter().find(|step| step.name == "python");
        let step = step.expect("a step of that name");
        match (step.check)(&mut context).map_err(|stop| stop.to_string())? {
            Check::AlreadySo => Ok(None),
            Check::Needed(reason) => {
                (step.apply)(&mut context).map_err(|stop| stop.to_string())?;
                Ok(Some(reason))
            }
        }
    }

    /// A program of the environment, by its name.
    pub fn program(&self, name: &str) -> PathBuf {
        self.root.path().join(NAME).join("bin").join(name)
    }

    /// The environments that lie there.
    fn folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.path().join("opt/pgbundle")).unwrap();
        let mut names: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| !path.is_symlink());
        names
    }

    fn in_use(&self) -> PathBuf {
        let target = fs::read_link(self.root.path().join(NAME)).unwrap();
        self.root.path().join("opt/pgbundle").join(target)
    }
}

fn told(program: &Path, word: &str) -> String {
    accepts(std::process::Command::new(program).arg(word))
}

#[test]
fn an_environment_is_whole_or_has_no_name_and_an_old_one_goes_when_nothing_runs_on_it() {
    let wheels = debian_wheels(&["pip-", "setuptools-", "wheel-"]);
    let mut names = wheels.iter().map(|(_, wheel)| wheel.name.to_string());
    let pip = names.find(|name| name.starts_with("pip-")).unwrap();
    let node = Node::with(Path::new("/usr/bin/python3"), &pip);
    let both: Vec<_> = wheels
        .iter()
        .filter(|(_, wheel)| wheel.name.project() != "wheel")
        .cloned()
        .collect();

    let reason = node.run(&both).unwrap().unwrap();
    assert!(reason.contains("is to be made"), "{reason}");
    assert!(told(&node.program("pip"), "--version").starts_with("pip "));
    assert_eq!(node.run(&both).unwrap(), None, "it is so already");
    let first = node.in_use();
    let pending = || pending::read(&node.host()).unwrap().units;
    assert!(pending().contains_key("patroni.service"));

    // Cut off before the name was switched: what lies there counts for nothing.
    fs::remove_file(node.host().path(NAME)).unwrap();
    fs::remove_dir_all(first.join("lib")).unwrap();
    assert!(node.run(&both).unwrap().is_some());
    assert!(told(&node.program("pip"), "--version").starts_with("pip "));

    // Another set: beside the old one, which stays while Patroni runs on it.
    assert!(node.run(&wheels).unwrap().is_some());
    assert_ne!(node.in_use(), first);
    assert!(told(&node.program("wheel"), "version").starts_with("wheel "));
    assert_eq!(node.run(&wheels).unwrap(), None);
    assert_eq!(node.folders().len(), 2);
    pending::clear(&node.host()).unwrap();
    let reason = node.run(&wheels).unwrap().unwrap();
    assert!(reason.contains("nothing runs on"), "{reason}");
    assert_eq!(node.folders(), [node.in_use()]);
    assert_eq!(node.run(&wheels).unwrap(), None);

    let bundle = node.bundle(&wheels);
    let environment = bundle.assignment.python.as_ref().unwrap();
    assert!(python::remove(&node.host(), environment).unwrap());
    assert!(!node.host().path(NAME).exists() && node.folders().is_empty());
}

#[test]
fn a_wheel_that_rotted_or_is_not_the_pinned_one_makes_no_environment() {
    let mut wheels = debian_wheels(&["pip-", "setuptools-"]);
    wheels.sort_by_key(|(_, wheel)| wheel.name.project());
    let pip = wheels[0].1.name.to_string();
    let node = Node::with(Path::new("/usr/bin/python3"), &pip);
    let mut rotten = wheels.clone();
    rotten[1].1.sha256 = wheels[0].1.sha256;
    let fault = node.run(&rotten).unwrap_err();
    assert!(fault.contains("DO NOT MATCH THE HASHES"), "{fault}");
    let mut rotten = wheels.clone();
    rotten[0].1.sha256 = wheels[1].1.sha256;
    let fault = node.run(&rotten).unwrap_err();
    assert!(
        fault.contains("has changed since it was unpacked"),
        "{fault}"
    );
    assert!(!node.program("python3").exists());
    node.run(&wheels).unwrap();
    assert!(node.program("python3").exists());
}
