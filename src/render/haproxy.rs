//! HAProxy: one listener for each role a member of the cluster can have.

use minijinja::{Value, context};

use super::draft::Draft;
use super::site::{Site, socket};
use super::{RenderError, dialect, places};
use crate::base::Role;
use crate::bundle::assignment::{Health, Service, Uptake};

/// The service's name in reports.
pub const SERVICE: &str = "haproxy";

struct Listener {
    name: &'static str,
    title: &'static str,
    number: u16,
    question: &'static str,
    balance: &'static str,
}

impl From<Listener> for Value {
    fn from(listener: Listener) -> Self {
        context! {
            name => listener.name,
            title => listener.title,
            number => listener.number,
            question => listener.question,
            balance => listener.balance,
        }
    }
}

/// Adds what HAProxy needs.
pub fn render(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    let component = site.component("haproxy")?;
    let configuration = site.path("haproxy_configuration")?;
    let secrets = site.path("haproxy_secrets")?;
    draft.file(&configuration, &[SERVICE], settings(site, &secrets)?)?;
    let unit = site.fill(
        "proxy/haproxy.service.j2",
        context! {
            cluster => site.cluster_name(),
            program => site.path("haproxy")?,
            configuration,
            secrets,
            notifies => component.notifies,
            haproxy => site.dialect::<dialect::Haproxy>(SERVICE)?,
        },
    )?;
    site.unit(draft, component, SERVICE, unit)?;
    let ports = site.ports();
    draft
        .assignment
        .ports
        .extend(listeners(site).into_iter().map(|listener| listener.number));
    draft.assignment.ports.push(ports.statistics);
    draft.service(Service {
        name: SERVICE.to_owned(),
        unit: component.unit.clone(),
        packages: site.packages(&["haproxy"])?,
        on_change: Uptake::Reload,
        on_certificate: Uptake::Reload,
        health: Health::Http {
            url: format!("http://{}/health", socket(site.address(), ports.statistics)),
            status: 200,
            waits_for: "HAProxy to see a primary".to_owned(),
        },
    });
    Ok(())
}

fn settings(site: &Site<'_>, secrets: &str) -> Result<String, RenderError> {
    let (wildcard, bind_options) = if site.address().is_ipv6() {
        ("::", " v4v6")
    } else {
        ("*", "")
    };
    site.fill(
        "proxy/haproxy.cfg.j2",
        context! {
            haproxy => site.dialect::<dialect::Haproxy>(SERVICE)?,
            name => site.node.name.as_str(),
            user => site.component("haproxy")?.user.as_str(),
            admin_socket => site.path("haproxy_socket")?,
            ca => places::CA,
            patroni_port => site.ports().patroni,
            listeners => listeners(site).map(Value::from).to_vec(),
            servers => servers(site),
            wildcard,
            bind_options,
            secrets,
            statistics_port => site.ports().statistics,
        },
    )
}

fn listeners(site: &Site<'_>) -> [Listener; 4] {
    let ports = site.ports();
    [
        Listener {
            name: "primary",
            title: "The primary, read and write.",
            number: ports.read_write,
            question: "/primary",
            balance: "first",
        },
        Listener {
            name: "replicas",
            title: "All replicas, read only.",
            number: ports.replicas,
            question: "/replica",
            balance: "leastconn",
        },
        Listener {
            name: "synchronous",
            title: "The synchronous standby, read only: it has every commit.",
            number: ports.synchronous,
            question: "/sync",
            balance: "leastconn",
        },
        Listener {
            name: "asynchronous",
            title: "The asynchronous replicas, read only.",
            number: ports.asynchronous,
            question: "/async",
            balance: "leastconn",
        },
    ]
}

fn servers(site: &Site<'_>) -> Vec<Value> {
    let port = site.ports().pgbouncer;
    site.plan
        .nodes_with(Role::Postgres)
        .map(|node| {
            let address = socket(node.address.addr(), port);
            context! { name => node.name.as_str(), address }
        })
        .collect()
}
