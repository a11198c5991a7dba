//! What systemd and the kernel complained of since the boot: settings that this
//! systemd does not know, and denials of SELinux about our programs.

use super::{Finding, Outcome};
use crate::node::files::all_services;
use crate::node::host::{Host, read_if_there};
use crate::node::step::Context;
use crate::node::system::Call;

/// As systemd 219 and later say it.
const UNKNOWN: [&str; 4] = [
    "Unknown lvalue",
    "Unknown key name",
    "Unknown section",
    "Failed to parse",
];
const AUDIT: &str = "/var/log/audit/audit.log";
/// Names of processes in audit's records (`comm=`), cut to 15 letters by the kernel.
const OURS: [&str; 9] = [
    "etcd",
    "etcdctl",
    "patroni",
    "patronictl",
    "postgres",
    "pgbouncer",
    "haproxy",
    "keepalived",
    "pgbundle-node",
];

/// Asks both.
pub fn ask(context: &Context) -> Vec<Finding> {
    vec![settings(context), denials(context.host)]
}

fn settings(context: &Context) -> Finding {
    let what = "settings that systemd does not know";
    let words = ["--boot", "--no-pager", "--output=cat", "_PID=1"];
    let call = Call::new("journalctl", words).with("LC_ALL", "C");
    let answer = match context.host.system.ask(&call) {
        Ok(answer) => answer,
        Err(fault) => return Finding::new("journal", what, Outcome::Absent, fault.to_string()),
    };
    let units: Vec<&str> = all_services(&context.bundles)
        .map(|service| service.unit.as_str())
        .chain(["pgbundle"])
        .collect();
    let is_ours = |line: &&str| {
        UNKNOWN.iter().any(|word| line.contains(word))
            && units.iter().any(|unit| line.contains(unit))
    };
    judged("journal", what, answer.output.lines().filter(is_ours))
}

/// The lines of the audit log that are of this boot: `msg=audit(seconds.…)`.
fn denials(host: &Host) -> Finding {
    let what = "SELinux denials of our programs since the boot";
    let Ok(Some(log)) = read_if_there(&host.path(AUDIT)) else {
        return Finding::new("SELinux", what, Outcome::Absent, format!("no {AUDIT}"));
    };
    let log = String::from_utf8_lossy(&log);
    let booted = booted(host);
    let is_ours = |line: &&str| {
        line.contains("avc:  denied")
            && seconds(line).is_none_or(|at| at >= booted)
            && OURS
                .iter()
                .any(|name| line.contains(&format!("comm=\"{name}\"")))
    };
    judged("SELinux", what, log.lines().filter(is_ours))
}

fn judged<'l>(about: &'static str, what: &str, lines: impl Iterator<Item = &'l str>) -> Finding {
    let lines: Vec<&str> = lines.take(50).collect();
    if lines.is_empty() {
        Finding::new(about, what, Outcome::Good, "none")
    } else {
        Finding::new(about, what, Outcome::Bad, lines.join("\n"))
    }
}

fn seconds(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("msg=audit(")?;
    rest.split('.').next()?.parse().ok()
}

/// When the kernel was booted (proc(5), `btime`).
fn booted(host: &Host) -> u64 {
    let stat = read_if_there(&host.path("/proc/stat")).ok().flatten();
    let stat = stat.unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|time| time.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::durable::{self, Rights};
    use crate::node::services::tests::role;
    use crate::node::system::recorded::Recorded;
    use crate::node::up;

    #[test]
    fn only_what_is_ours_and_of_this_boot_counts() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let lay = |path: &str, text: &str| {
            durable::write(&host.path(path), text.as_bytes(), Rights::own(0o600)).unwrap();
        };
        lay("/proc/stat", "cpu 1\nbtime 1000\n");
        let denied = |at: u64, comm: &str| {
            format!(
                "type=AVC msg=audit({at}.123:9): avc:  denied  {{ read }} for  pid=1 comm=\"{comm}\" name=\"x\"\n"
            )
        };
        lay(
            AUDIT,
            &format!("{}{}", denied(999, "etcd"), denied(1001, "sshd")),
        );
        assert_eq!(denials(&host).is, Outcome::Good);
        lay(AUDIT, &denied(1001, "haproxy"));
        assert_eq!(denials(&host).is, Outcome::Bad);
        let mut context = up::context(&host, None);
        context.bundles = vec![role("etcd", "etcd.service")];
        let line = "[/etc/systemd/system/etcd.service:40] Unknown lvalue 'ProtectKernelModules' in section 'Service'";
        system.answer(
            "journalctl",
            0,
            &format!("{line}\n[/lib/x.service:1] Unknown lvalue 'Y'\n"),
        );
        let finding = settings(&context);
        assert_eq!((finding.is, finding.said.as_str()), (Outcome::Bad, line));
    }
}
