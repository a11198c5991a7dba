//! What must hold between the parts of a spec.

use std::collections::BTreeMap;

use ipnet::IpNet;
use toml::Spanned;

use super::parse::PlacedNode;
use super::{Ports, Vip};
use crate::base::Role;
use crate::document::{Faults, value::Texts};
use crate::spec::ETCD_METRICS;

/// Whether the address is a host's: neither the network nor its broadcast address.
pub(super) fn is_host(address: &IpNet) -> bool {
    let is_point_to_point = address.prefix_len() + 1 >= address.max_prefix_len();
    is_point_to_point
        || (address.addr() != address.network() && address.addr() != address.broadcast())
}

/// Nodes against each other and against the VIP.
pub(super) fn topology(nodes: &[PlacedNode], vip: Option<&Spanned<Vip>>, faults: &Faults) {
    unique_nodes(nodes, faults);
    role_counts(nodes, faults);
    if let Some(vip) = vip {
        vip_is_reachable(nodes, vip, faults);
    }
}

fn unique_nodes(nodes: &[PlacedNode], faults: &Faults) {
    for (index, placed) in nodes.iter().enumerate() {
        let before = &nodes[..index];
        if let Some(other) = before
            .iter()
            .find(|other| other.node.name == placed.node.name)
        {
            let message = format!("two nodes are named `{}`", other.node.name);
            faults.add(
                message,
                Some(placed.name.span()),
                "named before",
                Some("give every node a name of its own"),
            );
        }
        if let Some(other) = before
            .iter()
            .find(|other| other.node.address.addr() == placed.node.address.addr())
        {
            let message = format!(
                "`{}` and `{}` have one address",
                other.node.name, placed.node.name
            );
            faults.add(
                message,
                Some(placed.address.span()),
                "taken before",
                Some("give every node an address of its own"),
            );
        }
    }
}

fn role_counts(nodes: &[PlacedNode], faults: &Faults) {
    let count = |role| {
        nodes
            .iter()
            .filter(|placed| placed.node.roles.contains(&role))
            .count()
    };
    let etcd = count(Role::Etcd);
    if etcd == 0 {
        faults.add(
            "no node has the role `etcd`",
            None,
            "",
            Some("Patroni keeps its state there: give the role to one, three or five nodes"),
        );
    } else if etcd.is_multiple_of(2) {
        let survives = etcd.div_ceil(2) - 1;
        let even = nodes
            .iter()
            .rev()
            .find(|placed| placed.node.roles.contains(&Role::Etcd));
        faults.add(
            format!("etcd needs an odd number of members, this spec has {etcd}"),
            even.map(|placed| placed.name.span()),
            format!(
                "{etcd} members survive the loss of {survives}, as {} do",
                etcd - 1
            ),
            Some("give the role `etcd` to one node more, or to one less"),
        );
    }
    if count(Role::Postgres) == 0 {
        faults.add(
            "no node has the role `postgres`",
            None,
            "",
            Some("add `postgres` to the roles of the nodes that hold the data"),
        );
    }
}

fn vip_is_reachable(nodes: &[PlacedNode], vip: &Spanned<Vip>, faults: &Faults) {
    let address = vip.get_ref().address;
    if !is_host(&address) {
        faults.add(
            format!(
                "the VIP {address} is the address of the network or of all its hosts, not one in it"
            ),
            Some(vip.span()),
            "",
            Some("choose an address of that network that no host has"),
        );
    }
    let proxies: Vec<_> = nodes
        .iter()
        .filter(|placed| placed.node.roles.contains(&Role::Proxy))
        .collect();
    if proxies.is_empty() {
        faults.add(
            "a VIP needs nodes with the role `proxy` to carry it",
            Some(vip.span()),
            "",
            Some("give the role to two nodes or more, or remove `[vip]`"),
        );
    }
    let outside = proxies
        .iter()
        .filter(|proxy| !proxy.node.address.contains(&address.addr()));
    let outside: Vec<_> = outside
        .map(|proxy| format!("`{}` ({})", proxy.node.name, proxy.node.address.trunc()))
        .collect();
    if !outside.is_empty() {
        let message = format!(
            "the VIP {} is outside the network of {}",
            address.addr(),
            outside.join(", ")
        );
        faults.add(
            message,
            Some(vip.span()),
            "",
            Some("VRRP moves an address within one network: choose one that all proxies share"),
        );
    }
    if let Some(owner) = nodes
        .iter()
        .find(|placed| placed.node.address.addr() == address.addr())
    {
        let message = format!("the VIP is the address of `{}`", owner.node.name);
        faults.add(
            message,
            Some(vip.span()),
            "",
            Some("choose an address that no host has"),
        );
    }
}

/// Ports that a node with all roles would have to listen on twice.
pub(super) fn ports(ports: &Ports, given: &[Spanned<u16>], faults: &Faults) {
    let named = [
        ("postgres", ports.postgres),
        ("pgbouncer", ports.pgbouncer),
        ("patroni", ports.patroni),
        ("etcd_client", ports.etcd_client),
        ("etcd_peer", ports.etcd_peer),
        ("read_write", ports.read_write),
        ("replicas", ports.replicas),
        ("synchronous", ports.synchronous),
        ("asynchronous", ports.asynchronous),
        ("statistics", ports.statistics),
        ("etcd's own health and metrics", ETCD_METRICS),
    ];
    let mut taken = BTreeMap::new();
    for (name, port) in named {
        let place = given
            .iter()
            .rfind(|given| *given.get_ref() == port)
            .map(Spanned::span);
        if port == 0 {
            faults.add(
                format!("`{name}` needs a port from 1 to 65535"),
                place,
                "",
                Some("0 would be another port at each start"),
            );
        } else if let Some(other) = taken.insert(port, name) {
            faults.add(
                format!("`{other}` and `{name}` both listen on {port}"),
                place,
                "",
                Some("give each a port of its own"),
            );
        }
    }
}

/// Parameters that Patroni or pgbundle sets itself, with who does.
const MANAGED: &[(&str, &str)] = &[
    ("cluster_name", "Patroni"),
    ("config_file", "Patroni"),
    ("data_directory", "Patroni"),
    ("hba_file", "Patroni"),
    ("hot_standby", "Patroni"),
    ("ident_file", "Patroni"),
    ("listen_addresses", "pgbundle, from the node's address"),
    ("password_encryption", "pgbundle: scram-sha-256"),
    ("port", "pgbundle, from `[ports]`"),
    ("primary_conninfo", "Patroni"),
    ("primary_slot_name", "Patroni"),
    ("recovery_target_timeline", "Patroni"),
    ("ssl", "pgbundle: always on"),
    ("ssl_ca_file", "pgbundle"),
    ("ssl_cert_file", "pgbundle"),
    ("ssl_key_file", "pgbundle"),
    ("synchronous_standby_names", "Patroni, from `synchronous`"),
    ("unix_socket_directories", "pgbundle, from the profile"),
];

/// Parameters that the operator may not set, and names that cannot be parameters.
pub(super) fn parameters(parameters: &Texts, faults: &Faults) {
    for (name, value) in parameters {
        let lower = name.to_ascii_lowercase();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
        if name.is_empty() || !name.bytes().all(plain) {
            faults.add(
                format!("`{name}` is not the name of a PostgreSQL parameter"),
                Some(value.span()),
                "",
                Some("names are letters, digits and `_`; an extension's have its name and a dot before"),
            );
        } else if let Some((_, owner)) = MANAGED.iter().find(|(managed, _)| *managed == lower) {
            faults.add(
                format!("`{name}` is set by {owner}"),
                Some(value.span()),
                "",
                Some("remove it from `[postgres.parameters]`"),
            );
        }
    }
}
