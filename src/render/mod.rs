//! From a plan to what lies on each node: configuration, units, and the
//! assignment that says who owns what and which question each service answers.
//!
//! Rendering is pure: the same plan gives the same bytes. YAML and JSON are
//! serialised from structs; everything else is a template below `bundles/`, in
//! which a name without a value is an error. What is secret is rendered apart
//! ([`secret_files`]), travels in the seed alone, and is referred to by path.
//!
//! # Design
//! - Addresses everywhere in configuration: a host's own name may lead to
//!   loopback, and no resolver is needed before the cluster stands. The nodes'
//!   names stand in each other's `/etc/hosts`, for people and for programs
//!   that look up who an address is.
//! - Units have the names of the package's units and replace them, so that
//!   people find them where they look.
//! - PgBouncer looks passwords up as a role that logs in by operating system
//!   user through the unix socket: one password less to make, carry and rotate.
//! - People log in as `postgres` through PgBouncer with its generated password;
//!   the spec describes no other roles, they are made by SQL.
//! - Files shared by several roles of a node (the CA set, what keeps
//!   needrestart away) are the same bytes in each of its assignments.

mod clock;
mod dialect;
mod draft;
mod etcd;
mod haproxy;
mod keepalived;
mod names;
pub mod patroni;
mod pgbouncer;
mod places;
mod postgres;
mod quiet;
mod secrets;
mod site;
mod templates;
mod time_service;

pub use secrets::{
    EtcdSecrets, KeyPair, NodeSecretsInput, PostgresSecrets, ProxySecrets, secret_files,
};

use std::collections::BTreeMap;

use crate::base::{NodePath, Role};
use crate::bundle::assignment::Assignment;
use crate::plan::Plan;
use crate::spec::Node;

use draft::Draft;
use site::Site;

/// What a cluster has that its spec does not say: made once, kept, not secret.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    /// Its random identity: 32 hexadecimal digits.
    pub id: &'a str,
    /// etcd's `initial-cluster-token`: members of another cluster are refused.
    pub etcd_token: &'a str,
    /// The set of CAs that nodes trust, PEM.
    pub ca: &'a str,
}

/// One role on one node, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// What the node is to do.
    pub assignment: Assignment,
    /// The content of every file that the assignment names, but for plain ones.
    pub files: BTreeMap<NodePath, Vec<u8>>,
}

/// Why a plan cannot be rendered: the profile or a template is at fault.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The profile lacks a path.
    #[error("profile `{profile}` has no path `{name}`: add it to its `[paths]`")]
    NoPath {
        /// The profile.
        profile: String,
        /// The name that was asked for.
        name: String,
    },
    /// The profile lacks a component.
    #[error("profile `{profile}` has no component `{name}`: add `[components.{name}]`")]
    NoComponent {
        /// The profile.
        profile: String,
        /// The name that was asked for.
        name: String,
    },
    /// The profile does not say which configuration a component understands.
    #[error("profile `{profile}` has no `dialect` for its component `{name}`")]
    NoDialect {
        /// The profile.
        profile: String,
        /// The component.
        name: String,
    },
    /// A path that came out is none.
    #[error(transparent)]
    Path(#[from] crate::base::path::NotAPath),
    /// A plain file would take another file's place.
    #[error(
        "the plain file `{name}` would be installed at {path}, where another file of this cluster belongs: choose another `install`"
    )]
    Taken {
        /// The plain file.
        name: String,
        /// Its path on the node.
        path: String,
    },
    /// A template is wrong.
    #[error("the template `{name}` cannot be filled: {source}")]
    Template {
        /// Its path in the source tree.
        name: String,
        /// Why.
        source: minijinja::Error,
    },
    /// The emitter of YAML gave up.
    #[error("`{path}` cannot be written as YAML: {message}")]
    Yaml {
        /// The file on the node.
        path: String,
        /// What the emitter said.
        message: String,
    },
}

/// Renders what `role` asks of `node`.
pub fn assignment(
    plan: &Plan,
    role: Role,
    node: &Node,
    cluster: &Cluster<'_>,
) -> Result<Rendered, RenderError> {
    let site = Site::new(plan, node, cluster);
    let mut draft = Draft::new(node.name.clone(), role);
    draft.assignment.packages = plan.packages.get(&role).cloned().unwrap_or_default();
    quiet::render(&site, &mut draft)?;
    names::render(&site, &mut draft)?;
    clock::render(&site, &mut draft)?;
    time_service::render(&site, &mut draft)?;
    match role {
        Role::Etcd => etcd::render(&site, &mut draft)?,
        Role::Postgres => {
            postgres::render(&site, &mut draft)?;
            patroni::render(&site, &mut draft)?;
            pgbouncer::render(&site, &mut draft)?;
        }
        Role::Proxy => {
            haproxy::render(&site, &mut draft)?;
            if let Some(vip) = &plan.spec.vip {
                keepalived::render(&site, vip, &mut draft)?;
            }
        }
    }
    places::trust(&site, &mut draft)?;
    for file in &plan.spec.plain_files {
        if file.roles.contains(&role) {
            draft.plain(file)?;
        }
    }
    Ok(draft.finish())
}
