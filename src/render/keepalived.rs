//! keepalived: the virtual address follows a working HAProxy.

use minijinja::context;

use super::draft::{Draft, access, owned};
use super::site::Site;
use super::{RenderError, dialect};
use crate::base::Role;
use crate::bundle::assignment::{Fact, FactFile, Health, Service, Uptake};
use crate::spec::Vip;

/// The service's name in reports.
pub const SERVICE: &str = "keepalived";
/// RFC 5798, 5.2.4: 255 is the address owner's, 0 says that a router leaves.
const HIGHEST_PRIORITY: usize = 200;

/// Adds what keepalived needs.
pub fn render(site: &Site<'_>, vip: &Vip, draft: &mut Draft) -> Result<(), RenderError> {
    let component = site.component("keepalived")?;
    let configuration = site.path("keepalived_configuration")?;
    let interface = site.path("keepalived_interface")?;
    draft.file(&configuration, &[SERVICE], settings(site, vip, &interface)?)?;
    draft.fact(FactFile {
        path: interface.parse()?,
        access: access("root", "root", 0o644),
        before: "interface ".to_owned(),
        fact: Fact::InterfaceOfAddress,
        after: "\n".to_owned(),
        services: owned(&[SERVICE]),
    });
    let unit = site.fill(
        "proxy/keepalived.service.j2",
        context! {
            cluster => site.cluster_name(),
            program => site.path("keepalived")?,
            configuration,
            notifies => component.notifies,
        },
    )?;
    site.unit(draft, component, SERVICE, unit)?;
    draft.service(Service {
        name: SERVICE.to_owned(),
        unit: component.unit.clone(),
        packages: site.packages(&["keepalived"])?,
        on_change: Uptake::Reload,
        on_certificate: Uptake::Reload,
        health: Health::UnitActive {
            waits_for: "keepalived to run".to_owned(),
        },
    });
    Ok(())
}

fn settings(site: &Site<'_>, vip: &Vip, interface: &str) -> Result<String, RenderError> {
    let own = site.address();
    let peers: Vec<String> = site
        .addresses(Role::Proxy)
        .filter(|address| *address != own)
        .map(|address| address.to_string())
        .collect();
    let place = site
        .addresses(Role::Proxy)
        .position(|address| address == own)
        .unwrap_or_default();
    site.fill(
        "proxy/keepalived.conf.j2",
        context! {
            keepalived => site.dialect::<dialect::Keepalived>(SERVICE)?,
            name => site.node.name.as_str(),
            vip => vip.address.to_string(),
            node_program => site.path("node_program")?,
            probe => format!("127.0.0.1:{}", site.ports().read_write),
            instance => site.cluster_name(),
            address => own.to_string(),
            interface,
            router_id => vip.virtual_router_id,
            priority => HIGHEST_PRIORITY.saturating_sub(place).max(1),
            peers,
        },
    )
}
