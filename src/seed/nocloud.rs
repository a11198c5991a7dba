//! The other files of a NoCloud seed: `meta-data` and `network-config`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::identity::Identity;
use crate::spec::Node;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct MetaData<'a> {
    instance_id: String,
    local_hostname: &'a str,
}

/// `meta-data`. The instance-id is the same for every seed of a node, since
/// with a new one cloud-init would treat the host as new and draw new host keys.
pub fn meta_data(identity: &Identity) -> String {
    let id: String = identity.cluster_id.chars().take(8).collect();
    to_yaml(&MetaData {
        instance_id: format!("{}-{}-{id}", identity.cluster, identity.node),
        local_hostname: identity.node.as_str(),
    })
}

#[derive(Serialize)]
struct NetworkConfig<'a> {
    version: u32,
    ethernets: BTreeMap<&'static str, Ethernet<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Ethernet<'a> {
    #[serde(rename = "match")]
    matched: Match<'a>,
    dhcp4: bool,
    dhcp6: bool,
    /// A static network is all there is: waiting for a router's advertisements
    /// would hold up each boot by a dozen seconds where none answers.
    accept_ra: bool,
    addresses: [String; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nameservers: Option<Nameservers<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Match<'a> {
    MacAddress(&'a str),
    Name(&'static str),
}

#[derive(Serialize)]
struct Route {
    to: &'static str,
    via: IpAddr,
}

#[derive(Serialize)]
struct Nameservers<'a> {
    addresses: &'a [IpAddr],
}

/// `network-config` (version 2, which netplan takes as it is); none where the
/// spec leaves the host's network alone.
///
/// No `set-name`: nothing is renamed. The entry is called `eth0` because what
/// is no netplan and knows no such interface by its hardware address (the
/// sysconfig of cloud-init 19.4) takes the entry's name for the interface's.
/// Not `optional` either: what waits for the network wants this address.
pub fn network_config(node: &Node) -> Option<String> {
    let network = node.network.as_ref()?;
    let matched = match &network.mac {
        Some(mac) => Match::MacAddress(mac),
        None => Match::Name("e*"),
    };
    let ethernet = Ethernet {
        matched,
        dhcp4: false,
        dhcp6: false,
        accept_ra: false,
        addresses: [node.address.to_string()],
        routes: network.gateway.map(default_route).into_iter().collect(),
        nameservers: (!network.dns.is_empty()).then_some(Nameservers {
            addresses: &network.dns,
        }),
    };
    Some(to_yaml(&NetworkConfig {
        version: 2,
        ethernets: BTreeMap::from([("eth0", ethernet)]),
    }))
}

/// Written as a network: cloud-init 19.4 does not know `default`, and netplan
/// warns of `gateway4`.
fn default_route(via: IpAddr) -> Route {
    let to = match via {
        IpAddr::V4(_) => "0.0.0.0/0",
        IpAddr::V6(_) => "::/0",
    };
    Route { to, via }
}

fn to_yaml(document: &impl Serialize) -> String {
    serde_yaml::to_string(document).expect("these structs have text keys and no failure")
}
