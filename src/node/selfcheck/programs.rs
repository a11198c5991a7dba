//! What the roles are made of, asked in each program's own words: its version,
//! whether the loader finds its libraries, whether it takes its configuration;
//! packages beside the lock; and who of the other nodes can be reached.

use std::path::{Path, PathBuf};

use super::surroundings::told;
use super::{Finding, Outcome};
use crate::bundle::start::{BOOTSTRAP, Bootstrap, ETCD_START, EtcdStart};
use crate::node::etcd_members::authority;
use crate::node::files::all_services;
use crate::node::health;
use crate::node::host::{Host, read_if_there, read_json};
use crate::node::packages::{self, PackageManager};
use crate::node::step::Context;
use crate::node::system::Call;
use crate::node::systemctl;
use crate::node::units;

/// Asks all of it.
pub fn ask(context: &Context) -> Vec<Finding> {
    let host = context.host;
    let mut findings = versions(host);
    if context.bundles.is_empty() {
        return findings;
    }
    findings.extend(beside_the_lock(context));
    findings.extend(configurations(context));
    findings.extend(peers(host));
    findings
}

/// PostgreSQL's programs lie where initdb does.
fn programs(host: &Host) -> Vec<(&'static str, PathBuf, &'static str)> {
    let mut found: Vec<(&str, PathBuf, &str)> = [
        ("etcd", "etcd", "--version"),
        ("etcdctl", "etcdctl", "version"),
        ("pgbouncer", "pgbouncer", "--version"),
        ("haproxy", "haproxy", "-v"),
        ("keepalived", "keepalived", "--version"),
        ("patronictl", "patronictl", "version"),
    ]
    .map(|(what, program, word)| (what, PathBuf::from(program), word))
    .into();
    if let Ok(Some(settings)) = read_json::<Bootstrap>(&host.path(BOOTSTRAP)) {
        let initdb = settings.initdb.under(&host.root);
        for name in ["postgres", "psql", "pg_rewind"] {
            found.push((name, initdb.with_file_name(name), "--version"));
        }
    }
    found
}

fn versions(host: &Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (what, program, word) in programs(host) {
        let program = program.display().to_string();
        let mut version = told("versions", what, host, &program, &[word]);
        version.said = version.said.lines().next().unwrap_or_default().to_owned();
        let is_there = version.is != Outcome::Absent;
        findings.push(version);
        if is_there {
            findings.extend(libraries(host, what, &program));
        }
    }
    findings
}

/// What the loader finds of a program; a script or a static program has nothing to find.
fn libraries(host: &Host, what: &str, program: &str) -> Option<Finding> {
    let script = "path=$(command -v \"$0\") && exec ldd \"$path\"";
    let call = Call::new("sh", ["-c", script, program]).with("LC_ALL", "C");
    let answer = host.system.ask(&call).ok()?;
    let lost: Vec<&str> = answer
        .output
        .lines()
        .filter(|line| line.contains("not found"))
        .map(str::trim)
        .collect();
    let what = format!("{what}'s libraries");
    Some(if lost.is_empty() {
        Finding::new("loader", what, Outcome::Good, "all found")
    } else {
        Finding::new("loader", what, Outcome::Bad, lost.join("\n"))
    })
}

fn beside_the_lock(context: &Context) -> Option<Finding> {
    let manager = PackageManager::of_all(&context.bundles)?;
    let installed = match manager.installed(context.host) {
        Ok(installed) => installed,
        Err(stop) => {
            return Some(Finding::new(
                "packages",
                "list",
                Outcome::Bad,
                stop.to_string(),
            ));
        }
    };
    let entries = packages::entries(&context.bundles);
    let version = |name: &str| {
        installed
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, v)| v)
    };
    let mut other = Vec::new();
    let mut absent = 0;
    for entry in &entries {
        match version(&entry.name) {
            None => absent += 1,
            Some(have) if *have != entry.version => {
                other.push(format!(
                    "{} {have}, the lock has {}",
                    entry.name, entry.version
                ));
            }
            Some(_) => {}
        }
    }
    let head = format!("{} in the lock, {absent} not installed", entries.len());
    let said = [head]
        .into_iter()
        .chain(other)
        .collect::<Vec<_>>()
        .join("\n");
    Some(Finding::new(
        "packages",
        "beside the lock",
        Outcome::Told,
        said,
    ))
}

/// Each service's own check of what it is given.
fn configurations(context: &Context) -> Vec<Finding> {
    let host = context.host;
    let mut findings = Vec::new();
    for service in all_services(&context.bundles) {
        let unit = units::path(host, &service.unit);
        let text = read_if_there(&unit).ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        if !text.is_empty() {
            let path = unit.display().to_string();
            // It speaks of whatever the unit needs, too, so it is no verdict.
            let words = ["verify", &path];
            findings.push(told(
                "configuration",
                &service.unit,
                host,
                "systemd-analyze",
                &words,
            ));
        }
        let files = files_of(&text);
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        match service.name.as_str() {
            "haproxy" => {
                let words: Vec<&str> = ["-c"].into_iter().chain(files).collect();
                findings.push(judged(host, "haproxy.cfg", "haproxy", &words));
            }
            "keepalived" => {
                let file = Path::new("/etc/keepalived/keepalived.conf");
                let file = host.root.join(file.strip_prefix("/").unwrap_or(file));
                let file = file.display().to_string();
                findings.push(judged(
                    host,
                    "keepalived.conf",
                    "keepalived",
                    &["-t", "-f", &file],
                ));
            }
            _ => {}
        }
        let state = systemctl::active_state(host, &service.unit);
        let state = state.unwrap_or_else(|stop| stop.to_string());
        // Its validator wants the ports for itself.
        if service.name == "patroni" && state != "active" && !text.is_empty() {
            findings.extend(validated(host, &text));
        }
        findings.push(Finding::new(
            "services",
            service.unit.clone(),
            Outcome::Told,
            state,
        ));
    }
    findings
}

/// What Patroni's own validator says: of etcd and addresses, too, so it is no verdict.
fn validated(host: &Host, unit: &str) -> Option<Finding> {
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))?;
    let mut words: Vec<&str> = start.split_whitespace().collect();
    let settings = words.pop()?;
    let program = words.first()?;
    let arguments = ["--validate-config", settings];
    Some(told("configuration", "patroni", host, program, &arguments))
}

/// The `-f FILE` of the line that starts a service.
fn files_of(unit: &str) -> Vec<String> {
    let start = unit.lines().find(|line| line.starts_with("ExecStart="));
    let words: Vec<&str> = start.unwrap_or_default().split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == "-f");
    pairs
        .flat_map(|pair| [pair[0].to_owned(), pair[1].to_owned()])
        .collect()
}

fn judged(host: &Host, what: &str, program: &str, arguments: &[&str]) -> Finding {
    let call = Call::new(program, arguments).with("LC_ALL", "C");
    match host.system.ask(&call) {
        Ok(answer) if answer.succeeded() => {
            Finding::new("configuration", what, Outcome::Good, answer.complaint())
        }
        // Older versions do not have the question.
        Ok(answer) if answer.errors.contains("invalid option") => {
            Finding::new("configuration", what, Outcome::Absent, answer.complaint())
        }
        Ok(answer) => {
            let said = format!("`{call}` says no: {}", answer.complaint());
            Finding::new("configuration", what, Outcome::Bad, said)
        }
        Err(fault) => Finding::new("configuration", what, Outcome::Absent, fault.to_string()),
    }
}

/// Ports of the other nodes, as this one's settings name them.
fn peers(host: &Host) -> Vec<Finding> {
    let mut addresses = Vec::new();
    if let Ok(Some(settings)) = read_json::<EtcdStart>(&host.path(ETCD_START)) {
        for member in &settings.members {
            addresses.push((
                format!("etcd of {}", member.name),
                member.client_url.clone(),
            ));
            addresses.push((
                format!("etcd's peers of {}", member.name),
                member.peer_url.clone(),
            ));
        }
    }
    if let Ok(Some(settings)) = read_json::<Bootstrap>(&host.path(BOOTSTRAP)) {
        for peer in &settings.peers {
            addresses.push((format!("Patroni of {}", peer.name), peer.url.clone()));
        }
    }
    let find = |(what, url): (String, String)| {
        let address = authority(&url);
        let (is, said) = if health::accepts(address) {
            (Outcome::Good, format!("{address} accepts"))
        } else {
            (
                Outcome::Bad,
                format!("{address} does not accept a connection within a second"),
            )
        };
        Finding::new("reachable", what, is, said)
    };
    addresses.into_iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn a_library_that_the_loader_does_not_find_is_bad() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        system.answer(
            "ldd",
            0,
            "\tlibc.so.6 => /lib64/libc.so.6 (0x1)\n\tlibpq.so.5 => not found\n",
        );
        let finding = libraries(&host, "pgbouncer", "pgbouncer").unwrap();
        assert_eq!(
            (finding.is, finding.said.as_str()),
            (Outcome::Bad, "libpq.so.5 => not found")
        );
    }

    #[test]
    fn the_files_are_those_of_the_unit() {
        let unit =
            "[Service]\nExecStart=/usr/sbin/haproxy -Ws -f /etc/a.cfg -f /etc/b.cfg -p /run/x\n";
        assert_eq!(files_of(unit), ["-f", "/etc/a.cfg", "-f", "/etc/b.cfg"]);
    }
}
