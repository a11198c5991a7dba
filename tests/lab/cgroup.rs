//! A cgroup for each host, by which it is started, found and killed as a whole.
//!
//! Without one of its own, units of the same name on different hosts would
//! share a cgroup. Everything a host runs is in it, so a lab that crashed can
//! be cleaned up later from the cgroup's name alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::command::Failure;

/// One host's cgroup, in every hierarchy that systemd keeps units in.
#[derive(Clone)]
pub struct Cgroup {
    name: String,
}

impl Cgroup {
    /// Makes it.
    pub fn create(name: &str) -> Result<Self, Failure> {
        for hierarchy in hierarchies() {
            fs::create_dir_all(hierarchy.path.join(name))?;
        }
        Ok(Self {
            name: name.to_owned(),
        })
    }

    /// The files into which a process writes its id to enter.
    pub fn entrances(&self) -> Vec<PathBuf> {
        hierarchies()
            .into_iter()
            .map(|hierarchy| hierarchy.path.join(&self.name).join("cgroup.procs"))
            .collect()
    }

    /// Kills all that is in it and waits until nothing is.
    pub fn kill(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(20);
        for folder in self.unified() {
            fs::write(folder.join("cgroup.kill"), "1")?;
            while fs::read_to_string(folder.join("cgroup.events"))?.contains("populated 1") {
                if Instant::now() > deadline {
                    return Err(format!("{} is still populated", folder.display()).into());
                }
                sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// Kills all that is in it and removes it.
    pub fn remove(&self) -> Result<(), Failure> {
        self.kill()?;
        for hierarchy in hierarchies() {
            let folder = hierarchy.path.join(&self.name);
            if folder.exists() {
                remove_tree(&folder)?;
            }
        }
        Ok(())
    }

    fn unified(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let name = self.name.clone();
        hierarchies()
            .into_iter()
            .filter(|hierarchy| hierarchy.is_unified)
            .map(move |hierarchy| hierarchy.path.join(&name))
            .filter(|folder| folder.exists())
    }
}

/// The cgroups whose names begin with `prefix`.
pub fn named(prefix: &str) -> Result<Vec<Cgroup>, Failure> {
    let mut names = Vec::new();
    for hierarchy in hierarchies() {
        for entry in fs::read_dir(hierarchy.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with(prefix) && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names.into_iter().map(|name| Cgroup { name }).collect())
}

/// Whether the machine has what [`Cgroup::kill`] needs.
pub fn has_unified_hierarchy() -> bool {
    hierarchies().iter().any(|hierarchy| hierarchy.is_unified)
}

struct Hierarchy {
    path: PathBuf,
    is_unified: bool,
}

fn hierarchies() -> Vec<Hierarchy> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().filter_map(hierarchy).collect()
}

fn hierarchy(mount: &str) -> Option<Hierarchy> {
    let mut fields = mount.split(' ').skip(1);
    let path = PathBuf::from(fields.next()?);
    let kind = fields.next()?;
    let options = fields.next()?;
    let is_unified = kind == "cgroup2";
    let is_systemd = kind == "cgroup" && options.split(',').any(|o| o == "name=systemd");
    (is_unified || is_systemd).then_some(Hierarchy { path, is_unified })
}

fn remove_tree(folder: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(folder).map_err(|cause| format!("{}: {cause}", folder.display()).into())
}
