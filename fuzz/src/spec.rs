//! The spec.

use pgbundle::document::Fault;
use std::sync::LazyLock;

use pgbundle::base::Role;
use pgbundle::plan::{RoleComponents, resolve};
use pgbundle::profile::{self, Profile};
use pgbundle::seed::nocloud::network_config;
use pgbundle::spec;

/// A text is a spec, or every fault of it has its place in the text; a spec
/// can be judged by a profile, and has networks to write.
pub fn holds(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    match spec::parse(text) {
        Err(faults) => {
            in_text(text, &faults);
            false
        }
        Ok(spec) => {
            for node in &spec.nodes {
                network_config(node);
            }
            if let Ok(plan) = resolve(spec, debian().clone(), None, &roles()) {
                assert!(!plan.packages.is_empty(), "every node has a role");
            }
            true
        }
    }
}

/// The profile that the program brings.
pub fn debian() -> &'static Profile {
    static DEBIAN: LazyLock<Profile> = LazyLock::new(|| {
        let text = include_str!("../../profiles/debian12.toml");
        profile::parse(text, None).expect("the profile is sound")
    });
    &DEBIAN
}

/// What the program's roles are made of.
pub fn roles() -> RoleComponents {
    let text = |role| match role {
        Role::Etcd => include_str!("../../bundles/etcd/role.toml"),
        Role::Postgres => include_str!("../../bundles/postgres/role.toml"),
        Role::Proxy => include_str!("../../bundles/proxy/role.toml"),
    };
    RoleComponents::parse(text).expect("the roles are sound")
}

/// There is a fault, and each span can be shown.
pub fn in_text(text: &str, faults: &[Fault]) {
    assert!(!faults.is_empty(), "a refusal says why");
    for span in faults.iter().filter_map(|fault| fault.span.clone()) {
        assert!(
            text.get(span.clone()).is_some(),
            "{span:?} cuts the text of {}",
            text.len()
        );
    }
}
