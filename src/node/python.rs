//! The Python environment that a role runs on: made of the bundle's wheels, by
//! the pip among them, without a network and beside the system's own Python.
//!
//! ```text
//! /opt/pgbundle/patroni            ─► patroni-<digest>       the name that units and scripts know
//! /opt/pgbundle/patroni-<digest>   the environment: its scripts hold this path
//! ```
//!
//! # Promises
//! - The name points to a whole environment or to none: it is switched once all
//!   of the new one is on the disk. What a cut left unfinished has no name, and
//!   is made again from nothing.
//! - The digest is over the wheels and the interpreter's path, so another set
//!   is another folder, and what runs on the old one is not pulled from under.
//! - Services that run on it are remembered as due for a restart before the
//!   switch. The old folder goes at the next run, when nothing runs on it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bundles::RoleBundle;
use super::durable::{self, Rights};
use super::files::all_services;
use super::host::Host;
use super::packages::LONG;
use super::pending;
use super::step::{Scope, Step};
use super::steps::{needed_if, nothing};
use super::stop::Stop;
use super::system::Call;
use crate::base::Sha256;
use crate::base::atomic::{flush_file_system, parent_of};
use crate::bundle::assignment::Uptake;
use crate::bundle::environment::{PythonEnvironment, WHEELS};
use crate::bundle::manifest::ManifestFile;

/// How many times the size of its wheels an environment has at the most.
const UNPACKED: u64 = 5;

/// After the packages, which bring the interpreter.
pub(super) const PYTHON: Step = Step {
    name: "python",
    scope: Scope::Image,
    describe: |context| {
        let mut lines = Vec::new();
        for wanted in wanted(context.host, &context.bundles) {
            let [make, install, check] = wanted.calls();
            let new = wanted.folder();
            lines.extend([
                format!("rm -rf {}", new.display()),
                make.to_string(),
                format!("{install} <<'END'\n{}END", install.input),
                check.to_string(),
                "sync".to_owned(),
                format!("ln -sfn {} {}", wanted.name(), wanted.environment.path),
            ]);
        }
        Ok(lines)
    },
    restarts: nothing,
    check: |context| {
        let mut reasons = Vec::new();
        for wanted in wanted(context.host, &context.bundles) {
            if !wanted.is_in_use()? {
                reasons.push(format!("`{}` is to be made", wanted.folder().display()));
            } else if let Some(old) = wanted.unused()?.first() {
                reasons.push(format!("nothing runs on `{}` any more", old.display()));
            }
        }
        Ok(needed_if(!reasons.is_empty(), || reasons.join("; ")))
    },
    apply: |context| {
        for wanted in wanted(context.host, &context.bundles) {
            if wanted.is_in_use()? {
                wanted
                    .unused()?
                    .iter()
                    .try_for_each(|old| durable::remove_tree(old))?;
            } else {
                wanted.make(&context.bundles)?;
            }
        }
        Ok(())
    },
    describe_undo: |context| {
        let wanted = wanted(context.host, &context.bundles).into_iter();
        let lines = wanted.map(|wanted| {
            let path = &wanted.environment.path;
            format!("rm -rf {path} {path}-*")
        });
        Ok(lines.collect())
    },
    undo: |context| {
        let mut any = false;
        for wanted in wanted(context.host, &context.bundles) {
            any |= remove(context.host, wanted.environment)?;
        }
        Ok(any)
    },
};

/// Removes an environment, its name first; what runs on it has been stopped.
/// True where there was one, or what a cut left of one.
pub fn remove(host: &Host, environment: &PythonEnvironment) -> Result<bool, Stop> {
    let name = environment.path.under(&host.root);
    let folders = beside(&name)?;
    let any = name.symlink_metadata().is_ok() || !folders.is_empty();
    durable::remove(&name)?;
    folders
        .iter()
        .try_for_each(|folder| durable::remove_tree(folder))?;
    Ok(any)
}

/// The folders of the environments that the bundles want.
pub(super) fn folders(host: &Host, bundles: &[RoleBundle]) -> Vec<PathBuf> {
    let wanted = wanted(host, bundles);
    wanted.iter().map(Wanted::folder).collect()
}

/// The environments that are still to be made: where, and what they will take.
///
/// A wheel is packed, and each module lies there a second time as bytecode:
/// CentOS 7's set takes 23 MiB, 3.5 times its wheels' size.
pub(super) fn to_be_made(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<(PathBuf, u64)>, Stop> {
    let mut found = Vec::new();
    for wanted in wanted(host, bundles) {
        if !wanted.is_in_use()? {
            let packed = wanted.wheels().map(|(_, file)| file.size);
            let packed = packed.fold(0, u64::saturating_add);
            found.push((wanted.folder(), packed.saturating_mul(UNPACKED)));
        }
    }
    Ok(found)
}

/// An environment as a bundle wants it.
struct Wanted<'a> {
    host: &'a Host<'a>,
    bundle: &'a RoleBundle,
    environment: &'a PythonEnvironment,
}

fn wanted<'a>(host: &'a Host<'a>, bundles: &'a [RoleBundle]) -> Vec<Wanted<'a>> {
    let of = |bundle: &'a RoleBundle| {
        let environment = bundle.assignment.python.as_ref()?;
        Some(Wanted {
            host,
            bundle,
            environment,
        })
    };
    bundles.iter().filter_map(of).collect()
}

impl Wanted<'_> {
    fn wheels(&self) -> impl Iterator<Item = (&str, &ManifestFile)> {
        PythonEnvironment::wheels(&self.bundle.manifest)
    }

    /// The folder's own name: `patroni-0123456789abcdef`.
    fn name(&self) -> String {
        let lines = self
            .wheels()
            .map(|(name, file)| format!("{} {name}\n", file.sha256));
        let interpreter = format!("{}\n", self.environment.interpreter);
        let set: String = [interpreter].into_iter().chain(lines).collect();
        let digest = Sha256::of(set.as_bytes()).to_string();
        let name = Path::new(self.environment.path.as_str()).file_name();
        let name = name.unwrap_or_default().to_string_lossy().into_owned();
        format!("{name}-{}", &digest[..16])
    }

    fn link(&self) -> PathBuf {
        self.environment.path.under(&self.host.root)
    }

    fn folder(&self) -> PathBuf {
        parent_of(&self.link()).join(self.name())
    }

    fn is_in_use(&self) -> Result<bool, Stop> {
        match fs::read_link(self.link()) {
            Ok(target) => {
                Ok(target == Path::new(&self.name()) && self.folder().join("bin/python3").exists())
            }
            // No link, or something else that stands in its place.
            Err(fault)
                if matches!(
                    fault.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
                ) =>
            {
                Ok(false)
            }
            Err(fault) => Err(unusable(&self.link(), &fault)),
        }
    }

    /// Environments that were in use before, once their services have taken up this one.
    fn unused(&self) -> Result<Vec<PathBuf>, Stop> {
        let pending = pending::read(self.host)?.units;
        let services = self.bundle.assignment.services.iter();
        let mut runs_on_it =
            services.filter(|service| self.environment.services.contains(&service.name));
        if runs_on_it.any(|service| pending.contains_key(&service.unit)) {
            return Ok(Vec::new());
        }
        let mine = self.folder();
        let mut others = beside(&self.link())?;
        others.retain(|folder| *folder != mine);
        Ok(others)
    }

    /// Making it, filling it, and asking it whether it is whole.
    fn calls(&self) -> [Call; 3] {
        let folder = self.folder().display().to_string();
        let python = format!("{folder}/bin/python3");
        let interpreter = self.environment.interpreter.under(&self.host.root);
        let interpreter = interpreter.display().to_string();
        let wheels = self.bundle.folder.join(WHEELS);
        let pip = format!("{}/{}/pip", wheels.display(), self.environment.pip);
        // The set is fixed: there is nothing to solve, and nothing else to find.
        let pinned = self.wheels().map(|(name, file)| {
            format!(
                "{}/{name} --hash=sha256:{}\n",
                wheels.display(),
                file.sha256
            )
        });
        let make = Call::new(&interpreter, ["-I", "-m", "venv", "--without-pip", &folder]);
        let words = [
            "-I",
            &pip,
            "--isolated",
            "--no-cache-dir",
            "--disable-pip-version-check",
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
            "--require-hashes",
            "--requirement",
            "/dev/stdin",
        ];
        let install = Call::new(&python, words)
            .with("PIP_CONFIG_FILE", "/dev/null")
            .reading(pinned.collect::<String>());
        let check = Call::new(&python, ["-I", "-m", "pip", "--isolated", "check"])
            .with("PIP_CONFIG_FILE", "/dev/null");
        [make, install, check].map(|call| call.within(LONG))
    }

    fn make(&self, bundles: &[RoleBundle]) -> Result<(), Stop> {
        self.check_pip()?;
        let folder = self.folder();
        durable::folder(parent_of(&folder), Rights::own(0o755))?;
        durable::remove_tree(&folder)?;
        for call in self.calls() {
            self.host.system.run(&call)?;
        }
        flush_file_system(&folder)?;
        for service in all_services(bundles)
            .filter(|service| self.environment.services.contains(&service.name))
        {
            pending::add(self.host, &service.unit, Uptake::Restart)?;
        }
        Ok(durable::link(&self.link(), Path::new(&self.name()))?)
    }

    /// pip checks the others by their digests, but not itself.
    fn check_pip(&self) -> Result<(), Stop> {
        let file = self.bundle.folder.join(WHEELS).join(&self.environment.pip);
        let pinned = self
            .wheels()
            .find(|(name, _)| *name == self.environment.pip)
            .map(|(_, file)| file.sha256);
        let bytes = fs::read(&file).map_err(|fault| unusable(&file, &fault))?;
        if pinned == Some(Sha256::of(&bytes)) {
            Ok(())
        } else {
            Err(Stop::refuse(format!(
                "`{}` has changed since it was unpacked",
                file.display()
            )))
        }
    }
}

/// The environments that lie beside a name.
fn beside(name: &Path) -> Result<Vec<PathBuf>, Stop> {
    let folder = parent_of(name);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(unusable(folder, &fault)),
    };
    let prefix = format!(
        "{}-",
        name.file_name().unwrap_or_default().to_string_lossy()
    );
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|fault| unusable(folder, &fault))?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn unusable(path: &Path, fault: &io::Error) -> Stop {
    Stop::World(format!("cannot read `{}`: {fault}", path.display()))
}
