//! Units held still while packages are installed, and given back as they were.
//!
//! apt's timers and unattended-upgrades take the package manager's lock and
//! restart what they upgrade. They are stopped first and masked then: a masked
//! unit has no file any more, and would be ended without its own manner of
//! stopping. What `apt-daily-upgrade.service` has begun goes on after its stop
//! (`KillMode=process`); for that, apt waits ten minutes for the lock.
//!
//! How each unit was is on the disk before it is touched, so that a cut
//! anywhere between gives it back too. A job that ran is not run again: its
//! timer is given back and knows when it is due.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bundles::RoleBundle;
use super::durable::{self, Rights};
use super::files::all_services;
use super::host::{Host, read_json};
use super::stop::Stop;
use super::systemctl;
use super::units;

const FILE: &str = "held.json";

/// How a unit was before it was held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    /// Somebody had masked it: it stays so.
    masked: bool,
    /// It ran: it is started again.
    active: bool,
}

type Record = BTreeMap<String, Before>;

fn read(host: &Host) -> Result<Record, Stop> {
    Ok(read_json(&host.state(FILE))?.unwrap_or_default())
}

/// The units that are held, by name.
pub fn names(host: &Host) -> Result<Vec<String>, Stop> {
    Ok(read(host)?.into_keys().collect())
}

/// Holds the guarded units of all roles; systemd hears of the masks by the next
/// reload. The cluster's own are only masked: what of them runs already goes on
/// while its package is renewed.
pub fn hold(host: &Host, bundles: &[RoleBundle]) -> Result<(), Stop> {
    let guarded = bundles.iter().flat_map(|b| &b.assignment.guarded_units);
    let own: Vec<&String> = all_services(bundles).map(|service| &service.unit).collect();
    let (mut all, mut others): (Vec<&String>, Vec<&String>) = (guarded.collect(), Vec::new());
    all.sort();
    all.dedup();
    others.extend(all.iter().filter(|unit| !own.contains(unit)));
    hold_units(host, &all, &others)
}

fn hold_units(host: &Host, all: &[&String], others: &[&String]) -> Result<(), Stop> {
    let mut record = read(host)?;
    let unknown = |unit: &&&String| !record.contains_key(**unit);
    let new: Vec<&String> = all.iter().filter(unknown).copied().collect();
    // The cluster's own are given to it, whoever masked them.
    let of_others = |unit: &&&String| others.contains(*unit);
    let asked = new.iter().filter(of_others).map(|unit| unit.as_str());
    let states = systemctl::active_states(host, asked)?;
    for unit in new {
        let before = Before {
            masked: others.contains(&unit) && units::is_masked(host, unit),
            active: states
                .get(unit.as_str())
                .is_some_and(|state| state == "active"),
        };
        record.insert(unit.clone(), before);
    }
    let bytes = serde_json::to_vec_pretty(&record).expect("unit names are text");
    durable::write(&host.state(FILE), &bytes, Rights::own(0o600))?;
    // Timers stand before the services that they start, so that none starts again.
    let names = others.iter().map(|unit| unit.as_str());
    let (timers, rest): (Vec<&str>, Vec<&str>) = names.partition(|unit| unit.ends_with(".timer"));
    for units in [timers, rest] {
        systemctl::stop(host, units)?;
    }
    for unit in all {
        units::mask(host, unit)?;
    }
    Ok(())
}

/// Unmasks every unit that was not masked; systemd hears of it by the next reload.
pub fn unmask(host: &Host) -> Result<(), Stop> {
    for (unit, _) in read(host)?.iter().filter(|(_, before)| !before.masked) {
        units::unmask(host, unit)?;
    }
    Ok(())
}

/// Starts what ran, once systemd knows that it is unmasked; the record goes last.
pub fn start_again(host: &Host) -> Result<(), Stop> {
    let record = read(host)?;
    let ran = record.iter().filter(|(_, before)| before.active);
    let ran: Vec<&str> = ran.map(|(unit, _)| unit.as_str()).collect();
    systemctl::begin(host, "start", &ran)?;
    Ok(durable::remove(&host.state(FILE))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn units_come_back_as_they_were_also_after_a_cut() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let name = |unit: &str| unit.to_owned();
        let (timer, job) = (name("apt-daily.timer"), name("apt-daily.service"));
        let (quiet, own) = (name("quiet.timer"), name("etcd.service"));
        system.unit("apt-daily.timer", "active");
        system.unit("apt-daily.service", "activating");
        units::mask(&host, &quiet).unwrap();
        let (all, others) = (vec![&job, &timer, &quiet, &own], vec![&job, &timer, &quiet]);
        hold_units(&host, &all, &others).unwrap();
        let stops: Vec<_> = system
            .take()
            .into_iter()
            .filter(|call| call.starts_with("systemctl stop"))
            .collect();
        assert_eq!(
            stops,
            [
                "systemctl stop apt-daily.timer",
                "systemctl stop apt-daily.service"
            ]
        );
        assert!(all.iter().all(|unit| units::is_masked(&host, unit)));
        // Cut here: the next run finds them masked and stopped, and must not take that for theirs.
        system.unit("apt-daily.timer", "inactive");
        system.unit("apt-daily.service", "inactive");
        hold_units(&host, &all, &others).unwrap();
        system.take();
        unmask(&host).unwrap();
        start_again(&host).unwrap();
        let starts: Vec<_> = system
            .take()
            .into_iter()
            .filter(|call| call.contains(" start "))
            .collect();
        assert_eq!(starts, ["systemctl start --no-block apt-daily.timer"]);
        let masked: Vec<_> = all
            .iter()
            .filter(|unit| units::is_masked(&host, unit))
            .collect();
        assert_eq!(masked, [&&quiet]);
        assert!(names(&host).unwrap().is_empty());
    }
}
