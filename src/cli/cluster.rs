//! Loads what every verb on a cluster needs: library, spec, plan.

use std::path::{Path, PathBuf};

use super::ClusterArguments;
use super::report::Failure;
use crate::base::Role;
use crate::library::Library;
use crate::plan::{self, Plan, RoleComponents};
use crate::spec::{self, Spec};

/// The library: the folders that were named, the working directory, the program itself.
pub fn library(mut folders: Vec<PathBuf>) -> Library {
    folders.push(PathBuf::from("."));
    Library::new(folders)
}

/// Reads the spec and joins it with its profile.
pub fn plan(arguments: &ClusterArguments, library: &Library) -> Result<Plan, Failure> {
    let spec = spec(&arguments.cluster)?;
    let name = arguments
        .profile
        .clone()
        .or_else(|| spec.profile.clone())
        .ok_or_else(|| {
            Failure::input(format!("{} names no profile", arguments.cluster.display()))
                .hint("write `profile = \"debian12\"` below `[cluster]`, or say `--profile`")
        })?;
    let profile = library.profile(&name)?;
    let roles = roles(library)?;
    Ok(plan::resolve(
        spec,
        profile,
        arguments.architecture.clone(),
        &roles,
    )?)
}

fn spec(path: &Path) -> Result<Spec, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::file("read the spec", path, &error)
            .hint("`pgbundle init` writes one; `--cluster FILE` names another")
    })?;
    spec::parse(&text)
        .map_err(|faults| Failure::document(path.display().to_string(), &text, faults))
}

fn roles(library: &Library) -> Result<RoleComponents, Failure> {
    let mut texts = Vec::new();
    for role in Role::ALL {
        texts.push(library.read(&format!("bundles/{role}/role.toml"))?);
    }
    let index = |role: Role| {
        Role::ALL
            .iter()
            .position(|other| *other == role)
            .expect("ALL holds every role")
    };
    RoleComponents::parse(|role| texts[index(role)].1.as_ref()).map_err(|(role, faults)| {
        let (path, text) = &texts[index(role)];
        Failure::document(path.clone(), text, faults)
    })
}
