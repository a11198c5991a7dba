//! The closed list of facts that only the host knows, and what preflight
//! asks of it: interface, memory, processors, os-release, listening ports.

use std::net::IpAddr;

use super::host::{Host, read_if_there};
use super::stop::Stop;
use super::system::Call;
use crate::bundle::assignment::Fact;

/// The text of a fact.
pub fn tell(host: &Host, fact: Fact, address: IpAddr) -> Result<String, Stop> {
    match fact {
        Fact::InterfaceOfAddress => interface_of(host, address)?
            .ok_or_else(|| Stop::World(format!("no interface carries {address}"))),
        Fact::MemoryMib => memory_mib(host).map(|mib| mib.to_string()),
        Fact::Processors => processors(host).map(|count| count.to_string()),
    }
}

/// The interface that carries `address`, if one does.
pub fn interface_of(host: &Host, address: IpAddr) -> Result<Option<String>, Stop> {
    let answer = host.system.run(&Call::new("ip", ["-o", "addr", "show"]))?;
    Ok(answer
        .output
        .lines()
        .find_map(|line| carries(line, address)))
}

/// `2: host0@if3    inet 10.0.0.1/24 brd … scope global host0`
fn carries(line: &str, address: IpAddr) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, interface, "inet" | "inet6", carried, ..] = words.as_slice() else {
        return None;
    };
    let carried: IpAddr = carried.split('/').next()?.parse().ok()?;
    let name = interface.split('@').next()?;
    (carried == address).then(|| name.to_owned())
}

fn text(host: &Host, path: &str) -> Result<String, Stop> {
    let bytes = read_if_there(&host.path(path))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn memory_mib(host: &Host) -> Result<u64, Stop> {
    let text = text(host, "/proc/meminfo")?;
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .trim()
            .strip_suffix(" kB")?
            .trim()
            .parse::<u64>()
            .ok()
    });
    kib.map(|kib| kib / 1024)
        .ok_or_else(|| Stop::World("`/proc/meminfo` has no MemTotal".to_owned()))
}

fn processors(host: &Host) -> Result<usize, Stop> {
    let text = text(host, "/proc/cpuinfo")?;
    match text
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count()
    {
        0 => Err(Stop::World("`/proc/cpuinfo` lists no processor".to_owned())),
        count => Ok(count),
    }
}

/// The operating system that a host runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// `ID`.
    pub id: String,
    /// `VERSION_ID`.
    pub version: String,
}

/// `ID` and `VERSION_ID` (os-release(5)).
pub fn os_release(host: &Host) -> Result<Running, Stop> {
    let mut text = text(host, "/etc/os-release")?;
    if text.is_empty() {
        text = self::text(host, "/usr/lib/os-release")?;
    }
    let value = |key: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default()
            .trim()
            .trim_matches(['"', '\''])
            .to_owned()
    };
    Ok(Running {
        id: value("ID"),
        version: value("VERSION_ID"),
    })
}

/// The TCP ports on which something listens (state 0A in proc(5)'s net/tcp).
pub fn listening_ports(host: &Host) -> Result<Vec<u16>, Stop> {
    let mut ports = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = text(host, table)?;
        ports.extend(text.lines().filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let port = u16::from_str_radix(words.next()?.rsplit(':').next()?, 16).ok()?;
            (words.nth(1)? == "0A").then_some(port)
        }));
    }
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn reads_what_the_kernel_writes() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        fs::create_dir_all(folder.path().join("proc/net")).unwrap();
        fs::create_dir_all(folder.path().join("etc")).unwrap();
        let write = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
        write(
            "proc/meminfo",
            "MemTotal:        2048000 kB\nMemFree: 1 kB\n",
        );
        write(
            "proc/cpuinfo",
            "processor\t: 0\nflags: x\n\nprocessor\t: 1\n",
        );
        write(
            "etc/os-release",
            "PRETTY_NAME=\"x\"\nVERSION_ID=\"12\"\nID=debian\n",
        );
        write(
            "proc/net/tcp",
            "  sl  local_address rem_address   st\n   0: 00000000:1538 00000000:0000 0A 0\n   1: 0100007F:0016 00000000:0000 01 0\n",
        );
        system.answer("ip -o addr", 0, "1: lo    inet 127.0.0.1/8 scope host lo\n2: host0@if3    inet 10.89.0.1/24 scope global host0\n");
        let address = "10.89.0.1".parse().unwrap();
        assert_eq!(tell(&host, Fact::MemoryMib, address).unwrap(), "2000");
        assert_eq!(tell(&host, Fact::Processors, address).unwrap(), "2");
        assert_eq!(
            tell(&host, Fact::InterfaceOfAddress, address).unwrap(),
            "host0"
        );
        assert!(
            tell(
                &host,
                Fact::InterfaceOfAddress,
                "10.89.0.2".parse().unwrap()
            )
            .is_err()
        );
        assert_eq!(
            os_release(&host).unwrap(),
            Running {
                id: "debian".into(),
                version: "12".into()
            }
        );
        assert_eq!(listening_ports(&host).unwrap(), [5432]);
    }
}
