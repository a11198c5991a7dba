//! When services may start: whether this host's clock is in step, and of whom that is known.
//!
//! Certificates are judged by the clock, and a clock that is put back under a
//! running Patroni holds up writes (Patroni issue 3560). So no service of the
//! cluster is started by a clock that is out of step, at the first boot and at
//! each later one: `up` asks before it starts anything, and at boot the units,
//! which systemd would start by itself, stand behind `pgbundle-clock.service`
//! ([`gate`]).
//!
//! # What "in step" means
//! No clock proves itself right, and a closed network may have no time server.
//! The rules, in this order, asked until one decides:
//!
//! 1. **Within bounds.** Before the lock's date (less a day, for a clock kept in
//!    local time) or before a certificate of this node is valid, and after the
//!    first of them has expired, the clock is wrong or the seed too old, whatever
//!    anybody says. Where a time server was heard, it is the seed: refused. Else
//!    the host waits for its clock to be set.
//! 2. **A time server of the spec was heard** ([`heard`]): in step.
//! 3. **The operator said so** for this boot (`pgbundle-node accept-clock`).
//! 4. **Members of etcd with a quorum** ([`peers`]): with one of them within
//!    [`judgement::TOLERANCE`], in step; if all who answer say otherwise, not. Those that
//!    have no quorum are not asked: hosts that are switched on together would
//!    wait for each other, and one wrong clock would hold up the right ones.
//! 5. **Nobody can be asked.** Where the spec names time servers: wait for one of
//!    them. Where it names none: this host's own time service, or the machine that
//!    carries it, is trusted.
//!
//! # What it cannot tell
//! Hosts that form a cluster all at once, without time servers, are not compared
//! with each other. A node that is a proxy alone may not ask etcd, and has rules 1
//! to 3 and 5. Below systemd nothing before its build date is ever seen: it sets
//! such a clock to that date (systemd(1), `/usr/lib/clock-epoch`), and timesyncd
//! to when it last ran, so that a host whose battery is empty comes up behind by
//! the time that it was off. Rule 4 finds that, rule 1 does not.

use std::time::Duration;

pub mod gate;
pub mod heard;
pub mod judgement;
pub mod peers;

use super::bundles::RoleBundle;
use super::durable::{self, Rights};
use super::files::all_services;
use super::health;
use super::host::Host;
use super::narrator::{Narrator, Wait};
use super::services::keeps_time;
use super::stop::Stop;
use crate::base::Epoch;
use crate::bundle::assignment::Health;
use crate::seed::identity::Identity;
use judgement::{Doubt, Signs, judge};
use peers::PeerClock;

/// What the operator leaves by `pgbundle-node accept-clock`; gone with this boot.
const ACCEPTED: &str = "/run/pgbundle/clock-accepted";

const PAUSE: Duration = Duration::from_secs(1);

/// The signs on a host.
struct Here<'a> {
    host: &'a Host<'a>,
    identity: &'a Identity,
    bundles: &'a [RoleBundle],
}

impl Signs for Here<'_> {
    fn bounds(&self) -> Option<String> {
        out_of_bounds(self.host.now(), self.identity)
    }

    fn heard(&self) -> Result<Option<bool>, Stop> {
        let keeper = all_services(self.bundles).find_map(|service| match service.health {
            Health::ClockInStep { keeper, .. } => Some((keeper, &service.unit)),
            _ => None,
        });
        let Some((keeper, unit)) = keeper else {
            return Ok(None);
        };
        if heard::has_heard(self.host, keeper)? {
            return Ok(Some(true));
        }
        let is_skipped = heard::is_skipped(self.host, unit)?;
        Ok((!is_skipped).then_some(false))
    }

    fn accepted(&self) -> bool {
        self.host.path(ACCEPTED).exists()
    }

    fn peers(&self) -> Result<Vec<PeerClock>, Stop> {
        peers::ask(self.host)
    }
}

/// Whether the seed and its certificates are not of this time, and why.
///
/// Without the time itself: a text that changes each second would be news each second.
pub fn out_of_bounds(now: Epoch, identity: &Identity) -> Option<String> {
    let day_before = identity.date.plus_days(-1);
    let where_it_stands = if now < day_before {
        format!("before {day_before}, the day before this cluster's packages were locked")
    } else if now < identity.valid_from {
        format!(
            "before {}, from when this node's certificates are valid",
            identity.valid_from
        )
    } else if now > identity.expires {
        format!(
            "after {}, when this node's certificates expire",
            identity.expires
        )
    } else {
        return None;
    };
    Some(format!(
        "its clock stands {where_it_stands}: certificates would be refused"
    ))
}

/// What somebody can do about a clock out of bounds.
pub const SET_IT: &str =
    "set the clock, or make a time server reachable; a seed that has expired must be made anew";

/// What is waited for where the clock is wrong.
pub const THE_RIGHT_TIME: &str = "the right time";

/// What is waited for before services start; none: the clock is in step.
///
/// # Errors
/// Refuses where waiting would not help.
pub fn waits(host: &Host, identity: &Identity, bundles: &[RoleBundle]) -> Result<Vec<Wait>, Stop> {
    let here = Here {
        host,
        identity,
        bundles,
    };
    let wait = |text: &str, remedy: &str| Wait {
        what: THE_RIGHT_TIME.to_owned(),
        of: format!("this host: {text}"),
        since: host.now(),
        remedy: remedy.to_owned(),
    };
    Ok(match judge(&here)? {
        None => Vec::new(),
        Some(Doubt::Lasting(text)) => return Err(Stop::refuse(format!("this host: {text}"))),
        Some(Doubt::Bounds(text)) => vec![wait(&text, SET_IT)],
        Some(Doubt::Peers(text)) => vec![wait(
            &text,
            "set the clock that is wrong; if it is theirs: pgbundle-node accept-clock",
        )],
        Some(Doubt::Servers) => {
            let mut waits = health::unanswered(host, bundles, keeps_time)?;
            let or_trust = "; where this clock is right: pgbundle-node accept-clock";
            waits.iter_mut().for_each(|wait| wait.remedy += or_trust);
            waits
        }
    })
}

/// Returns once the clock is in step, or with a fault after `patience`.
pub fn wait_for(
    host: &Host,
    narrator: &mut Narrator,
    identity: &Identity,
    bundles: &[RoleBundle],
    patience: Option<Duration>,
) -> Result<(), Stop> {
    health::until_nothing_is(narrator, patience, PAUSE, |_| {
        waits(host, identity, bundles)
    })
}

/// Takes the clock as right until the next boot, as far as others could say otherwise.
pub fn accept(host: &Host) -> Result<(), Stop> {
    let text = format!("{}\n", host.now());
    Ok(durable::write(
        &host.path(ACCEPTED),
        text.as_bytes(),
        Rights::own(0o644),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::identity::tests::example;

    #[test]
    fn a_clock_may_be_a_day_early_and_never_late() {
        let mut identity = example();
        let day = 86_400;
        let at = |base: Epoch, seconds: i64, identity: &Identity| {
            let now = Epoch::from_seconds(base.seconds() + seconds).unwrap();
            out_of_bounds(now, identity)
        };
        assert_eq!(at(identity.date, -day, &identity), None);
        let early = at(identity.date, -day - 1, &identity).unwrap();
        assert!(early.contains("before") && early.contains("locked"));
        assert_eq!(at(identity.expires, 0, &identity), None);
        let late = at(identity.expires, 1, &identity).unwrap();
        assert!(late.contains("expire"));
        // A certificate that was made, or renewed, long after the lock.
        identity.valid_from = identity.date.plus_days(90);
        assert_eq!(at(identity.valid_from, 0, &identity), None);
        let early = at(identity.valid_from, -1, &identity).unwrap();
        assert!(early.contains("before") && early.contains("valid"));
    }
}
