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
use super::packages::LONG;
use super::services::active_state;
use super::stop::Stop;
use super::system::Call;
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

/// Holds the guarded units of all roles. The cluster's own are only masked:
/// what of them runs already goes on while its package is renewed.
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
    for unit in all {
        if !record.contains_key(*unit) {
            // The cluster's own are given to it, whoever masked them.
            let is_other = others.contains(unit);
            let before = Before {
                masked: is_other && units::is_masked(host, unit),
                active: is_other && active_state(host, unit)? == "active",
            };
            record.insert((*unit).clone(), before);
        }
    }
    let bytes = serde_json::to_vec_pretty(&record).expect("unit names are text");
    durable::write(&host.state(FILE), &bytes, Rights::own(0o600))?;
    // Timers stand before the services that they start, so that none starts again.
    let (timers, rest): (Vec<&String>, Vec<&String>) = others
        .iter()
        .copied()
        .partition(|unit| unit.ends_with(".timer"));
    for unit in timers.into_iter().chain(rest) {
        if !matches!(active_state(host, unit)?.as_str(), "inactive" | "failed") {
            let stop = Call::new("systemctl", ["stop", unit]).within(LONG);
            host.system.run(&stop)?;
        }
    }
    for unit in all {
        units::mask(host, unit)?;
    }
    units::reload(host)
}

/// Gives every unit back as it was; the record goes last.
pub fn give_back(host: &Host) -> Result<(), Stop> {
    let record = read(host)?;
    for (unit, _) in record.iter().filter(|(_, before)| !before.masked) {
        units::unmask(host, unit)?;
    }
    units::reload(host)?;
    for (unit, _) in record.iter().filter(|(_, before)| before.active) {
        host.system
            .run(&Call::new("systemctl", ["start", "--no-block", unit]))?;
    }
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
        system.answer("--value", 0, "inactive\n");
        system.answer("--value apt-daily.timer", 0, "active\n");
        system.answer("--value apt-daily.service", 0, "activating\n");
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
        system.answer("--value", 0, "inactive\n");
        hold_units(&host, &all, &others).unwrap();
        system.take();
        give_back(&host).unwrap();
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
