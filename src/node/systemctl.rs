//! What systemd is asked and told, for many units in one call: each call costs
//! a process, and each reload runs every generator of the host.
//!
//! All of it is known to systemd 219, but for [`enable_call`]'s variable, which
//! is read where there are SysV hooks to leave out.

use std::collections::{BTreeMap, BTreeSet};

use super::brought::Brought;
use super::host::Host;
use super::packages::LONG;
use super::stop::Stop;
use super::system::Call;
use crate::base::atomic::flush_file_system;

/// Where unit files lie (systemd.unit(5)).
const UNIT_FOLDERS: [&str; 3] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// `ActiveState` of units (`active`, `activating`, `inactive`, `failed`, …) by
/// their names. A template (`x@.service`) never runs and has none.
pub fn active_states<'u>(
    host: &Host,
    units: impl IntoIterator<Item = &'u str>,
) -> Result<BTreeMap<&'u str, String>, Stop> {
    let units: Vec<&str> = units
        .into_iter()
        .filter(|unit| !unit.contains("@."))
        .collect();
    if units.is_empty() {
        return Ok(BTreeMap::new());
    }
    let words = ["show", "--property=ActiveState"];
    let call = Call::new("systemctl", words.iter().chain(&units));
    let answer = host.system.run(&call)?;
    let told = answer.output.lines();
    // One line a unit, in their order; `--value` is not known to every systemd.
    let states: Vec<&str> = told
        .filter_map(|line| line.strip_prefix("ActiveState="))
        .collect();
    if states.len() != units.len() {
        return Err(Stop::World(format!(
            "`{call}` told {} states of {}",
            states.len(),
            units.len()
        )));
    }
    let pairs = units.into_iter().zip(states);
    Ok(pairs
        .map(|(unit, state)| (unit, state.trim().to_owned()))
        .collect())
}

/// `ActiveState` of one unit.
pub fn active_state(host: &Host, unit: &str) -> Result<String, Stop> {
    let state = active_states(host, [unit])?.remove(unit);
    state.ok_or_else(|| Stop::World(format!("the template {unit} has no state")))
}

/// Those of the units that run or are about to.
pub fn running<'u>(
    host: &Host,
    units: impl IntoIterator<Item = &'u str>,
) -> Result<BTreeSet<&'u str>, Stop> {
    let runs = |state: &str| matches!(state, "active" | "activating" | "reloading");
    let states = active_states(host, units)?.into_iter();
    Ok(states
        .filter_map(|(unit, state)| runs(&state).then_some(unit))
        .collect())
}

/// Those of the units that start at boot, or need no one's word for it.
pub fn enabled<'u>(host: &Host, units: &[&'u str]) -> Result<BTreeSet<&'u str>, Stop> {
    if units.is_empty() {
        return Ok(BTreeSet::new());
    }
    // It exits with 0 as soon as one is enabled, and stops at one that it does not know.
    let call = Call::new("systemctl", ["is-enabled"].iter().chain(units));
    let answer = host.system.ask(&call)?;
    let pairs = units.iter().zip(answer.output.lines());
    Ok(pairs
        .filter_map(|(unit, state)| is_enabled(state.trim()).then_some(*unit))
        .collect())
}

/// The states for which `systemctl is-enabled` exits with 0 (systemctl(1)).
fn is_enabled(state: &str) -> bool {
    matches!(
        state,
        "enabled" | "enabled-runtime" | "static" | "alias" | "indirect" | "generated" | "transient"
    )
}

/// The call that has units start at each boot. It makes links and no more: not
/// those of SysV scripts with the same names, for which a helper would reload
/// systemd twice a unit, and without a reload of its own.
pub fn enable_call(units: &[&str]) -> Call {
    let words = ["--no-reload", "--quiet", "enable"];
    Call::new("systemctl", words.iter().chain(units)).with("SYSTEMCTL_SKIP_SYSV", "1")
}

/// Has those of the units start at each boot that do not yet; systemd itself
/// hears of it by the next [`reload`].
pub fn enable(host: &Host, units: &[&str]) -> Result<(), Stop> {
    let enabled = enabled(host, units)?;
    let is_new = |unit: &&&str| !enabled.contains(**unit);
    let units: Vec<&str> = units.iter().filter(is_new).copied().collect();
    if !units.is_empty() {
        let mut brought = Brought::read(host)?;
        brought
            .enabled
            .extend(units.iter().map(|&unit| unit.to_owned()));
        brought.write(host)?;
        host.system.run(&enable_call(&units))?;
    }
    Ok(())
}

/// The call that has units start at no boot any more.
pub fn disable_call(units: &[&str]) -> Call {
    let words = ["--no-reload", "--quiet", "disable"];
    Call::new("systemctl", words.iter().chain(units)).with("SYSTEMCTL_SKIP_SYSV", "1")
}

/// Has units start at no boot any more, those that do and are known still; the
/// links are off the disk then, before a caller removes the units' files.
pub fn disable(host: &Host, units: &[&str]) -> Result<(), Stop> {
    for unit in units {
        // One by one: it refuses all where it does not know one. What a SysV script
        // of that name would do at boot is told as enabled, too, and is its package's.
        let mut folders = UNIT_FOLDERS.iter().map(|folder| host.path(folder));
        let is_known = folders.any(|folder| folder.join(unit).exists());
        if is_known && !enabled(host, &[unit])?.is_empty() {
            host.system.run(&disable_call(&[unit]))?;
        }
    }
    Ok(flush_file_system(&host.root)?)
}

/// The call that begins something with units (`start`, `restart`, …) and does
/// not wait for its end.
pub fn begin_call(verb: &str, units: &[&str]) -> Call {
    Call::new("systemctl", [verb, "--no-block"].iter().chain(units))
}

/// Begins something with units, where there are any.
pub fn begin(host: &Host, verb: &str, units: &[&str]) -> Result<(), Stop> {
    if !units.is_empty() {
        host.system.run(&begin_call(verb, units))?;
    }
    Ok(())
}

/// Does something with units, where there are any, and waits for its end.
pub fn finish(host: &Host, verb: &str, units: &[&str]) -> Result<(), Stop> {
    if !units.is_empty() {
        let call = Call::new("systemctl", [verb].iter().chain(units));
        host.system.run(&call.within(LONG))?;
    }
    Ok(())
}

/// Stops those of the units that are neither inactive nor failed, and waits for that.
pub fn stop<'u>(host: &Host, units: impl IntoIterator<Item = &'u str>) -> Result<(), Stop> {
    let states = active_states(host, units)?.into_iter();
    let loud: Vec<&str> = states
        .filter(|(_, state)| !matches!(state.as_str(), "inactive" | "failed"))
        .map(|(unit, _)| unit)
        .collect();
    finish(host, "stop", &loud)
}

/// `systemctl daemon-reload`.
pub fn reload(host: &Host) -> Result<(), Stop> {
    // It runs every generator: on a host that is starved that took more than a minute.
    host.system
        .run(&Call::new("systemctl", ["daemon-reload"]).within(LONG))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn many_units_are_asked_of_in_one_call_and_templates_never() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        system.unit("etcd.service", "activating");
        system.unit("old.service", "failed");
        let units = [
            "etcd.service",
            "postgresql@.service",
            "old.service",
            "x.timer",
        ];
        assert_eq!(running(&host, units).unwrap(), ["etcd.service"].into());
        stop(&host, units).unwrap();
        assert_eq!(
            system.take(),
            [
                "systemctl show --property=ActiveState etcd.service old.service x.timer",
                "systemctl show --property=ActiveState etcd.service old.service x.timer",
                "systemctl stop etcd.service",
            ]
        );
        assert!(running(&host, ["postgresql@.service"]).unwrap().is_empty());
        assert_eq!(system.take(), Vec::<String>::new());
        system.answer("show", 0, "ActiveState=active\n");
        let fault = running(&host, units).unwrap_err().to_string();
        assert!(fault.contains("told 1 states of 3"), "{fault}");
    }

    #[test]
    fn what_is_enabled_is_left_alone() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        system.answer("is-enabled", 0, "enabled\ndisabled\nstatic\n");
        // The fourth is not known, so it is not told of.
        let units = ["a.service", "b.service", "c.service", "d.service"];
        enable(&host, &units).unwrap();
        let asked = "systemctl is-enabled a.service b.service c.service d.service";
        let told = "SYSTEMCTL_SKIP_SYSV=1 systemctl --no-reload --quiet enable b.service d.service";
        assert_eq!(system.take(), [asked, told]);
        system.answer("is-enabled", 0, "enabled\n");
        enable(&host, &units[..1]).unwrap();
        assert_eq!(system.take().len(), 1);
    }
}
