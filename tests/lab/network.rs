//! The lab's network: a namespace with a bridge and the gateway, and one namespace a host.
//!
//! Nothing connects them to the machine's own network. A host's interface is
//! made in the host's namespace before it boots, with a name such as a
//! virtual machine has. (Its hardware address cannot serve to find it: a veth
//! has no permanent one, and that is what netplan 0.106 matches.)

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::thread;

use ipnet::Ipv4Net;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::os::fd::AsFd;

use crate::command::{Failure, command, command_in, run};

const NAMESPACES: &str = "/run/netns";

/// A bridge in a namespace of its own.
pub struct Network {
    name: String,
}

impl Network {
    /// Makes it; `gateway` carries the prefix of the hosts' subnet.
    pub fn create(name: &str, gateway: Ipv4Net) -> Result<Self, Failure> {
        ip(&["netns", "add", name])?;
        let network = Self {
            name: name.to_owned(),
        };
        network.ip(&["link", "set", "lo", "up"])?;
        network.ip(&["link", "add", "br0", "type", "bridge"])?;
        network.ip(&["addr", "add", &gateway.to_string(), "dev", "br0"])?;
        network.ip(&["link", "set", "br0", "up"])?;
        Ok(network)
    }

    /// The namespace's file.
    pub fn path(&self) -> PathBuf {
        path(&self.name)
    }

    /// A namespace for one host, plugged into the bridge at a port of its own.
    pub fn plug(&self, name: &str, port: u8) -> Result<PathBuf, Failure> {
        let mac = format!("52:54:00:77:00:{port:02x}");
        let (port, interface) = (format!("port{port}"), format!("ens{port}"));
        ip(&["netns", "add", name])?;
        self.ip(&[
            "link", "add", &port, "type", "veth", "peer", "name", &interface, "address", &mac,
        ])?;
        self.ip(&["link", "set", &interface, "netns", name])?;
        self.ip(&["link", "set", &port, "master", "br0", "up"])?;
        Ok(path(name))
    }

    /// A TAP interface in the bridge's own namespace, plugged into it, for an emulator.
    pub fn tap(&self, address: Ipv4Addr) -> Result<String, Failure> {
        let tap = format!("tap{}", address.octets()[3]);
        self.ip(&["tuntap", "add", "dev", &tap, "mode", "tap"])?;
        self.ip(&["link", "set", &tap, "master", "br0", "up"])?;
        Ok(tap)
    }

    /// Switches the bridge's port of a host on or off.
    pub fn set_port(&self, port: u8, is_on: bool) -> Result<(), Failure> {
        let port = format!("port{port}");
        let state = if is_on { "up" } else { "down" };
        self.ip(&["link", "set", &port, state]).map(drop)
    }

    /// Runs `ip` in the bridge's namespace.
    pub fn ip(&self, arguments: &[&str]) -> Result<String, Failure> {
        run(command_in(&self.path(), "ip").args(arguments))
    }
}

fn ip(arguments: &[&str]) -> Result<String, Failure> {
    run(command("ip").args(arguments))
}

fn path(name: &str) -> PathBuf {
    Path::new(NAMESPACES).join(name)
}

/// Removes every namespace whose name begins with `prefix`.
pub fn remove_named(prefix: &str) -> Result<(), Failure> {
    let Ok(entries) = fs::read_dir(NAMESPACES) else {
        return Ok(());
    };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) {
            ip(&["netns", "delete", &name])?;
        }
    }
    Ok(())
}

/// Runs `work` in a thread that is in the namespace; sockets made there stay in it.
pub fn inside<T: Send>(
    namespace: &Path,
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    let enter = || -> Result<T, Failure> {
        let namespace = File::open(namespace)?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        work()
    };
    thread::scope(|scope| {
        let thread = scope.spawn(|| enter().map_err(|cause| cause.to_string()));
        thread
            .join()
            .map_err(|_| "a thread in the lab's network panicked")?
            .map_err(Failure::from)
    })
}
