//! What each role is made of: `bundles/<role>/role.toml`.

use std::collections::BTreeMap;

use crate::base::Role;
use crate::document::{Document, Fault, Faults, Section};
use crate::spec::Spec;

/// The components of every role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleComponents(BTreeMap<Role, Composition>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Composition {
    always: Vec<String>,
    with_vip: Vec<String>,
    with_time_servers: Vec<String>,
}

impl RoleComponents {
    /// Reads the definitions of all roles; `text` yields a role's `role.toml`.
    pub fn parse<'t>(text: impl Fn(Role) -> &'t str) -> Result<Self, (Role, Vec<Fault>)> {
        let read = |role| {
            let composition = parse_one(text(role)).map_err(|faults| (role, faults))?;
            Ok((role, composition))
        };
        Role::ALL
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The components of `role` in this cluster, in the order they are named.
    pub fn of<'a>(&'a self, role: Role, spec: &Spec) -> impl Iterator<Item = &'a str> {
        let composition = &self.0[&role];
        let with_vip = spec.vip.is_some().then_some(&composition.with_vip);
        let with_time = (!spec.time_servers.is_empty()).then_some(&composition.with_time_servers);
        composition
            .always
            .iter()
            .chain(with_vip.into_iter().flatten())
            .chain(with_time.into_iter().flatten())
            .map(String::as_str)
    }
}

fn parse_one(text: &str) -> Result<Composition, Vec<Fault>> {
    let document = Document::parse(text)?;
    let faults = Faults::default();
    let composition = read(document.root(&faults));
    faults.conclude(composition)
}

fn read(root: Section<'_, '_>) -> Option<Composition> {
    let version = root.required::<u32>("version");
    let description = root.required::<String>("description");
    let always = root.required::<Vec<String>>("components");
    let with_vip = root.value("vip_components").unwrap_or_default();
    if let Some(version) = version.filter(|version| *version.get_ref() != 1) {
        let message = format!(
            "this role has format {}; this program reads format 1",
            version.get_ref()
        );
        root.faults().add(message, Some(version.span()), "", None);
    }
    let with_time_servers = root.value("time_components").unwrap_or_default();
    root.finish();
    description?;
    Some(Composition {
        always: always?.into_inner(),
        with_vip,
        with_time_servers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_format_is_refused() {
        let text = "version = 2\ndescription = \"x\"\ncomponents = []\n";
        let (role, faults) = RoleComponents::parse(|_| text).unwrap_err();
        assert_eq!(role, Role::Etcd);
        assert!(faults[0].message.contains("has format 2"), "{faults:?}");
    }
}
