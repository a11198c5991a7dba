//! Another host with this host's seed.
//!
//! A seed says which address a host has, and two hosts with one address take
//! each other's connections. The one that came first may be a serving member,
//! and etcd would have its member replaced by the newcomer. So before a host
//! that was never installed does anything else it asks whether somebody
//! answers for its address. If so it refuses, and answers for the address no
//! more: the other's connections are the other's. Nothing goes on by itself
//! when the other falls silent, which a host does that merely reboots; at the
//! next start of `pgbundle.service`, or the next boot, it is asked again.
//!
//! An address that a DHCP server gave is that server's to look after.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::arp::{self, Mac};
use super::durable::{self, Rights};
use super::facts;
use super::host::{Host, read_if_there};
use super::narrator::Narrator;
use super::stop::Stop;
use super::system::Call;
use crate::seed::identity::Identity;

/// The interface on which ARP was switched off, until the next boot.
const SILENCED: &str = "/run/pgbundle/arp-off";
/// `ARPHRD_ETHER` (linux/if_arp.h).
const ETHERNET: &str = "1";

/// Refuses where another host has this host's address.
pub fn refuse(host: &Host, narrator: &Narrator, identity: &Identity) -> Result<(), Stop> {
    let IpAddr::V4(address) = identity.address.addr() else {
        // The kernel itself asks for an IPv6 address before it uses it (RFC 4862).
        return Ok(());
    };
    if host.state("steps/packages.json").exists() {
        return Ok(());
    }
    let Some(interface) = own_ethernet(host, address)? else {
        return Ok(());
    };
    let (index, own) = (index(host, &interface)?, macs(host, &interface)?);
    match arp::other_holder(index, &own, address) {
        Ok(None) => speak(host),
        Ok(Some(other)) => {
            silence(host, &interface)?;
            Err(Stop::refuse(in_words(identity, &interface, other)))
        }
        Err(fault) => {
            narrator.say(&format!(
                "whether another host has {address} cannot be asked on {interface} ({fault})"
            ));
            Ok(())
        }
    }
}

fn in_words(identity: &Identity, interface: &str, other: Mac) -> String {
    let (node, address) = (&identity.node, identity.address.addr());
    format!(
        "{address}, the address of {node}, is in use by another host ({other}), so nothing was done here, and ARP was switched off on {interface} to leave that host's connections alone; \
         if that host is {node}, switch this one off, or give it a seed of its own; if this one is to take its place, switch that one off for good first"
    )
}

/// The interface that carries the address as it was configured, if it is an Ethernet.
fn own_ethernet(host: &Host, address: Ipv4Addr) -> Result<Option<String>, Stop> {
    let Some(interface) = facts::interface_of(host, address.into())? else {
        return Ok(None);
    };
    let answer = host.system.run(&Call::new(
        "ip",
        ["-o", "-4", "addr", "show", "dev", &interface],
    ))?;
    let is_leased = answer.output.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = words
            .iter()
            .any(|word| word.split('/').next() == Some(&address.to_string()));
        is_it && words.contains(&"dynamic")
    });
    let is_ethernet = fact(host, &interface, "type")?.as_deref() == Some(ETHERNET);
    Ok((is_ethernet && !is_leased).then_some(interface))
}

fn place(host: &Host, interface: &str, name: &str) -> PathBuf {
    host.path(&format!("/sys/class/net/{interface}/{name}"))
}

fn fact(host: &Host, interface: &str, name: &str) -> Result<Option<String>, Stop> {
    let bytes = read_if_there(&place(host, interface, name))?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
}

fn index(host: &Host, interface: &str) -> Result<u32, Stop> {
    let text = fact(host, interface, "ifindex")?.unwrap_or_default();
    text.parse()
        .map_err(|_| Stop::World(format!("{interface} has no number (`{text}`)")))
}

/// The hardware addresses of this host, that of `interface` first: Linux
/// answers on any of its interfaces for the addresses of all.
fn macs(host: &Host, interface: &str) -> Result<Vec<Mac>, Stop> {
    let mut names = vec![interface.to_owned()];
    let told = |fault: std::io::Error| Stop::World(format!("cannot list the interfaces: {fault}"));
    for entry in fs::read_dir(host.path("/sys/class/net")).map_err(told)? {
        names.push(
            entry
                .map_err(told)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    let mut macs = Vec::new();
    for name in names {
        let text = fact(host, &name, "address")?.unwrap_or_default();
        let bytes = hex::decode(text.replace(':', "")).unwrap_or_default();
        macs.extend(<[u8; 6]>::try_from(bytes).map(Mac));
    }
    Ok(macs)
}

fn silence(host: &Host, interface: &str) -> Result<(), Stop> {
    durable::write(
        &host.path(SILENCED),
        interface.as_bytes(),
        Rights::own(0o644),
    )?;
    host.system.run(&Call::new(
        "ip",
        ["link", "set", "dev", interface, "arp", "off"],
    ))?;
    Ok(())
}

/// Takes back what an earlier run did because of a host that is gone now.
fn speak(host: &Host) -> Result<(), Stop> {
    let path = host.path(SILENCED);
    if let Some(interface) = read_if_there(&path)? {
        let interface = String::from_utf8_lossy(&interface).into_owned();
        host.system.run(&Call::new(
            "ip",
            ["link", "set", "dev", &interface, "arp", "on"],
        ))?;
        durable::remove(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::identity::tests::example;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn an_address_that_was_leased_or_is_on_no_ethernet_is_not_asked_about() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let shown = "2: ens3    inet 10.89.0.1/24 brd 10.89.0.255 scope global ens3\n";
        system.answer("addr show", 0, shown);
        let address = Ipv4Addr::new(10, 89, 0, 1);
        let kind = |text: &str| {
            let path = place(&host, "ens3", "type");
            durable::write(&path, text.as_bytes(), Rights::own(0o644)).unwrap();
            own_ethernet(&host, address).unwrap()
        };
        assert_eq!(kind("772\n"), None);
        assert_eq!(kind("1\n").as_deref(), Some("ens3"));
        let leased = "2: ens3    inet 10.89.0.1/24 scope global dynamic ens3\n";
        system.answer("addr show", 0, leased);
        assert_eq!(kind("1\n"), None);
    }

    #[test]
    fn arp_is_given_back_once() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        silence(&host, "ens3").unwrap();
        speak(&host).unwrap();
        speak(&host).unwrap();
        let expected = [
            "ip link set dev ens3 arp off",
            "ip link set dev ens3 arp on",
        ];
        assert_eq!(system.take(), expected);
        let words = in_words(&example(), "ens3", Mac([2; 6]));
        assert!(words.contains(
            "10.89.0.1, the address of db-1, is in use by another host (02:02:02:02:02:02)"
        ));
    }
}
