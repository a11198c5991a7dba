//! Is this the host that the bundles were made for? Everything is asked, and
//! every fault is told at once, before anything outside our own folder changes.

use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use super::bundles::RoleBundle;
use super::facts;
use super::files::{self, all_services};
use super::host::Host;
use super::marker::{self, Held, Marker};
use super::narrator::{Narrator, Wait};
use super::packages::{self, PackageManager, names};
use super::repository;
use super::stop::Stop;
use super::system::Call;
use crate::seed::identity::Identity;

/// How long an address or a clock may be on its way.
const GRACE: Duration = Duration::from_secs(300);

/// A fault of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It may pass by itself: an address to come, a clock to be set.
    Passing(String),
    /// It stays.
    Lasting(String),
}

impl Fault {
    fn text(&self) -> &str {
        match self {
            Self::Passing(text) | Self::Lasting(text) => text,
        }
    }
}

/// Asks everything; waits for what may pass, refuses the rest.
pub fn pass(
    host: &Host,
    narrator: &mut Narrator,
    identity: &Identity,
    bundles: &[RoleBundle],
) -> Result<(), Stop> {
    let (begun, since) = (Instant::now(), host.now());
    loop {
        let passing = passing_faults(host, identity)?;
        if passing.is_empty() {
            break;
        }
        if begun.elapsed() >= GRACE {
            return refuse(
                passing
                    .into_iter()
                    .chain(lasting_faults(host, identity, bundles)?),
            );
        }
        let wait = |fault: &Fault| Wait {
            what: fault.text().to_owned(),
            of: "this host".to_owned(),
            since,
        };
        narrator.waits(passing.iter().map(wait).collect())?;
        std::thread::sleep(Duration::from_secs(1));
    }
    narrator.waits(Vec::new())?;
    refuse(lasting_faults(host, identity, bundles)?.into_iter())
}

fn refuse(faults: impl Iterator<Item = Fault>) -> Result<(), Stop> {
    let reasons: Vec<String> = faults.map(|fault| fault.text().to_owned()).collect();
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(Stop::Refused(reasons))
    }
}

/// Faults that time may heal: the address and the clock.
pub fn passing_faults(host: &Host, identity: &Identity) -> Result<Vec<Fault>, Stop> {
    let address = identity.address.addr();
    let mut faults = Vec::new();
    if facts::interface_of(host, address)?.is_none() {
        faults.push(Fault::Passing(format!(
            "no interface carries {address}, the address of {}",
            identity.node
        )));
    }
    faults.extend(clock_fault(host, identity));
    Ok(faults)
}

fn clock_fault(host: &Host, identity: &Identity) -> Option<Fault> {
    let now = host.now();
    let earliest = identity.date.plus_days(-1);
    (now < earliest || now > identity.expires).then(|| {
        Fault::Passing(format!(
            "the clock says {now}, which is not between {earliest} and {}: certificates would be refused; set the clock, or make a new seed",
            identity.expires
        ))
    })
}

/// Faults that stay until somebody acts.
pub fn lasting_faults(
    host: &Host,
    identity: &Identity,
    bundles: &[RoleBundle],
) -> Result<Vec<Fault>, Stop> {
    let mut faults = Vec::new();
    faults.extend(os_faults(host, identity)?);
    faults.extend(space_fault(host, bundles)?);
    faults.extend(port_faults(host, bundles)?);
    faults.extend(data_faults(host, identity, bundles)?);
    if faults.is_empty() {
        // Another system's package manager would only add noise.
        faults.extend(package_faults(host, bundles)?);
    }
    Ok(faults.into_iter().map(Fault::Lasting).collect())
}

fn os_faults(host: &Host, identity: &Identity) -> Result<Vec<String>, Stop> {
    let (found, wanted) = (facts::os_release(host)?, &identity.os);
    let mut faults = Vec::new();
    if found != *wanted {
        faults.push(format!(
            "this host runs {} {}, the bundles are for {} {}",
            found.id, found.version, wanted.id, wanted.version
        ));
    }
    let machine = host
        .system
        .run(&Call::new("dpkg", ["--print-architecture"]))?;
    let architecture = machine.output.trim();
    if architecture != identity.architecture.as_str() {
        faults.push(format!(
            "this host is {architecture}, the bundles are for {}",
            identity.architecture
        ));
    }
    Ok(faults)
}

fn space_fault(host: &Host, bundles: &[RoleBundle]) -> Result<Option<String>, Stop> {
    let wanted_mib = repository::installed_kib(&repository::index(bundles)?) / 1024 + 64;
    let place = host.path("/usr");
    let place = if place.exists() {
        place
    } else {
        host.root.clone()
    };
    let system = statvfs(&place).map_err(|fault| {
        Stop::World(format!(
            "cannot ask `{}` for its space: {fault}",
            place.display()
        ))
    })?;
    let free_mib = system.f_bavail * system.f_frsize / (1 << 20);
    Ok(
        (free_mib < wanted_mib && !is_installed(host, bundles)?).then(|| {
            format!(
                "`{}` has {free_mib} MiB left, the packages take {wanted_mib} MiB",
                place.display()
            )
        }),
    )
}

fn is_installed(host: &Host, bundles: &[RoleBundle]) -> Result<bool, Stop> {
    let installed = packages::installed(host)?;
    Ok(names(bundles)
        .iter()
        .all(|name| installed.iter().any(|(have, _)| have == name)))
}

fn port_faults(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
    let listening = facts::listening_ports(host)?;
    let mut faults = Vec::new();
    for bundle in bundles {
        let taken: Vec<_> = bundle
            .assignment
            .ports
            .iter()
            .filter(|port| listening.contains(port))
            .collect();
        if taken.is_empty() || ours_run(host, std::slice::from_ref(bundle))? {
            continue;
        }
        let role = bundle.assignment.role;
        faults.extend(taken.iter().map(|port| {
            format!("TCP port {port}, which {role} needs, is taken by another program")
        }));
    }
    Ok(faults)
}

/// Whether a service of these roles runs, which may then hold its ports.
fn ours_run(host: &Host, bundles: &[RoleBundle]) -> Result<bool, Stop> {
    for service in all_services(bundles) {
        let state = super::services::active_state(host, &service.unit)?;
        if state != "inactive" && state != "failed" {
            return Ok(true);
        }
    }
    Ok(false)
}

fn data_faults(
    host: &Host,
    identity: &Identity,
    bundles: &[RoleBundle],
) -> Result<Vec<String>, Stop> {
    let mine = Marker::of(identity, Held::Empty);
    let mut faults = Vec::new();
    for data in files::data_folders(bundles) {
        faults.extend(marker::foreign(&data.path.under(&host.root), &mine)?);
    }
    Ok(faults)
}

/// Simulates the whole transaction and puts its refusal in plain words.
fn package_faults(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
    let Some(bundle) = bundles.first() else {
        return Ok(Vec::new());
    };
    let manager = PackageManager::of(bundle.manifest.family)?;
    manager.read_index(host)?;
    if !packages::unfinished(host)?.is_empty() {
        // Cut off in the middle of a transaction that was simulated before it began.
        return Ok(Vec::new());
    }
    let simulated = manager.simulate(host, &names(bundles))?;
    let trouble = match simulated {
        Ok(transaction) if transaction.removals.is_empty() && transaction.downgrades.is_empty() => {
            return Ok(Vec::new());
        }
        Ok(transaction) => format!(
            "installing would remove [{}] and take back [{}]",
            transaction.removals.join(" "),
            transaction.downgrades.join(" ")
        ),
        Err(words) => format!("the packages cannot be installed:\n{words}"),
    };
    let mut faults: Vec<String> = manager.newer_than(host, bundles)?;
    faults
        .iter_mut()
        .for_each(|newer| *newer = format!("this image is newer than the lock: {newer}"));
    faults.push(trouble);
    Ok(faults)
}
