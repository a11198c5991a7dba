//! Is this the host that the bundles were made for? Everything is asked, and
//! every fault is told at once, before anything outside our own folder changes.

use std::time::{Duration, Instant};

use super::bundles::RoleBundle;
use super::clock;
use super::facts;
use super::files::{self, all_services};
use super::host::Host;
use super::installing::{self, Left};
use super::jumps;
use super::marker::{self, Held, Marker};
use super::narrator::{Narrator, Wait};
use super::operating_system;
use super::packages::{PackageManager, Transaction, names};
use super::services::keeps_time;
use super::space;
use super::stop::Stop;
use super::systemctl;
use crate::seed::identity::Identity;

/// How long an address or a clock may be on its way.
const GRACE: Duration = Duration::from_secs(300);

/// A fault of the host that may pass by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passing {
    /// The node's address has not come; after [`GRACE`] this is another host.
    Address(String),
    /// The clock is not set. It is waited for without end: only time tells.
    Clock(String),
}

impl Passing {
    fn text(&self) -> &str {
        match self {
            Self::Address(text) | Self::Clock(text) => text,
        }
    }

    fn in_full(&self) -> String {
        format!("{}: {}", self.text(), self.remedy())
    }

    fn wanted(&self) -> &'static str {
        match self {
            Self::Address(_) => "the node's address",
            Self::Clock(_) => clock::THE_RIGHT_TIME,
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::Address(_) => {
                "give this host the address, or attach the seed of the node that it is"
            }
            Self::Clock(_) => clock::SET_IT,
        }
    }
}

/// Asks everything; waits for what may pass, refuses the rest. Returns what
/// installing would do, where that could be simulated.
pub fn pass(
    host: &Host,
    narrator: &mut Narrator,
    identity: &Identity,
    bundles: &[RoleBundle],
    patience: Option<Duration>,
) -> Result<Option<Transaction>, Stop> {
    let begun = Instant::now();
    loop {
        let passing = passing_faults(host, identity, bundles)?;
        if passing.is_empty() {
            break;
        }
        if begun.elapsed() >= GRACE
            && passing
                .iter()
                .any(|fault| matches!(fault, Passing::Address(_)))
        {
            let mut all: Vec<String> = passing.iter().map(Passing::in_full).collect();
            match lasting(host, identity, bundles) {
                Err(Stop::Refused(lasting)) => all.extend(lasting),
                asked => drop(asked?),
            }
            return Err(Stop::Refused(all));
        }
        if patience.is_some_and(|patience| begun.elapsed() >= patience) {
            let texts: Vec<String> = passing.iter().map(Passing::in_full).collect();
            return Err(Stop::World(texts.join("; ")));
        }
        let wait = |fault: &Passing| Wait {
            what: fault.wanted().to_owned(),
            of: format!("this host: {}", fault.text()),
            since: host.now(),
            remedy: fault.remedy().to_owned(),
        };
        narrator.waits(passing.iter().map(wait).collect())?;
        std::thread::sleep(Duration::from_secs(1));
    }
    narrator.waits(Vec::new())?;
    lasting(host, identity, bundles)
}

/// Faults that time may heal: the address and the clock.
pub fn passing_faults(
    host: &Host,
    identity: &Identity,
    bundles: &[RoleBundle],
) -> Result<Vec<Passing>, Stop> {
    let address = identity.address.addr();
    let mut faults = Vec::new();
    if facts::interface_of(host, address)?.is_none() {
        faults.push(Passing::Address(format!(
            "no interface carries {address}, the address of {}",
            identity.node
        )));
    }
    // The time service that is to set the clock may yet have to be installed;
    // where one is, the services step asks. It asks the cluster's clocks, too,
    // which takes the certificates that are not installed yet.
    if !all_services(bundles).any(keeps_time) {
        faults.extend(clock::out_of_bounds(host.now(), identity).map(Passing::Clock));
    }
    Ok(faults)
}

/// Refuses for faults that stay until somebody acts.
fn lasting(
    host: &Host,
    identity: &Identity,
    bundles: &[RoleBundle],
) -> Result<Option<Transaction>, Stop> {
    let mut faults = Vec::new();
    faults.extend(operating_system::faults(host, identity, bundles)?);
    if faults.is_empty() {
        // It asks the package manager what there is already; another system has another.
        faults.extend(space::faults(host, bundles)?);
    }
    faults.extend(port_faults(host, bundles)?);
    faults.extend(data_faults(host, identity, bundles)?);
    faults.extend(jumps::faults(host, bundles)?);
    if !faults.is_empty() {
        // Another system's package manager would only add noise.
        return Err(Stop::Refused(faults));
    }
    simulated(host, bundles)
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
            format!("TCP port {port}, which {role} needs, is taken by another program: stop that, or give {role} another port in the spec")
        }));
    }
    Ok(faults)
}

/// Whether a service of these roles runs, which may then hold its ports.
fn ours_run(host: &Host, bundles: &[RoleBundle]) -> Result<bool, Stop> {
    let units = all_services(bundles).map(|service| service.unit.as_str());
    let states = systemctl::active_states(host, units)?;
    let is_quiet = |state: &String| matches!(state.as_str(), "inactive" | "failed");
    Ok(!states.values().all(is_quiet))
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
fn simulated(host: &Host, bundles: &[RoleBundle]) -> Result<Option<Transaction>, Stop> {
    let Some(manager) = PackageManager::of_all(bundles) else {
        return Ok(None);
    };
    manager.read_index(host)?;
    if installing::left(host)? != Left::Whole || !manager.unfinished(host, bundles)?.is_empty() {
        // Cut off in the middle of a transaction that was simulated before it began.
        return Ok(None);
    }
    let simulated = manager.simulate(host, &names(bundles))?;
    let trouble = match simulated {
        Ok(transaction) if transaction.removals.is_empty() && transaction.downgrades.is_empty() => {
            return Ok(Some(transaction));
        }
        Ok(transaction) => format!(
            "installing would remove [{}] and take back [{}]",
            transaction.removals.join(" "),
            transaction.downgrades.join(" ")
        ),
        Err(words) => format!("the packages cannot be installed:\n{words}"),
    };
    let newer = manager.newer_than(host, bundles)?;
    if newer.is_empty() {
        return Err(Stop::Refused(vec![trouble]));
    }
    let newer = format!(
        "this image is newer than the lock: {}: take its list with `pgbundle base capture`, name that as a `[[base]]` of the profile, and lock and build again",
        newer.join(", ")
    );
    Err(Stop::Refused(vec![newer, trouble]))
}
