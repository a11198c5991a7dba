//! What the lab must know of a spec: who is where. Read from the spec's own text.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use ipnet::Ipv4Net;

use crate::command::Failure;

/// A cluster's nodes and addresses.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// The gateway, with the prefix of the nodes' subnet.
    pub gateway: Ipv4Net,
    /// The virtual address.
    pub vip: Ipv4Addr,
    /// The nodes' names and addresses, in the spec's order.
    pub nodes: Vec<(String, Ipv4Addr)>,
}

/// The example that the lab boots.
pub fn example() -> Result<String, Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clusters/three-node.toml");
    fs::read_to_string(&path).map_err(|cause| format!("{}: {cause}", path.display()).into())
}

impl Cluster {
    /// Reads a spec that names a gateway, a VIP and IPv4 addresses.
    pub fn parse(spec: &str) -> Result<Self, Failure> {
        let spec: toml::Table = spec.parse()?;
        let nodes: Vec<(String, Ipv4Net)> = spec
            .get("node")
            .and_then(toml::Value::as_array)
            .ok_or("the spec has no [[node]]")?
            .iter()
            .map(|node| {
                Ok((
                    text(node, "name")?.to_owned(),
                    text(node, "address")?.parse()?,
                ))
            })
            .collect::<Result<_, Failure>>()?;
        let prefix = nodes.first().ok_or("the spec has no nodes")?.1.prefix_len();
        let gateway: Ipv4Addr = text(table(&spec, "network")?, "gateway")?.parse()?;
        let vip: Ipv4Net = text(table(&spec, "vip")?, "address")?.parse()?;
        Ok(Self {
            name: text(table(&spec, "cluster")?, "name")?.to_owned(),
            gateway: Ipv4Net::new(gateway, prefix)?,
            vip: vip.addr(),
            nodes: nodes
                .into_iter()
                .map(|(name, address)| (name, address.addr()))
                .collect(),
        })
    }
}

fn table<'a>(spec: &'a toml::Table, name: &str) -> Result<&'a toml::Value, Failure> {
    spec.get(name)
        .ok_or_else(|| format!("the spec has no [{name}]").into())
}

fn text<'a>(table: &'a toml::Value, key: &str) -> Result<&'a str, Failure> {
    table
        .get(key)
        .and_then(toml::Value::as_str)
        .ok_or_else(|| format!("the spec lacks `{key}`").into())
}
