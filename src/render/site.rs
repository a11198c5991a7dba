//! Where something is rendered: a node of a plan, with what every file needs of both.

use std::net::{IpAddr, SocketAddr};

use minijinja::{Value, context};

use super::dialect::Systemd;
use super::draft::Draft;
use super::{Cluster, RenderError, templates};
use crate::base::Role;
use crate::plan::Plan;
use crate::profile::{Component, Dialect};
use crate::spec::{Node, Ports};

/// A node of a plan.
pub struct Site<'a> {
    pub plan: &'a Plan,
    pub node: &'a Node,
    pub cluster: &'a Cluster<'a>,
}

impl<'a> Site<'a> {
    pub fn new(plan: &'a Plan, node: &'a Node, cluster: &'a Cluster<'a>) -> Self {
        Self {
            plan,
            node,
            cluster,
        }
    }

    /// The node's own address.
    pub fn address(&self) -> IpAddr {
        self.node.address.addr()
    }

    /// The cluster's name.
    pub fn cluster_name(&self) -> &'a str {
        self.plan.spec.cluster.as_str()
    }

    /// The ports of the spec.
    pub fn ports(&self) -> &'a Ports {
        &self.plan.spec.ports
    }

    /// `https://` to a port of the node.
    pub fn own_url(&self, port: u16) -> String {
        url(self.address(), port)
    }

    /// The addresses of all nodes with `role`, in the spec's order.
    pub fn addresses(&self, role: Role) -> impl Iterator<Item = IpAddr> {
        self.plan.nodes_with(role).map(|node| node.address.addr())
    }

    /// A path of the profile, with the major version put in.
    pub fn path(&self, name: &str) -> Result<String, RenderError> {
        profile_path(self.plan, name)
    }

    /// A path that not every system has, with the major version put in.
    pub fn path_if_any(&self, name: &str) -> Option<String> {
        optional_path(self.plan, name)
    }

    /// What the profile says of a component.
    pub fn component(&self, name: &str) -> Result<&'a Component, RenderError> {
        component(self.plan, name)
    }

    /// What is known of a component's dialect.
    pub fn dialect<T: for<'d> From<&'d Dialect>>(&self, name: &str) -> Result<T, RenderError> {
        match &self.component(name)?.dialect {
            Some(dialect) => Ok(T::from(dialect)),
            None => Err(RenderError::NoDialect {
                profile: self.plan.profile.name.clone(),
                name: name.to_owned(),
            }),
        }
    }

    /// What the host's systemd understands.
    pub fn systemd(&self) -> Result<Systemd, RenderError> {
        self.dialect("systemd")
    }

    /// The packages of components, sorted.
    pub fn packages(&self, components: &[&str]) -> Result<Vec<String>, RenderError> {
        let mut packages = Vec::new();
        for name in components {
            packages.extend(self.component(name)?.packages.iter().cloned());
        }
        packages.sort();
        Ok(packages)
    }

    /// Fills a template; `systemd` is known in all of them.
    pub fn fill(&self, template: &str, values: Value) -> Result<String, RenderError> {
        templates::fill(template, context! { systemd => self.systemd()?, ..values })
    }

    /// Adds a component's unit in place of the package's.
    pub fn unit(
        &self,
        draft: &mut Draft,
        component: &Component,
        service: &str,
        content: String,
    ) -> Result<(), RenderError> {
        let path = format!("{}/{}", self.path("units")?, component.unit);
        draft.file(&path, &[service], content)?;
        draft
            .assignment
            .masked_units
            .extend(component.masked_units.iter().cloned());
        Ok(())
    }
}

/// A path of the profile, with the major version put in.
pub fn profile_path(plan: &Plan, name: &str) -> Result<String, RenderError> {
    optional_path(plan, name).ok_or_else(|| RenderError::NoPath {
        profile: plan.profile.name.clone(),
        name: name.to_owned(),
    })
}

/// A path that not every system has, with the major version put in.
fn optional_path(plan: &Plan, name: &str) -> Option<String> {
    let path = plan.profile.paths.get(name)?;
    Some(plan.with_major(path))
}

/// What the profile says of a component.
pub fn component<'a>(plan: &'a Plan, name: &str) -> Result<&'a Component, RenderError> {
    plan.profile
        .components
        .get(name)
        .ok_or_else(|| RenderError::NoComponent {
            profile: plan.profile.name.clone(),
            name: name.to_owned(),
        })
}

/// `address:port`, with brackets around an IPv6 address.
pub fn socket(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

/// `https://address:port`.
pub fn url(address: IpAddr, port: u16) -> String {
    format!("https://{}", socket(address, port))
}
