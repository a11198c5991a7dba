//! etcd: an environment file, its unit, and what `etcd-start` decides by.

use minijinja::context;

use super::draft::{Draft, access};
use super::site::{Site, url};
use super::{RenderError, dialect, places};
use crate::base::{Role, SchemaVersion};
use crate::bundle::assignment::{Health, Service, Uptake};
use crate::bundle::start::{ETCD_START, EtcdMember, EtcdStart};
use crate::spec::ETCD_METRICS;

/// The service's name in reports.
pub const SERVICE: &str = "etcd";
const ENVIRONMENT: &str = "/etc/pgbundle/etcd.env";

/// Adds what a member of etcd needs.
pub fn render(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    let component = site.component("etcd")?;
    let data_directory = site.path("etcd_data")?;
    draft.data(&data_directory, &component.user, "member")?;
    draft.directory(
        &data_directory,
        access(&component.user, &component.user, 0o700),
    )?;
    draft.file(ENVIRONMENT, &[SERVICE], environment(site, &data_directory)?)?;
    draft.file(ETCD_START, &[], start(site, &data_directory)?)?;
    draft.file(&site.path("etcdctl_profile")?, &[], etcdctl(site)?)?;
    let unit = site.fill(
        "etcd/etcd.service.j2",
        context! {
            cluster => site.cluster_name(),
            user => component.user.as_str(),
            environment => ENVIRONMENT,
            node_program => site.path("node_program")?,
            program => site.path("etcd")?,
            notifies => component.notifies,
        },
    )?;
    site.unit(draft, component, SERVICE, unit)?;
    let ports = site.ports();
    draft
        .assignment
        .ports
        .extend([ports.etcd_client, ports.etcd_peer, ETCD_METRICS]);
    draft.service(Service {
        name: SERVICE.to_owned(),
        unit: component.unit.clone(),
        packages: site.packages(&["etcd"])?,
        on_change: Uptake::Restart,
        // etcd reads a renewed certificate at the next handshake, but not a renewed CA set.
        on_certificate: Uptake::Restart,
        health: Health::Http {
            url: format!("{}/health", metrics_url()),
            status: 200,
            waits_for: "a quorum of etcd members".to_owned(),
        },
    });
    Ok(())
}

fn environment(site: &Site<'_>, data_directory: &str) -> Result<String, RenderError> {
    let ports = site.ports();
    site.fill(
        "etcd/etcd.env.j2",
        context! {
            etcd => site.dialect::<dialect::Etcd>(SERVICE)?,
            name => site.node.name.as_str(),
            data_directory,
            token => site.cluster.etcd_token,
            peer_url => site.own_url(ports.etcd_peer),
            client_url => site.own_url(ports.etcd_client),
            local_url => format!("https://127.0.0.1:{}", ports.etcd_client),
            metrics_url => metrics_url(),
            certificate => places::certificate("etcd"),
            key => places::key("etcd"),
            ca => places::CA,
        },
    )
}

/// Health and metrics over plain HTTP, on loopback alone.
fn metrics_url() -> String {
    format!("http://127.0.0.1:{ETCD_METRICS}")
}

fn start(site: &Site<'_>, data_directory: &str) -> Result<String, RenderError> {
    let ports = site.ports();
    let members = site.plan.nodes_with(Role::Etcd).map(|node| EtcdMember {
        name: node.name.clone(),
        peer_url: url(node.address.addr(), ports.etcd_peer),
        client_url: url(node.address.addr(), ports.etcd_client),
    });
    let start = EtcdStart {
        format: SchemaVersion,
        cluster_id: site.cluster.id.to_owned(),
        name: site.node.name.clone(),
        data_directory: data_directory.parse()?,
        members: members.collect(),
        tls: places::client("etcd")?,
    };
    Ok(json(&start))
}

fn etcdctl(site: &Site<'_>) -> Result<String, RenderError> {
    let port = site.ports().etcd_client;
    let endpoints: Vec<String> = site
        .addresses(Role::Etcd)
        .map(|address| url(address, port))
        .collect();
    site.fill(
        "etcd/etcdctl.sh.j2",
        context! {
            user => site.component("etcd")?.user.as_str(),
            endpoints => endpoints.join(","),
            certificate => places::certificate("etcd"),
            key => places::key("etcd"),
            ca => places::CA,
        },
    )
}

/// JSON as people read it.
pub fn json(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value)
        .expect("these structs have string keys and no maps of their own");
    text.push('\n');
    text
}
