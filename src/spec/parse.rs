//! From the spec's text to a [`Spec`], or to everything that is wrong with it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use toml::Spanned;

use super::check;
use super::{
    Certificates, Node, Places, PlainFile, Ports, Postgres, Spec, StaticNetwork, Synchronous,
    VendorFolder, Vip,
};
use crate::base::{ClusterName, NodeName, NodePath, Role, Sha256};
use crate::document::{Document, Fault, Faults, FromText, Section, Span};
use crate::seed::identity::DeliverySource;

/// Parses a spec; every fault of the text is returned, not only the first.
pub fn parse(text: &str) -> Result<Spec, Vec<Fault>> {
    let document = Document::parse(text)?;
    let faults = Faults::default();
    let spec = read(document.root(&faults));
    faults.conclude(spec)
}

/// A node with the places of what is checked against the other nodes.
pub(super) struct PlacedNode {
    pub node: Node,
    pub name: Spanned<NodeName>,
    pub address: Spanned<IpNet>,
}

fn read(root: Section<'_, '_>) -> Option<Spec> {
    version(&root);
    let cluster = root.table("cluster").or_else(|| missing(&root, "cluster"));
    let network = root.table("network").map(read_network).unwrap_or_default();
    let nodes: Vec<_> = root
        .tables("node")
        .into_iter()
        .map(|node| read_node(node, &network))
        .collect();
    let postgres = read_postgres(root.table("postgres"));
    let vip = root.table("vip").map(read_vip);
    let ports = read_ports(root.table("ports"));
    let time_servers = read_time(root.table("time"));
    let delivery = read_delivery(root.table("delivery"));
    let certificates = read_certificates(root.table("certificates"));
    let plain_files = root
        .tables("file")
        .into_iter()
        .map(read_file)
        .collect::<Vec<_>>();
    let vendor: Vec<_> = root.tables("vendor").into_iter().map(read_vendor).collect();
    let named = cluster.and_then(read_cluster);
    let faults = root.faults();
    root.finish();

    let vendor: Vec<Spanned<VendorFolder>> = vendor.into_iter().collect::<Option<_>>()?;
    let nodes: Option<Vec<PlacedNode>> = nodes.into_iter().collect();
    let named = named?;
    let (postgres, major_place) = postgres?;
    let nodes = nodes?;
    check::topology(&nodes, vip.as_ref().and_then(Option::as_ref), faults);
    Some(Spec {
        cluster: named.cluster,
        places: Places {
            profile: named.profile.as_ref().map(Spanned::span),
            bases: named.bases.as_ref().map(Spanned::span),
            major: major_place,
            vendor: vendor.first().map(Spanned::span),
        },
        profile: named.profile.map(Spanned::into_inner),
        bases: named.bases.map(Spanned::into_inner).unwrap_or_default(),
        postgres,
        nodes: nodes.into_iter().map(|placed| placed.node).collect(),
        vip: match vip {
            Some(vip) => Some(vip?.into_inner()),
            None => None,
        },
        ports: ports?,
        time_servers,
        delivery,
        certificates: certificates?,
        plain_files: plain_files.into_iter().collect::<Option<_>>()?,
        vendor: vendor.into_iter().map(Spanned::into_inner).collect(),
    })
}

fn version(root: &Section<'_, '_>) {
    let Some(version) = root.required::<u32>("version") else {
        return;
    };
    if *version.get_ref() != 1 {
        let message = format!(
            "this spec has format {}; this program reads format 1",
            version.get_ref()
        );
        let hint = "a newer pgbundle may read it; `pgbundle init` writes a spec of format 1";
        root.faults()
            .add(message, Some(version.span()), "", Some(hint));
    }
}

fn missing<T>(root: &Section<'_, '_>, name: &str) -> Option<T> {
    root.faults().add(
        format!("the spec lacks the table `[{name}]`"),
        None,
        "",
        Some("`pgbundle init` writes a spec with everything in it"),
    );
    None
}

struct Named {
    cluster: ClusterName,
    profile: Option<Spanned<String>>,
    bases: Option<Spanned<Vec<String>>>,
}

fn read_cluster(section: Section<'_, '_>) -> Option<Named> {
    let name = section.required("name");
    let profile = section.optional("profile");
    let bases = section.optional("bases");
    section.finish();
    Some(Named {
        cluster: name?.into_inner(),
        profile,
        bases,
    })
}

#[derive(Clone, Default)]
struct Network {
    gateway: Option<IpAddr>,
    dns: Vec<IpAddr>,
    is_given: bool,
}

fn read_network(section: Section<'_, '_>) -> Network {
    let network = Network {
        gateway: section.value("gateway"),
        dns: section
            .list("dns")
            .into_iter()
            .map(Spanned::into_inner)
            .collect(),
        is_given: true,
    };
    section.finish();
    network
}

fn read_node(section: Section<'_, '_>, network: &Network) -> Option<PlacedNode> {
    let faults_before = section.faults().count();
    let name = section.required::<NodeName>("name");
    let address = section.required::<IpNet>("address");
    let roles = section.list::<Role>("roles");
    let mac = section.optional::<Mac>("mac");
    if roles.is_empty() && section.required::<Vec<Role>>("roles").is_some() {
        section.faults().add(
            "a node needs at least one role",
            Some(section.span()),
            "",
            Some("write `roles = [\"etcd\", \"postgres\", \"proxy\"]`, or some of them"),
        );
    }
    let host_part = address
        .as_ref()
        .is_some_and(|address| !check::is_host(address.get_ref()));
    if let (true, Some(address)) = (host_part, &address) {
        let message = format!(
            "`{}` is the address of the network or of all its hosts, not of one host",
            address.get_ref()
        );
        let hint = "write the host's own address with the prefix of its network";
        section
            .faults()
            .add(message, Some(address.span()), "", Some(hint));
    }
    // What depends on a node that is itself in doubt is not worth a fault of its own.
    let is_sound = section.faults().count() == faults_before;
    section.finish();

    let (name, address) = (name.filter(|_| is_sound)?, address?);
    let mut roles: Vec<_> = roles.into_iter().map(Spanned::into_inner).collect();
    roles.sort();
    roles.dedup();
    let static_network = (network.is_given || mac.is_some()).then(|| StaticNetwork {
        mac: mac.map(|mac| mac.into_inner().0),
        gateway: network.gateway,
        dns: network.dns.clone(),
    });
    let node = Node {
        name: name.get_ref().clone(),
        address: *address.get_ref(),
        roles,
        network: static_network,
    };
    Some(PlacedNode {
        node,
        name,
        address,
    })
}

/// A hardware address: six pairs of lower-case hexadecimal digits.
struct Mac(String);

impl FromText for Mac {
    fn from_text(text: &str) -> Result<Self, String> {
        let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        let lower = text.to_ascii_lowercase();
        if lower.split(':').count() == 6 && lower.split(':').all(is_pair) {
            Ok(Self(lower))
        } else {
            Err(format!(
                "`{text}` is not a hardware address such as 52:54:00:12:34:56"
            ))
        }
    }
}

impl FromText for Synchronous {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "on" => Ok(Self::On),
            "strict" => Ok(Self::Strict),
            _ => Err(format!("`{text}` is not one of `off`, `on`, `strict`")),
        }
    }
}

fn read_postgres(section: Option<Section<'_, '_>>) -> Option<(Postgres, Option<Span>)> {
    let Some(section) = section else {
        let postgres = Postgres {
            major: None,
            synchronous: Synchronous::On,
            parameters: BTreeMap::new(),
        };
        return Some((postgres, None));
    };
    let major = section.optional::<u32>("major");
    let synchronous = section.value("synchronous").unwrap_or(Synchronous::On);
    let parameters = section.texts("parameters");
    check::parameters(&parameters, section.faults());
    section.finish();
    let place = major.as_ref().map(Spanned::span);
    let postgres = Postgres {
        major: major.map(Spanned::into_inner),
        synchronous,
        parameters: parameters
            .into_iter()
            .map(|(name, text)| (name, text.into_inner().0))
            .collect(),
    };
    Some((postgres, place))
}

fn read_vip(section: Section<'_, '_>) -> Option<Spanned<Vip>> {
    let address = section.required::<IpNet>("address");
    let id = section.optional::<u8>("virtual_router_id");
    if let Some(id) = id.as_ref().filter(|id| *id.get_ref() == 0) {
        section.faults().add(
            "a virtual router id is a number from 1 to 255 (RFC 5798)",
            Some(id.span()),
            "",
            None,
        );
    }
    section.finish();
    let address = address?;
    let last_octet = match address.get_ref().addr() {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    };
    let vip = Vip {
        address: *address.get_ref(),
        virtual_router_id: id.map_or(last_octet.max(1), Spanned::into_inner),
    };
    Some(Spanned::new(address.span(), vip))
}

fn read_ports(section: Option<Section<'_, '_>>) -> Option<Ports> {
    let mut ports = Ports {
        postgres: 5432,
        pgbouncer: 6432,
        patroni: 8008,
        etcd_client: 2379,
        etcd_peer: 2380,
        read_write: 5000,
        replicas: 5001,
        synchronous: 5002,
        asynchronous: 5003,
        statistics: 7000,
    };
    let Some(section) = section else {
        return Some(ports);
    };
    let mut placed = Vec::new();
    let mut take = |key: &'static str, port: &mut u16| {
        if let Some(given) = section.optional::<u16>(key) {
            *port = *given.get_ref();
            placed.push(given);
        }
    };
    take("postgres", &mut ports.postgres);
    take("pgbouncer", &mut ports.pgbouncer);
    take("patroni", &mut ports.patroni);
    take("etcd_client", &mut ports.etcd_client);
    take("etcd_peer", &mut ports.etcd_peer);
    take("read_write", &mut ports.read_write);
    take("replicas", &mut ports.replicas);
    take("synchronous", &mut ports.synchronous);
    take("asynchronous", &mut ports.asynchronous);
    take("statistics", &mut ports.statistics);
    check::ports(&ports, &placed, section.faults());
    section.finish();
    Some(ports)
}

fn read_time(section: Option<Section<'_, '_>>) -> Vec<String> {
    let Some(section) = section else {
        return Vec::new();
    };
    let servers = section.list::<String>("servers");
    for server in &servers {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        if !server.get_ref().chars().all(plain) {
            let message = format!(
                "`{}` is neither a host name nor an address",
                server.get_ref()
            );
            let hint = "write `servers = [\"ntp.example.org\"]`";
            section
                .faults()
                .add(message, Some(server.span()), "", Some(hint));
        }
    }
    section.finish();
    servers.into_iter().map(Spanned::into_inner).collect()
}

fn read_delivery(section: Option<Section<'_, '_>>) -> Vec<DeliverySource> {
    let sources = section.map_or_else(Vec::new, |section| {
        let sources = section.list("sources");
        section.finish();
        sources.into_iter().map(Spanned::into_inner).collect()
    });
    if sources.is_empty() {
        vec![DeliverySource::Media]
    } else {
        sources
    }
}

fn read_certificates(section: Option<Section<'_, '_>>) -> Option<Certificates> {
    let mut certificates = Certificates {
        ca_days: 7300,
        node_days: 1825,
    };
    if let Some(section) = section {
        certificates.ca_days = section.value("ca_days").unwrap_or(certificates.ca_days);
        certificates.node_days = section.value("node_days").unwrap_or(certificates.node_days);
        if certificates.node_days == 0
            || certificates.node_days > certificates.ca_days
            || certificates.ca_days > 36_500
        {
            section.faults().add(
                "certificates live from 1 day up to the CA's lifetime, and the CA at most 36,500 days",
                Some(section.span()),
                "",
                None,
            );
        }
        section.finish();
    }
    Some(certificates)
}

fn read_file(section: Section<'_, '_>) -> Option<PlainFile> {
    let name = section.required::<FileName>("name");
    let version = section.required::<String>("version");
    let from = section.required::<String>("from");
    let sha256 = section.required::<Sha256>("sha256");
    let path = section.value::<NodePath>("install");
    let mode = section
        .value::<OctalMode>("mode")
        .unwrap_or(OctalMode(0o755));
    let roles = section.list::<Role>("roles");
    if roles.is_empty() {
        section.faults().add(
            "a file needs the roles that carry it",
            Some(section.span()),
            "`roles` belongs here",
            None,
        );
    }
    section.finish();
    let mut roles: Vec<_> = roles.into_iter().map(Spanned::into_inner).collect();
    roles.sort();
    roles.dedup();
    Some(PlainFile {
        name: name?.into_inner().0,
        version: version?.into_inner(),
        from: from?.into_inner(),
        sha256: sha256?.into_inner(),
        install: path.map(|path| (path, mode.0)),
        roles,
    })
}

fn read_vendor(section: Section<'_, '_>) -> Option<Spanned<VendorFolder>> {
    let path = section.required::<String>("path");
    section.finish();
    let path = path?;
    let place = path.span();
    let path = path.into_inner();
    Some(Spanned::new(place, VendorFolder { path }))
}

/// One part of a path that needs no quoting anywhere.
struct FileName(String);

impl FromText for FileName {
    fn from_text(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        if !text.is_empty() && !text.starts_with('.') && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not a plain file name (letters, digits and `.`, `_`, `+`, `-`)"
            ))
        }
    }
}

/// Permission bits, written "0755".
struct OctalMode(u32);

impl FromText for OctalMode {
    fn from_text(text: &str) -> Result<Self, String> {
        match u32::from_str_radix(text, 8) {
            Ok(mode) if text.len() == 4 && mode <= 0o777 => Ok(Self(mode)),
            _ => Err(format!("`{text}` is not a mode such as \"0755\"")),
        }
    }
}
