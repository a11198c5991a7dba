//! Loads what every verb on a cluster needs: library, spec, plan.

use std::path::PathBuf;

use super::report::Failure;
use super::{ClusterArguments, text, vendor};
use crate::base::Role;
use crate::bundle::manifest::Family;
use crate::document::Fault;
use crate::library::Library;
use crate::plan::{self, Plan, RoleComponents, Unservable};
use crate::profile::Profile;
use crate::spec::{self, Spec};

/// The library: the folders that were named, the working directory, the program itself.
pub fn library(mut folders: Vec<PathBuf>) -> Result<Library, Failure> {
    if let Some(none) = folders.iter().find(|folder| !folder.is_dir()) {
        let message = format!("the library {} is no folder", none.display());
        return Err(Failure::input(message).hint("name one that is: `--library DIR`"));
    }
    folders.push(PathBuf::from("."));
    Ok(Library::new(folders))
}

/// Reads the spec and joins it with its profile and with what the operator was given.
pub fn plan(arguments: &ClusterArguments, library: &Library) -> Result<Plan, Failure> {
    made(arguments, library, Given::Whole)
}

/// The same, though the vendor's RPM be missing: for what is said and not made.
pub fn outline(arguments: &ClusterArguments, library: &Library) -> Result<Plan, Failure> {
    made(arguments, library, Given::SoFar)
}

/// How much of the vendor's files has to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    Whole,
    SoFar,
}

fn made(arguments: &ClusterArguments, library: &Library, needed: Given) -> Result<Plan, Failure> {
    let path = arguments.cluster.display().to_string();
    let which = "`pgbundle init` writes one; `--cluster FILE` names another";
    let text = text::read(&arguments.cluster, text::SMALL).map_err(|error| {
        let is_encoded = error.kind() == std::io::ErrorKind::InvalidData;
        let advice = if is_encoded {
            "save it as UTF-8"
        } else {
            which
        };
        Failure::file("read the spec", &arguments.cluster, &error).hint(advice)
    })?;
    if text.trim().is_empty() {
        return Err(Failure::input(format!("the spec {path} is empty")).hint(which));
    }
    let spec =
        spec::parse(&text).map_err(|faults| Failure::document(path.as_str(), &text, faults))?;
    let places = spec.places.clone();
    let profile = profile(arguments, &spec, library).map_err(|failure| {
        match (&arguments.profile, &places.profile) {
            (None, Some(span)) => failure.at(path.as_str(), &text, span.clone()),
            _ => failure,
        }
    })?;
    let roles = roles(library)?;
    let given = match profile.family {
        Family::Rpm => vendor::files(arguments, &spec, &profile)?,
        Family::Deb => Vec::new(),
    };
    let major = spec.postgres.major.unwrap_or(profile.postgres.default);
    let mut profile = profile;
    // Of another major, resolving says more.
    if profile.postgres.majors.contains(&major) {
        match profile.given(major, given.iter().map(|file| file.name.as_str())) {
            Ok(of_packaging) => profile = of_packaging,
            Err(why) if needed == Given::Whole => {
                return Err(vendor::missing(&why, arguments, &spec, &profile, major));
            }
            Err(_) => {}
        }
    }
    let architecture = arguments.architecture.clone();
    let plan = plan::resolve(spec, profile, architecture, &roles).map_err(|faults| {
        let fault = |fault: Unservable| Fault {
            label: match &fault {
                Unservable::Major { why, .. } => why.clone().unwrap_or_default(),
                _ => String::new(),
            },
            message: fault.to_string(),
            span: match &fault {
                Unservable::Major { .. } => places.major.clone(),
                Unservable::Base { .. } => places.bases.clone(),
                Unservable::Vendor { .. } => places.vendor.clone(),
                Unservable::Architecture { .. } | Unservable::Component { .. } => None,
            },
            hint: Some(what_to_do(&fault).to_owned()),
        };
        Failure::document(
            path.as_str(),
            &text,
            faults.into_iter().map(fault).collect(),
        )
    })?;
    Ok(Plan { given, ..plan })
}

fn what_to_do(fault: &Unservable) -> &'static str {
    match fault {
        Unservable::Major { .. } => {
            "choose one that it has, or a profile that has this one: see `pgbundle profiles`"
        }
        Unservable::Base { .. } => {
            "name one that it has, or add yours to a profile with `[[base]]` (`pgbundle base capture` writes its list)"
        }
        Unservable::Vendor { .. } => {
            "leave `[[vendor]]` out, or name a profile whose hosts have rpm: see `pgbundle profiles`"
        }
        Unservable::Architecture { .. } => "say `--architecture` with one that it knows",
        Unservable::Component { .. } => {
            "a profile of your own must have `[components.…]` for it: see the one that it extends"
        }
    }
}

fn profile(
    arguments: &ClusterArguments,
    spec: &Spec,
    library: &Library,
) -> Result<Profile, Failure> {
    let name = arguments
        .profile
        .as_ref()
        .or(spec.profile.as_ref())
        .ok_or_else(|| {
            Failure::input(format!("{} names no profile", arguments.cluster.display()))
                .hint("write `profile = \"debian12\"` below `[cluster]`, or say `--profile`")
        })?;
    Ok(library.profile(name)?)
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
