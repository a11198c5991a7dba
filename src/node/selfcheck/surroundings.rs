//! What the host itself is: system, kernel, loader, SELinux, firewall.

use super::{Finding, Outcome};
use crate::node::facts;
use crate::node::host::Host;
use crate::node::system::Call;

/// What is asked of the host, whatever is installed on it: heading, program, arguments.
const FACTS: [(&str, &str, &[&str]); 9] = [
    ("kernel", "uname", &["-r"]),
    ("architecture", "uname", &["-m"]),
    ("systemd", "systemctl", &["--version"]),
    ("C library", "ldd", &["--version"]),
    ("python3", "python3", &["--version"]),
    ("openssl", "openssl", &["version"]),
    ("cloud-init", "cloud-init", &["--version"]),
    ("locale C.UTF-8", "locale", &["-a"]),
    ("clock", "timedatectl", &[]),
];

/// Asks all of it.
pub fn ask(host: &Host) -> Vec<Finding> {
    let mut findings = vec![release(host)];
    for (what, program, arguments) in FACTS {
        let mut finding = told("host", what, host, program, arguments);
        finding.said = match what {
            "locale C.UTF-8" => {
                let utf8 = |line: &&str| line.to_lowercase().starts_with("c.utf");
                finding.said.lines().find(utf8).unwrap_or("no").to_owned()
            }
            "clock" => finding.said,
            _ => finding.said.lines().next().unwrap_or_default().to_owned(),
        };
        findings.push(finding);
    }
    findings.push(told("SELinux", "mode", host, "getenforce", &[]));
    findings.push(told(
        "firewall",
        "firewalld",
        host,
        "firewall-cmd",
        &["--state"],
    ));
    findings.push(told(
        "firewall",
        "open",
        host,
        "firewall-cmd",
        &["--list-all"],
    ));
    findings
}

fn release(host: &Host) -> Finding {
    match facts::os_release(host) {
        Ok(found) => {
            let said = format!("{} {}", found.id, found.version);
            Finding::new("host", "os-release", Outcome::Told, said)
        }
        Err(stop) => Finding::new("host", "os-release", Outcome::Bad, stop.to_string()),
    }
}

/// What a program says; that it is not there is no fault.
pub fn told(
    about: &'static str,
    what: &str,
    host: &Host,
    program: &str,
    arguments: &[&str],
) -> Finding {
    let call = Call::new(program, arguments).with("LC_ALL", "C");
    match host.system.ask(&call) {
        Ok(answer) => {
            let said = format!("{}{}", answer.output, answer.errors);
            Finding::new(about, what, Outcome::Told, said)
        }
        Err(fault) => Finding::new(about, what, Outcome::Absent, fault.to_string()),
    }
}
