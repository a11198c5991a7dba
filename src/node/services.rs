//! Starting what the roles run: guards taken away, units enabled, started
//! without waiting, and restarted or reloaded only where something changed.
//!
//! Nothing waits here for a service to be ready: etcd's notify unit is not
//! before there is a quorum, and a host that waited for it would hold up the
//! others that make the quorum. The health step asks instead.

use super::bundles::RoleBundle;
use super::files::all_services;
use super::host::Host;
use super::pending;
use super::stop::Stop;
use super::system::Call;
use super::units;
use crate::bundle::assignment::Uptake;

/// `ActiveState` of a unit (`active`, `activating`, `inactive`, `failed`, …).
pub fn active_state(host: &Host, unit: &str) -> Result<String, Stop> {
    let arguments = ["show", "--property=ActiveState", "--value", unit];
    let answer = host.system.run(&Call::new("systemctl", arguments))?;
    Ok(answer.output.trim().to_owned())
}

fn is_enabled(host: &Host, unit: &str) -> Result<bool, Stop> {
    let answer = host
        .system
        .ask(&Call::new("systemctl", ["is-enabled", "--quiet", unit]))?;
    Ok(answer.succeeded())
}

/// What is left to do; empty when every unit runs and has taken everything up.
pub fn left(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
    let mut left = Vec::new();
    for unit in guarded(bundles).filter(|unit| units::is_masked(host, unit)) {
        left.push(format!("{unit} is still masked"));
    }
    for service in all_services(bundles) {
        if !is_enabled(host, &service.unit)? {
            left.push(format!("{} is not enabled", service.unit));
        }
        if !matches!(
            active_state(host, &service.unit)?.as_str(),
            "active" | "activating" | "reloading"
        ) {
            left.push(format!("{} does not run", service.unit));
        }
    }
    left.extend(
        pending::read(host)?
            .units
            .into_keys()
            .map(|unit| format!("{unit} has a change to take up")),
    );
    Ok(left)
}

fn guarded(bundles: &[RoleBundle]) -> impl Iterator<Item = &String> {
    bundles
        .iter()
        .flat_map(|bundle| &bundle.assignment.guarded_units)
}

/// Brings every service up, in order.
pub fn start_all(host: &Host, bundles: &[RoleBundle]) -> Result<(), Stop> {
    for unit in guarded(bundles) {
        units::unmask(host, unit)?;
    }
    units::reload(host)?;
    let pending = pending::read(host)?;
    for service in all_services(bundles) {
        let unit = service.unit.as_str();
        if !is_enabled(host, unit)? {
            host.system
                .run(&Call::new("systemctl", ["enable", "--quiet", unit]))?;
        }
        let runs = matches!(
            active_state(host, unit)?.as_str(),
            "active" | "activating" | "reloading"
        );
        let verb = match pending.units.get(unit) {
            Some(Uptake::Restart) if runs => "restart",
            Some(Uptake::Reload) if runs => "reload-or-restart",
            _ if runs => continue,
            _ => "start",
        };
        host.system
            .run(&Call::new("systemctl", [verb, "--no-block", unit]))?;
    }
    pending::clear(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn asks_systemd_for_the_state_in_one_word() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        system.answer(
            "show --property=ActiveState --value etcd.service",
            0,
            "activating\n",
        );
        let host = Host {
            root: folder.path().to_owned(),
            system: &system,
        };
        assert_eq!(active_state(&host, "etcd.service").unwrap(), "activating");
    }
}
