//! `pgbundle plan`: what a spec becomes, in words.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::report::Failure;
use super::ui::Ui;
use super::{ClusterArguments, cluster};
use crate::base::Role;
use crate::library::Library;
use crate::plan::Plan;
use crate::spec::Synchronous;

/// Say what the spec makes of each host; reads no network and writes nothing
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary {
    cluster: String,
    profile: String,
    architecture: String,
    postgres_major: u32,
    vip: Option<String>,
    nodes: Vec<NodeSummary>,
    packages: std::collections::BTreeMap<Role, Vec<String>>,
}

#[derive(Serialize)]
struct NodeSummary {
    name: String,
    address: String,
    roles: Vec<Role>,
}

/// Plans and shows.
pub fn run(arguments: &Arguments, library: &Library, ui: &Ui) -> Result<(), Failure> {
    let plan = cluster::outline(&arguments.cluster, library)?;
    if arguments.json {
        return ui.json(&summary(&plan));
    }
    ui.result(&describe(&plan))
}

fn summary(plan: &Plan) -> Summary {
    let node = |node: &crate::spec::Node| NodeSummary {
        name: node.name.to_string(),
        address: node.address.to_string(),
        roles: node.roles.clone(),
    };
    Summary {
        cluster: plan.spec.cluster.to_string(),
        profile: plan.profile.name.clone(),
        architecture: plan.architecture.to_string(),
        postgres_major: plan.postgres_major,
        vip: plan.spec.vip.as_ref().map(|vip| vip.address.to_string()),
        nodes: plan.spec.nodes.iter().map(node).collect(),
        packages: plan.packages.clone(),
    }
}

fn describe(plan: &Plan) -> String {
    let mut text = format!(
        "Cluster `{}`: PostgreSQL {} on {} ({})\n\n",
        plan.spec.cluster, plan.postgres_major, plan.profile.title, plan.architecture
    );
    let width = plan
        .spec
        .nodes
        .iter()
        .map(|node| node.name.as_str().len())
        .max()
        .unwrap_or(0);
    for node in &plan.spec.nodes {
        let roles: Vec<_> = node.roles.iter().map(|role| role.as_str()).collect();
        line(
            &mut text,
            format_args!(
                "  {:width$}  {:<18}  {}",
                node.name,
                node.address.to_string(),
                roles.join(", ")
            ),
        );
    }
    text.push('\n');
    routes(plan, &mut text);
    text.push('\n');
    survival(plan, &mut text);
    text.push('\n');
    for (role, packages) in &plan.packages {
        line(
            &mut text,
            format_args!(
                "  {role} installs {} and what they need",
                packages.join(", ")
            ),
        );
    }
    wheels(plan, &mut text);
    origins(plan, &mut text);
    text
}

fn wheels(plan: &Plan, text: &mut String) {
    let Some(python) = &plan.profile.python else {
        return;
    };
    for role in &plan.wheel_roles {
        let (count, component) = (python.wheels.len(), &python.component);
        let set = format!("{count} wheels for {}", python.interpreter);
        line(
            text,
            format_args!("  {role} carries {set}, which {component} runs on"),
        );
    }
}

/// What of the packages is out of the ordinary: who brings them, and how old they stay.
fn origins(plan: &Plan, text: &mut String) {
    let files = plan.profile.expected_files(plan.postgres_major);
    if !files.is_empty() {
        let files = files.join(" or ");
        line(text, format_args!("\n  You bring the file {files}"));
    }
    for file in &plan.given {
        line(text, format_args!("  You brought {}", file.name));
    }
    if let Some(since) = plan.profile.own_patroni(plan.postgres_major) {
        line(
            text,
            format_args!("  From {since} on it has a Patroni of its own, which stays unused"),
        );
    }
    let frozen = plan.profile.frozen();
    if !frozen.is_empty() {
        text.push('\n');
    }
    for (since, sources) in frozen {
        let sources: Vec<_> = sources.into_iter().collect();
        line(
            text,
            format_args!("  Nothing changes since {since} in {}", sources.join(", ")),
        );
    }
}

fn routes(plan: &Plan, text: &mut String) {
    let ports = &plan.spec.ports;
    let entry = match &plan.spec.vip {
        Some(vip) => format!("the VIP {}", vip.address.addr()),
        None if plan.nodes_with(Role::Proxy).next().is_some() => "any proxy".to_owned(),
        None => {
            line(
                text,
                format_args!(
                    "  Clients name all data nodes on port {} with target_session_attrs",
                    ports.pgbouncer
                ),
            );
            return;
        }
    };
    line(
        text,
        format_args!(
            "  Clients reach {entry}: {} primary, {} replicas, {} synchronous, {} asynchronous, {} statistics",
            ports.read_write,
            ports.replicas,
            ports.synchronous,
            ports.asynchronous,
            ports.statistics
        ),
    );
}

fn survival(plan: &Plan, text: &mut String) {
    let etcd = plan.nodes_with(Role::Etcd).count();
    let data = plan.nodes_with(Role::Postgres).count();
    let proxies = plan.nodes_with(Role::Proxy).count();
    line(
        text,
        format_args!(
            "  etcd has {etcd} member{} and survives the loss of {}",
            plural(etcd),
            (etcd - 1) / 2
        ),
    );
    line(
        text,
        format_args!(
            "  PostgreSQL has {data} cop{} and survives the loss of {}",
            if data == 1 { "y" } else { "ies" },
            data - 1
        ),
    );
    if proxies > 0 {
        line(
            text,
            format_args!(
                "  HAProxy runs on {proxies} host{} and survives the loss of {}",
                plural(proxies),
                proxies - 1
            ),
        );
    }
    let promise = match plan.spec.postgres.synchronous {
        Synchronous::Off => {
            "A failover may lose the last transactions: replication is asynchronous"
        }
        Synchronous::On => {
            "No acknowledged transaction is lost while a synchronous standby is connected; without one the primary goes on alone"
        }
        Synchronous::Strict => {
            "No acknowledged transaction is lost; without a synchronous standby nothing is acknowledged"
        }
    };
    line(text, format_args!("  {promise}"));
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("a String takes any text");
}
