//! An initialise key whose owner never comes back.
//!
//! Patroni's key for the race has no lease. Where its owner was cut off and
//! stays away, or came back with another disk, the others would wait for it for
//! ever. A node that waits takes the key away when
//! - it has been there without a value, the same one, for [`LONG`];
//! - this node has nothing and is not its owner;
//! - no other node says that it begins or holds data;
//! - each node that is silent has lost its lease in etcd, so that it does not
//!   reach etcd either, without which no bootstrap ends;
//! - the ones that answer, this one among them, are a majority of the data nodes.
//!
//! An owner that was only cut off from the network finds at the end of its
//! bootstrap that the key is not its own and stops ([`super::initdb::finish`]).
//! Who begins then is a new race, behind the guard as ever.

use std::time::{Duration, Instant};

use super::guard::Said;
use super::host::{Host, read_json};
use super::initdb::{agent, ask_all, folder, initialize_key};
use super::marker::{self, Held};
use super::patroni_keys::{self, Initialize};
use super::stop::Stop;
use crate::bundle::start::{BOOTSTRAP, Bootstrap};

/// Three times Patroni's lease.
const LONG: Duration = Duration::from_secs(90);
/// How often etcd is asked.
const PAUSE: Duration = Duration::from_secs(10);

/// Looks after the key while a node waits.
#[derive(Default)]
pub struct Watch {
    asked: Option<Instant>,
    key: Option<(String, Instant)>,
}

impl Watch {
    /// Takes the key away if it has no owner any more; says so.
    pub fn look(&mut self, host: &Host, now: Instant) -> Result<Option<String>, Stop> {
        if self
            .asked
            .is_some_and(|asked| now.duration_since(asked) < PAUSE)
        {
            return Ok(None);
        }
        self.asked = Some(now);
        let Some(settings) = read_json::<Bootstrap>(&host.path(BOOTSTRAP))? else {
            return Ok(None);
        };
        match another_nodes(host, &settings)? {
            Some(key) if self.is_old(&key, now) => take_away(host, &settings, &key),
            Some(_) => Ok(None),
            None => {
                self.key = None;
                Ok(None)
            }
        }
    }

    fn is_old(&mut self, key: &Initialize, now: Instant) -> bool {
        match &self.key {
            Some((made, since)) if made == key.made() => now.duration_since(*since) >= LONG,
            _ => {
                self.key = Some((key.made().to_owned(), now));
                false
            }
        }
    }
}

/// The key, where it has no value and this node has neither it nor data.
fn another_nodes(host: &Host, settings: &Bootstrap) -> Result<Option<Initialize>, Stop> {
    let folder = folder(host, settings);
    let is_ours = |made: &str| -> Result<bool, Stop> {
        let marker = marker::read(&folder)?;
        Ok(marker.is_none_or(|marker| {
            marker.state != Held::Empty || marker.initialize.as_deref() == Some(made)
        }))
    };
    if !marker::is_empty(&folder) {
        return Ok(None);
    }
    // An etcd that does not answer is waited for anyway.
    let Ok(Some(Some(key))) = initialize_key(host, settings) else {
        return Ok(None);
    };
    Ok((!key.is_set() && !is_ours(key.made())?).then_some(key))
}

fn take_away(host: &Host, settings: &Bootstrap, key: &Initialize) -> Result<Option<String>, Stop> {
    let (Ok(agent), Some(scope)) = (
        agent(host, settings),
        settings.initialize_key.strip_suffix("initialize"),
    ) else {
        return Ok(None);
    };
    let Ok(keys) = patroni_keys::below(&agent, &settings.etcd_gateways(), scope) else {
        return Ok(None);
    };
    let members: Vec<&str> = keys
        .iter()
        .filter_map(|key| key.strip_prefix(scope)?.strip_prefix("members/"))
        .collect();
    if !is_ownerless(&ask_all(host, settings), &members) {
        return Ok(None);
    }
    // Another node may have been quicker.
    Ok(key.remove(&agent).ok().map(|()| {
        "Patroni's initialise key had no owner any more and was taken away: the cluster may begin"
            .to_owned()
    }))
}

/// The rule, as a function of what the others said and who has a lease in etcd.
fn is_ownerless(said: &[(String, Said)], members: &[&str]) -> bool {
    let empty = 1 + said
        .iter()
        .filter(|(_, said)| *said == Said::Nothing)
        .count();
    let is_away = |(name, said): &(String, Said)| match said {
        Said::Nothing => true,
        Said::Silent(_) => !members.contains(&name.as_str()),
        Said::Begins | Said::Holds(_) => false,
    };
    let total = said.len() + 1;
    said.iter().all(is_away) && 2 * empty > total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_ownerless_only_when_nobody_can_be_its_owner() {
        let silent = || Said::Silent("refused".into());
        let verdict = |two: [Said; 2], members: &[&str]| {
            let said = ["db-2", "db-3"].map(str::to_owned).into_iter().zip(two);
            is_ownerless(&said.collect::<Vec<_>>(), members)
        };
        assert!(verdict([Said::Nothing, Said::Nothing], &["db-2", "db-3"]));
        assert!(verdict([Said::Nothing, silent()], &["db-1", "db-2"]));
        // It is silent to us alone, and may be the owner.
        assert!(!verdict([Said::Nothing, silent()], &["db-2", "db-3"]));
        assert!(!verdict([silent(), silent()], &[]));
        assert!(!verdict([Said::Begins, Said::Nothing], &[]));
        assert!(!verdict([Said::Nothing, Said::Holds("data".into())], &[]));
    }
}
