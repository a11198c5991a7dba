//! firewalld lets others reach the ports of this node's roles, and no more.
//!
//! The bundle brings a service definition of firewalld's, an ordinary file; here
//! it is added to the zone of the interface that carries the node's address.
//! firewalld itself writes its zones (`firewall-offline-cmd`, running or not),
//! and takes all of it up by one reload, which keeps connections that stand. A
//! reload drops what somebody set without `--permanent`, so it is done only
//! where something of ours is new.
//!
//! A host without firewalld is left alone: whatever else filters there is the
//! operator's.

use serde::{Deserialize, Serialize};

use super::durable::{self, Rights};
use super::facts;
use super::host::{Host, read_if_there, read_json};
use super::step::{Check, Context, Scope, Step};
use super::steps::nothing;
use super::stop::Stop;
use super::system::Call;
use crate::base::Sha256;
use crate::bundle::assignment::Firewalld;

const FILE: &str = "firewall.json";

/// After the files, which bring the definition; before anything is started.
pub(super) const FIREWALL: Step = Step {
    name: "firewall",
    scope: Scope::Node,
    describe: |context| {
        let Some(Firewalld { service, .. }) = wanted(context) else {
            return Ok(Vec::new());
        };
        Ok(vec![
            "# nothing where firewalld is not installed".to_owned(),
            "zone=$(firewall-cmd --get-zone-of-interface=$interface || firewall-cmd --get-default-zone)".to_owned(),
            format!("firewall-offline-cmd --zone=$zone --add-service={service}"),
            "firewall-cmd --reload   # where it runs".to_owned(),
        ])
    },
    restarts: nothing,
    check: |context| {
        let Some(wanted) = wanted(context).cloned() else {
            return Ok(Check::AlreadySo);
        };
        let state = State::of(context.host)?;
        if let Some(remark) = state.remark() {
            context.narrator.remark(remark);
        }
        if state == State::Absent {
            return Ok(Check::AlreadySo);
        }
        let mut firewall = Firewall::of(context, state, &wanted)?;
        firewall.reason()
    },
    apply: |context| {
        let Some(wanted) = wanted(context).cloned() else {
            return Ok(());
        };
        let state = State::of(context.host)?;
        Firewall::of(context, state, &wanted)?.open()
    },
    describe_undo: |context| {
        let opened: Option<Opened> = read_json(&context.host.state(FILE))?;
        let Some(opened) = opened else {
            return Ok(Vec::new());
        };
        Ok(vec![
            opened.removal().to_string(),
            "firewall-cmd --reload   # where it runs".to_owned(),
        ])
    },
    undo: |context| remove(context.host),
};

/// Takes what was opened back; the definition is a file among the others. True
/// where there was something.
fn remove(host: &Host) -> Result<bool, Stop> {
    let Some(opened) = read_json::<Opened>(&host.state(FILE))? else {
        return Ok(false);
    };
    let state = State::of(host)?;
    if state != State::Absent {
        opened.close(host)?;
    }
    if state == State::Running {
        host.system.run(&Call::new("firewall-cmd", ["--reload"]))?;
    }
    durable::remove(&host.state(FILE))?;
    Ok(true)
}

fn wanted<'c>(context: &'c Context) -> Option<&'c Firewalld> {
    let bundles = context.bundles.iter();
    bundles
        .filter_map(|bundle| bundle.assignment.firewalld.as_ref())
        .next()
}

/// Where firewalld stands on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Stopped,
    Running,
}

impl State {
    fn of(host: &Host) -> Result<Self, Stop> {
        if !host.path("/usr/bin/firewall-cmd").exists() {
            return Ok(Self::Absent);
        }
        let answer = host.system.ask(&Call::new("firewall-cmd", ["--state"]))?;
        Ok(if answer.succeeded() {
            Self::Running
        } else {
            Self::Stopped
        })
    }

    fn remark(self) -> Option<&'static str> {
        match self {
            Self::Absent => {
                Some("firewalld is not installed on this host: no port is opened or closed")
            }
            Self::Stopped => Some(
                "firewalld does not run on this host: what it is to let through is set for its next start",
            ),
            Self::Running => None,
        }
    }
}

/// What was opened last, and whether firewalld has taken it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Opened {
    service: String,
    zone: String,
    /// The definition's digest, once firewalld has it in use.
    taken_up: Option<Sha256>,
}

impl Opened {
    fn write(&self, host: &Host) -> Result<(), Stop> {
        let bytes = serde_json::to_vec_pretty(self).expect("names and digests are text");
        Ok(durable::write(
            &host.state(FILE),
            &bytes,
            Rights::own(0o600),
        )?)
    }

    fn is_permanent(&self, host: &Host) -> Result<bool, Stop> {
        let query = format!("--query-service={}", self.service);
        Ok(host.system.ask(&offline(&self.zone, &query))?.succeeded())
    }

    /// `--remove-service` is another's option there (lokkit's).
    fn removal(&self) -> Call {
        let option = format!("--remove-service-from-zone={}", self.service);
        offline(&self.zone, &option)
    }

    fn close(&self, host: &Host) -> Result<(), Stop> {
        if self.is_permanent(host)? {
            host.system.run(&self.removal())?;
        }
        Ok(())
    }
}

fn offline(zone: &str, option: &str) -> Call {
    Call::new("firewall-offline-cmd", [&format!("--zone={zone}"), option])
}

/// firewalld on this host, and what it is to let through.
struct Firewall<'a> {
    host: &'a Host<'a>,
    state: State,
    wanted: Opened,
}

impl<'a> Firewall<'a> {
    fn of(context: &Context<'a>, state: State, wanted: &Firewalld) -> Result<Self, Stop> {
        let (host, address) = (context.host, context.identity()?.address.addr());
        let definition = read_if_there(&wanted.definition.under(&host.root))?;
        let definition =
            definition.ok_or_else(|| Stop::World(format!("`{}` is missing", wanted.definition)))?;
        let program = match state {
            State::Running => "firewall-cmd",
            State::Absent | State::Stopped => "firewall-offline-cmd",
        };
        let interface = facts::interface_of(host, address)?.unwrap_or_default();
        let of_interface = format!("--get-zone-of-interface={interface}");
        let own = host.system.ask(&Call::new(program, [of_interface]))?;
        let zone = if own.succeeded() {
            own.output
        } else {
            host.system
                .run(&Call::new(program, ["--get-default-zone"]))?
                .output
        };
        let wanted = Opened {
            service: wanted.service.clone(),
            zone: zone.trim().to_owned(),
            taken_up: Some(Sha256::of(&definition)),
        };
        Ok(Self {
            host,
            state,
            wanted,
        })
    }

    fn reason(&mut self) -> Result<Check, Stop> {
        let Opened { service, zone, .. } = &self.wanted;
        let opened: Option<Opened> = read_json(&self.host.state(FILE))?;
        let query = [
            format!("--zone={zone}"),
            format!("--query-service={service}"),
        ];
        let query = Call::new("firewall-cmd", query);
        Ok(if !self.wanted.is_permanent(self.host)? {
            Check::Needed(format!("service {service} is not in zone {zone}"))
        } else if self.state == State::Running && !self.host.system.ask(&query)?.succeeded() {
            Check::Needed(format!("firewalld has not taken service {service} up"))
        } else if opened.as_ref() != Some(&self.wanted) {
            Check::Needed(format!("what service {service} lets through has changed"))
        } else {
            Check::AlreadySo
        })
    }

    fn open(&self) -> Result<(), Stop> {
        let Opened { service, zone, .. } = &self.wanted;
        if let Some(before) = read_json::<Opened>(&self.host.state(FILE))?
            && before.zone != *zone
        {
            before.close(self.host)?;
        }
        // A cut before the reload is seen by what was not taken up.
        let taken_up = None;
        Opened {
            taken_up,
            ..self.wanted.clone()
        }
        .write(self.host)?;
        if !self.wanted.is_permanent(self.host)? {
            let addition = format!("--add-service={service}");
            self.host.system.run(&offline(zone, &addition))?;
        }
        if self.state == State::Running {
            self.host
                .system
                .run(&Call::new("firewall-cmd", ["--reload"]))?;
        }
        self.wanted.write(self.host)
    }
}
