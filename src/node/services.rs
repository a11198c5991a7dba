//! Starting what the roles run: guards taken away, units enabled, started
//! without waiting, and restarted or reloaded only where something changed.
//!
//! Nothing waits here for a service to be ready: etcd's notify unit is not
//! before there is a quorum, and a host that waited for it would hold up the
//! others that make the quorum. The health step asks instead.

use std::time::Duration;

use super::bundles::RoleBundle;
use super::clock::{self, heard};
use super::console::brief;
use super::files::all_services;
use super::held;
use super::host::Host;
use super::narrator::Narrator;
use super::pending::{self, Pending};
use super::stop::Stop;
use super::systemctl;
use super::units;
use crate::base::atomic::flush_file_system;
use crate::bundle::assignment::{Health, Service, Uptake};
use crate::seed::identity::Identity;

/// The units of services, in their order.
pub fn units_of<'s>(services: &[&'s Service]) -> Vec<&'s str> {
    services
        .iter()
        .map(|service| service.unit.as_str())
        .collect()
}

/// Whether a service is the one that sets the clock.
pub fn keeps_time(service: &Service) -> bool {
    matches!(service.health, Health::ClockInStep { .. })
}

/// What is left to do; empty when every unit runs and has taken everything up.
pub fn left(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
    let services: Vec<&Service> = all_services(bundles).collect();
    let units = units_of(&services);
    let enabled = systemctl::enabled(host, &units)?;
    let running = systemctl::running(host, units)?;
    let (mut disabled, mut idle) = (Vec::new(), Vec::new());
    for service in services {
        if !enabled.contains(service.unit.as_str()) {
            disabled.push(service.unit.clone());
        }
        // One that has no say on this host never runs.
        let has_begun = running.contains(service.unit.as_str())
            || (keeps_time(service) && heard::is_skipped(host, &service.unit)?);
        if !has_begun {
            idle.push(service.unit.clone());
        }
    }
    let changed: Vec<String> = pending::read(host)?.units.into_keys().collect();
    let held = held::names(host)?;
    let parts = [
        brief(&held, "a unit to give back", "units to give back"),
        brief(&disabled, "a unit to enable", "units to enable"),
        brief(&idle, "a unit to start", "units to start"),
        brief(
            &changed,
            "a unit with a change to take up",
            "units with a change to take up",
        ),
    ];
    Ok(parts.into_iter().flatten().collect())
}

/// Brings every service up, in order; none is started by a clock out of step.
pub fn start_all(
    host: &Host,
    narrator: &mut Narrator,
    identity: &Identity,
    bundles: &[RoleBundle],
    patience: Option<Duration>,
) -> Result<(), Stop> {
    let pending = pending::read(host)?;
    let (clocks, others): (Vec<_>, Vec<_>) =
        all_services(bundles).partition(|service| keeps_time(service));
    for clock in &clocks {
        units::unmask(host, &clock.unit)?;
    }
    if !clocks.is_empty() {
        systemctl::enable(host, &units_of(&clocks))?;
        systemctl::reload(host)?;
        start(host, &clocks, &pending, Waiting::UntilReady)?;
    }
    // What runs already is not held up by a time server that is away.
    if systemctl::running(host, units_of(&others))?.len() < others.len() {
        clock::wait_for(host, narrator, identity, bundles, patience)?;
    }
    held::unmask(host)?;
    systemctl::enable(host, &units_of(&others))?;
    // Once, for the packages' units, ours, the masks and what is enabled.
    systemctl::reload(host)?;
    held::start_again(host)?;
    start(host, &others, &pending, Waiting::Not)?;
    // `systemctl enable` leaves its links to the kernel.
    flush_file_system(&host.root)?;
    pending::clear(host)
}

/// Whether a start is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Not,
    /// The clock's is ready at once, and what its last run heard is gone then.
    UntilReady,
}

/// Starts services, or lets them take up what changed.
fn start(
    host: &Host,
    services: &[&Service],
    pending: &Pending,
    waiting: Waiting,
) -> Result<(), Stop> {
    let units = units_of(services);
    let running = systemctl::running(host, units.iter().copied())?;
    let verb = |unit: &str| match pending.units.get(unit) {
        _ if !running.contains(unit) => Some("start"),
        Some(Uptake::Restart) => Some("restart"),
        Some(Uptake::Reload) => Some("reload-or-restart"),
        None => None,
    };
    for begun in ["start", "restart", "reload-or-restart"] {
        let is_so = |unit: &&str| verb(unit) == Some(begun);
        let units: Vec<&str> = units.iter().copied().filter(is_so).collect();
        match waiting {
            Waiting::Not => systemctl::begin(host, begun, &units)?,
            Waiting::UntilReady => systemctl::finish(host, begun, &units)?,
        }
    }
    Ok(())
}

#[cfg(test)]
pub mod tests {
    //! Who is started when, and a role for other modules' tests.

    use std::time::Instant;

    use serde_json::json;

    use super::*;
    use crate::node::durable::{self, Rights};
    use crate::node::identity::tests::example;
    use crate::node::system::recorded::Recorded;

    /// A role of one service beside the clock, without packages.
    pub fn role(role: &str, unit: &str) -> RoleBundle {
        let layer = json!({"digest": "0".repeat(64), "files": []});
        let manifest = json!({
            "format": 1, "cluster": "demo", "cluster_id": "00", "role": role, "profile": "debian12",
            "architecture": "amd64", "generation": 1, "date": "2026-11-01T00:00:00Z",
            "os": {"id": "debian", "version": "12"}, "family": "deb",
            "packages": layer, "cluster_layer": layer, "package_list": [],
        });
        let service = |unit: &str, health| json!({"name": unit, "unit": unit, "on_change": "restart", "on_certificate": "restart", "health": health});
        let clock =
            json!({"kind": "clock-in-step", "waits_for": "the clock", "servers": ["10.0.0.5"]});
        let active = json!({"kind": "unit-active", "waits_for": "it to run"});
        let assignment = json!({
            "format": 1, "node": "db-1", "role": role, "packages": [], "guarded_units": [],
            "masked_units": [], "directories": [], "files": [], "facts": [], "blocks": [], "ports": [], "data": [],
            "services": [service("timesyncd.service", clock), service(unit, active)],
        });
        RoleBundle {
            folder: "/nowhere".into(),
            manifest: serde_json::from_value(manifest).unwrap(),
            assignment: serde_json::from_value(assignment).unwrap(),
        }
    }

    #[test]
    fn nothing_is_started_by_a_clock_out_of_step() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        system.answer("ConditionResult", 0, "ConditionTimestampMonotonic=0\n");
        let bundles = [
            role("etcd", "etcd.service"),
            role("proxy", "haproxy.service"),
        ];
        let mut narrator = Narrator::new(&host);
        let begun = Instant::now();
        let starts = |system: &Recorded| -> Vec<String> {
            let calls = system.take().into_iter();
            calls.filter(|call| call.contains(" start ")).collect()
        };
        let (mut identity, at_once) = (example(), Some(Duration::ZERO));
        let stop = start_all(&host, &mut narrator, &identity, &bundles, at_once).unwrap_err();
        assert!(
            stop.to_string()
                .contains("the clock from timesyncd.service with 10.0.0.5")
        );
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(starts(&system), ["systemctl start timesyncd.service"]);
        let said = "ConditionResult=no\nConditionTimestampMonotonic=7\n";
        system.answer("ConditionResult", 0, said);
        identity.expires = host.now().plus_days(-1);
        identity.date = host.now().plus_days(-2);
        identity.valid_from = host.now().plus_days(-2);
        let stop = start_all(&host, &mut narrator, &identity, &bundles, at_once).unwrap_err();
        assert!(stop.to_string().contains("certificates expire"), "{stop}");
        assert_eq!(starts(&system).len(), 1, "the time service alone");
        let synchronized = host.path("/run/systemd/timesync/synchronized");
        durable::write(&synchronized, b"", Rights::own(0o644)).unwrap();
        let stop = start_all(&host, &mut narrator, &identity, &bundles, at_once).unwrap_err();
        assert_eq!(stop.exit_code(), 1, "the seed is refused: {stop}");
        starts(&system);
        identity.expires = host.now().plus_days(1);
        start_all(&host, &mut narrator, &identity, &bundles, at_once).unwrap();
        let expected = [
            "systemctl start timesyncd.service",
            "systemctl start --no-block etcd.service haproxy.service",
        ];
        assert_eq!(starts(&system), expected);
    }

    #[test]
    fn systemd_is_reloaded_once_for_all_services_before_any_starts() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        system.unit("etcd.service", "active");
        system.unit("patroni.service", "active");
        system.answer("is-enabled", 1, "disabled\nenabled\ndisabled\ndisabled\n");
        let mut bundles = ["etcd", "patroni", "haproxy", "keepalived"]
            .map(|name| role("etcd", &format!("{name}.service")));
        let is_clock = |service: &Service| service.unit == "timesyncd.service";
        for bundle in &mut bundles {
            bundle
                .assignment
                .services
                .retain(|service| !is_clock(service));
        }
        pending::add(&host, "etcd.service", Uptake::Restart).unwrap();
        pending::add(&host, "haproxy.service", Uptake::Reload).unwrap();
        let mut identity = example();
        identity.valid_from = host.now().plus_days(-1);
        identity.date = identity.valid_from;
        identity.expires = host.now().plus_days(1);
        let mut narrator = Narrator::new(&host);
        start_all(&host, &mut narrator, &identity, &bundles, None).unwrap();
        let told: Vec<String> = system
            .take()
            .into_iter()
            .filter(|call| !call.contains(" show ") && !call.contains(" is-enabled "))
            .collect();
        let expected = [
            "SYSTEMCTL_SKIP_SYSV=1 systemctl --no-reload --quiet enable etcd.service haproxy.service keepalived.service",
            "systemctl daemon-reload",
            "systemctl start --no-block haproxy.service keepalived.service",
            "systemctl restart --no-block etcd.service",
        ];
        assert_eq!(told, expected);
    }
}
