//! Starting what the roles run: guards taken away, units enabled, started
//! without waiting, and restarted or reloaded only where something changed.
//!
//! Nothing waits here for a service to be ready: etcd's notify unit is not
//! before there is a quorum, and a host that waited for it would hold up the
//! others that make the quorum. The health step asks instead.

use super::bundles::RoleBundle;
use super::console::brief;
use super::files::all_services;
use super::held;
use super::host::Host;
use super::pending::{self, Pending};
use super::stop::Stop;
use super::system::Call;
use crate::bundle::assignment::{Service, Uptake};

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

fn runs(host: &Host, unit: &str) -> Result<bool, Stop> {
    let state = active_state(host, unit)?;
    Ok(matches!(
        state.as_str(),
        "active" | "activating" | "reloading"
    ))
}

/// What is left to do; empty when every unit runs and has taken everything up.
pub fn left(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
    let (mut disabled, mut idle) = (Vec::new(), Vec::new());
    for service in all_services(bundles) {
        if !is_enabled(host, &service.unit)? {
            disabled.push(service.unit.clone());
        }
        if !runs(host, &service.unit)? {
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

/// Brings every service up, in order.
pub fn start_all(host: &Host, bundles: &[RoleBundle]) -> Result<(), Stop> {
    held::give_back(host)?;
    let pending = pending::read(host)?;
    for service in all_services(bundles) {
        start(host, service, &pending)?;
    }
    pending::clear(host)
}

/// Enables and starts one service, or lets it take up what changed.
fn start(host: &Host, service: &Service, pending: &Pending) -> Result<(), Stop> {
    let unit = service.unit.as_str();
    if !is_enabled(host, unit)? {
        host.system
            .run(&Call::new("systemctl", ["enable", "--quiet", unit]))?;
    }
    let runs = runs(host, unit)?;
    let verb = match pending.units.get(unit) {
        Some(Uptake::Restart) if runs => "restart",
        Some(Uptake::Reload) if runs => "reload-or-restart",
        _ if runs => return Ok(()),
        _ => "start",
    };
    host.system
        .run(&Call::new("systemctl", [verb, "--no-block", unit]))?;
    Ok(())
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
