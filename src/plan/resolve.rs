//! Whether a profile can serve a spec, and what each role then asks for.

use std::collections::BTreeMap;

use super::{Plan, RoleComponents};
use crate::base::{Architecture, Role};
use crate::bundle::manifest::Family;
use crate::profile::Profile;
use crate::spec::Spec;

/// Why a profile cannot serve a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unservable {
    /// The profile is not known for the architecture.
    #[error("profile `{profile}` is not made for {architecture}; it knows {known}")]
    Architecture {
        /// The profile.
        profile: String,
        /// What was asked for.
        architecture: String,
        /// What there is.
        known: String,
    },
    /// PostgreSQL's major version is not among the profile's.
    #[error("profile `{profile}` has no PostgreSQL {major}; it has {known}")]
    Major {
        /// Why, where the profile says.
        why: Option<String>,
        /// The profile.
        profile: String,
        /// What was asked for.
        major: u32,
        /// What there is.
        known: String,
    },
    /// The profile lacks a component that a role is made of.
    #[error(
        "profile `{profile}` has no component `{component}`, which the role `{role}` is made of"
    )]
    Component {
        /// The profile.
        profile: String,
        /// What is missing.
        component: String,
        /// Who needs it.
        role: Role,
    },
    /// The spec brings RPMs, and the hosts take other packages.
    #[error("profile `{profile}` installs no RPMs, and `[[vendor]]` brings some")]
    Vendor {
        /// The profile.
        profile: String,
    },
    /// The spec names a base image that the profile lacks.
    #[error("profile `{profile}` has no base image `{base}`; it has {known}")]
    Base {
        /// The profile.
        profile: String,
        /// What was asked for.
        base: String,
        /// What there is.
        known: String,
    },
}

/// Joins a spec with the profile that is to serve it; all that does not fit is returned together.
pub fn resolve(
    spec: Spec,
    profile: Profile,
    architecture: Option<Architecture>,
    roles: &RoleComponents,
) -> Result<Plan, Vec<Unservable>> {
    let mut faults = Vec::new();
    let architecture = architecture.unwrap_or_else(|| profile.architectures[0].clone());
    if !profile.architectures.contains(&architecture) {
        faults.push(Unservable::Architecture {
            profile: profile.name.clone(),
            architecture: architecture.to_string(),
            known: listed(&profile.architectures),
        });
    }
    let postgres_major = spec.postgres.major.unwrap_or(profile.postgres.default);
    if !profile.postgres.majors.contains(&postgres_major) {
        faults.push(Unservable::Major {
            profile: profile.name.clone(),
            major: postgres_major,
            known: listed(&profile.postgres.majors),
            why: profile
                .postgres
                .why_absent(postgres_major)
                .map(str::to_owned),
        });
    }
    if profile.family != Family::Rpm && !spec.vendor.is_empty() {
        let profile = profile.name.clone();
        faults.push(Unservable::Vendor { profile });
    }
    for base in &spec.bases {
        if !profile.bases.iter().any(|known| known.name == *base) {
            let known: Vec<_> = profile.bases.iter().map(|base| &base.name).collect();
            faults.push(Unservable::Base {
                profile: profile.name.clone(),
                base: base.clone(),
                known: listed(&known),
            });
        }
    }
    let profile = profile.filled(architecture.as_str(), postgres_major);
    let packages = packages(&spec, &profile, roles, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let runs_on_wheels = |role: &Role| {
        let component = profile
            .python
            .as_ref()
            .map(|python| python.component.as_str());
        roles.of(*role, &spec).any(|name| Some(name) == component)
    };
    let wheel_roles = packages.keys().copied().filter(runs_on_wheels).collect();
    Ok(Plan {
        spec,
        profile,
        architecture,
        postgres_major,
        packages,
        given: Vec::new(),
        wheel_roles,
    })
}

fn packages(
    spec: &Spec,
    profile: &Profile,
    roles: &RoleComponents,
    faults: &mut Vec<Unservable>,
) -> BTreeMap<Role, Vec<String>> {
    let mut packages = BTreeMap::new();
    let carried = |role: &Role| spec.nodes.iter().any(|node| node.roles.contains(role));
    for role in Role::ALL.into_iter().filter(carried) {
        let mut names = Vec::new();
        for name in roles.of(role, spec) {
            match profile.components.get(name) {
                Some(component) => names.extend(component.packages.iter().cloned()),
                None => faults.push(Unservable::Component {
                    profile: profile.name.clone(),
                    component: name.to_owned(),
                    role,
                }),
            }
        }
        names.sort();
        names.dedup();
        packages.insert(role, names);
    }
    packages
}

fn listed(items: &[impl ToString]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
