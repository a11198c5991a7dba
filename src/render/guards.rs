//! What the system's own guards must let through: SELinux's booleans for the
//! services of a role, and the ports of a node in firewalld's words.
//!
//! Only some systems have them: what a profile says nothing of is not written.

use minijinja::context;

use super::RenderError;
use super::draft::Draft;
use super::site::Site;
use crate::base::Role;
use crate::bundle::assignment::{Firewalld, Selinux};

/// firewalld's name for what it opens.
const SERVICE: &str = "pgbundle";

/// Adds both; the role's services are known by now.
pub fn render(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    if let Some(booleans) = &site.plan.profile.selinux {
        let services = draft.assignment.services.iter();
        let booleans = services.filter_map(|service| booleans.get(&service.name));
        draft.assignment.selinux = Some(Selinux {
            booleans: booleans.flatten().cloned().collect(),
        });
    }
    if let Some(folder) = site.path_if_any("firewalld_services") {
        let path = format!("{folder}/{SERVICE}.xml");
        let values = context! {
            name => site.node.name.as_str(),
            cluster => site.cluster_name(),
            ports => ports(site),
            protocols => protocols(site),
        };
        draft.file(&path, &[], site.fill("common/firewalld.xml.j2", values)?)?;
        draft.assignment.firewalld = Some(Firewalld {
            service: SERVICE.to_owned(),
            definition: path.parse()?,
        });
    }
    Ok(())
}

/// The TCP ports of the node that others connect to, for all of its roles, so
/// that each of them brings the same bytes. What listens on loopback alone, and
/// what the spec does not say (SSH), is not among them.
fn ports(site: &Site<'_>) -> Vec<u16> {
    let ports = site.ports();
    let of = |role: &Role| match role {
        Role::Etcd => vec![ports.etcd_client, ports.etcd_peer],
        Role::Postgres => vec![ports.postgres, ports.pgbouncer, ports.patroni],
        Role::Proxy => vec![
            ports.read_write,
            ports.replicas,
            ports.synchronous,
            ports.asynchronous,
            ports.statistics,
        ],
    };
    let mut ports: Vec<u16> = site.node.roles.iter().flat_map(of).collect();
    ports.sort_unstable();
    ports
}

/// keepalived's adverts are of an IP protocol of their own (RFC 5798: 112).
fn protocols(site: &Site<'_>) -> Vec<&'static str> {
    let has_vip = site.plan.spec.vip.is_some() && site.node.roles.contains(&Role::Proxy);
    has_vip.then_some("vrrp").into_iter().collect()
}
