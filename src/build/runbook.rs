//! `RUNBOOK.md`: what the people who run the cluster need, with its own names in it.

use minijinja::{Environment, UndefinedBehavior, Value, context};

use crate::base::{Epoch, Role};
use crate::plan::Plan;
use crate::spec::Node;

const TEMPLATE: &str = include_str!("../../bundles/RUNBOOK.md.j2");

/// Writes the runbook of a plan's cluster.
pub fn runbook(plan: &Plan, generation: u64, date: Epoch) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let data = plan
        .nodes_with(Role::Postgres)
        .map(|node| node.address.addr().to_string());
    let sources = plan.spec.delivery.iter().cloned().map(String::from);
    environment.render_str(
        TEMPLATE,
        context! {
            cluster => plan.spec.cluster.as_str(),
            major => plan.postgres_major,
            os => plan.profile.title.as_str(),
            generation,
            date => date.to_string(),
            nodes => plan.spec.nodes.iter().map(row).collect::<Vec<_>>(),
            sources => sources.collect::<Vec<_>>(),
            entry => entry(plan),
            ports => ports(plan),
            data_addresses => data.collect::<Vec<_>>(),
        },
    )
}

fn row(node: &Node) -> Value {
    context! {
        name => node.name.as_str(),
        address => node.address.addr().to_string(),
        roles => node.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
    }
}

fn ports(plan: &Plan) -> Value {
    let ports = &plan.spec.ports;
    context! {
        pgbouncer => ports.pgbouncer,
        etcd_client => ports.etcd_client,
        read_write => ports.read_write,
        replicas => ports.replicas,
        synchronous => ports.synchronous,
        asynchronous => ports.asynchronous,
        statistics => ports.statistics,
    }
}

/// The address that clients connect to: the VIP, else the first proxy; none without proxies.
fn entry(plan: &Plan) -> Option<String> {
    let vip = plan.spec.vip.as_ref().map(|vip| vip.address.addr());
    vip.or_else(|| {
        plan.nodes_with(Role::Proxy)
            .next()
            .map(|node| node.address.addr())
    })
    .map(|address| address.to_string())
}
