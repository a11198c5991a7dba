//! Before Patroni starts: what a power cut left of PostgreSQL's data is put
//! right, since Patroni would wait for ever beside it.
//!
//! | the marker | the folder | etcd's initialise key | then |
//! |---|---|---|---|
//! | any | empty | this node's, without value | removed: its owner begins no more |
//! | `beginning` | anything | – | put aside: nobody was ever served from it |
//! | `formed` | its history | holds that history | it is data |
//! | `formed` | its history | this node's, without value | put aside: the cluster never took it |
//! | `formed` | its history | not there | it is data, where all others say that they have none |
//! | `formed` | its history | holds another history | refused: nothing is touched |
//! | `empty`, `holds-data` | a copy that was not finished | – | put aside, to be copied again |
//!
//! To put aside is to rename. A node tells its own key by the number that etcd
//! gave it, so it asks nobody before it removes it, and two nodes that were cut
//! off at the same instant do not wait for each other. Where the key's owner
//! never comes back, see [`super::ownerless`].
//!
//! # Copies
//! `pg_basebackup` begins with `backup_label` and ends with the control file
//! (PostgreSQL manual, 55.4), then flushes all of it. PostgreSQL renames the
//! label at the first start on a copy. A folder with a label is therefore one
//! that was never started, and may lack anything. A leader has all of it.

use std::fs;
use std::io;
use std::path::Path;

use super::durable;
use super::guard::{Remembered, Verdict, judge};
use super::host::Host;
use super::initdb::{
    agent, allowance, ask_all, folder, initialize_key, remedy, remembered, settings,
};
use super::marker::{self, Held, Marker, beside};
use super::patroni_keys::Initialize;
use super::pg_control;
use super::postmaster;
use super::stop::Stop;
use super::unit_waits;
use crate::bundle::start::Bootstrap;

/// Puts right what is there, remembers it, and says what it did. What is in the
/// way is told to `status`, too: Patroni's journal is not where people look.
pub fn mark(host: &Host) -> Result<String, Stop> {
    let settings = settings(host)?;
    let folder = folder(host, &settings);
    let done = Unfinished {
        host,
        settings: &settings,
        folder: &folder,
    }
    .put_right();
    match &done {
        Ok(_) => unit_waits::clear(&folder)?,
        Err(stop) => {
            let reasons = format!("this host: {}", stop.reasons().join("; "));
            unit_waits::leave(host, &folder, WANTED, &reasons, &remedy(&settings))?;
        }
    }
    done
}

const WANTED: &str = "what an earlier start left of PostgreSQL's data to be put right";

struct Unfinished<'a> {
    host: &'a Host<'a>,
    settings: &'a Bootstrap,
    folder: &'a Path,
}

impl Unfinished<'_> {
    fn put_right(&self) -> Result<String, Stop> {
        let marker = self.marker()?;
        match marker.state {
            Held::Beginning | Held::Formed => self.first_start(marker),
            Held::Empty if marker::is_empty(self.folder) => self.nothing(marker),
            Held::Empty => match self.unfinished_copy()? {
                Some(done) => Ok(done),
                None => self.remember(
                    marker,
                    Held::HoldsData,
                    "the folder holds data of this cluster now",
                ),
            },
            Held::HoldsData => {
                let is_copy = self.folder.join(LABEL).exists();
                let done = if is_copy {
                    self.unfinished_copy()?
                } else {
                    None
                };
                Ok(done.unwrap_or_else(|| "the folder holds data of this cluster".to_owned()))
            }
        }
    }

    fn marker(&self) -> Result<Marker, Stop> {
        let place = self.folder.display();
        let Some(marker) = marker::read(self.folder)? else {
            return Err(if marker::is_empty(self.folder) {
                Stop::World(format!(
                    "`{place}` has no marker yet; `pgbundle-node up` writes it"
                ))
            } else {
                Stop::refuse(format!(
                    "`{place}` holds data that this cluster did not write"
                ))
            });
        };
        if marker.cluster_id == self.settings.cluster_id {
            return Ok(marker);
        }
        Err(Stop::refuse(format!(
            "`{place}` belongs to cluster {} ({})",
            marker.cluster, marker.cluster_id
        )))
    }

    fn remember(&self, marker: Marker, state: Held, done: &str) -> Result<String, Stop> {
        let marker = Marker {
            state,
            initialize: None,
            ..marker
        };
        marker::write(self.folder, &marker, None)?;
        Ok(done.to_owned())
    }

    /// Cut off while Patroni held the key and waited for leave to begin.
    fn nothing(&self, marker: Marker) -> Result<String, Stop> {
        let nothing = "nothing was ever here";
        if marker.initialize.is_none() {
            return Ok(nothing.to_owned());
        }
        self.release(self.key()?, &marker)?;
        self.remember(marker, Held::Empty, nothing)
    }

    fn key(&self) -> Result<Option<Initialize>, Stop> {
        Ok(initialize_key(self.host, self.settings)?.flatten())
    }

    /// Removes the key if it is the one that this node held, without value.
    fn release(&self, key: Option<Initialize>, marker: &Marker) -> Result<(), Stop> {
        match key {
            Some(key) if is_ours(&key, marker) => {
                let agent = agent(self.host, self.settings).map_err(Stop::World)?;
                key.remove(&agent)
            }
            _ => Ok(()),
        }
    }

    fn first_start(&self, marker: Marker) -> Result<String, Stop> {
        let key = self.key()?;
        let history = pg_control::system_identifier(self.folder);
        let taken = key.as_ref().and_then(Initialize::system_identifier);
        if history.is_some() && taken == history {
            return self.remember(marker, Held::HoldsData, "the first start was completed");
        }
        let is_ours = key.as_ref().is_some_and(|key| is_ours(key, &marker));
        if marker.state == Held::Formed && !marker::is_empty(self.folder) && !is_ours {
            if let Some(taken) = taken {
                return Err(self.another_history(taken));
            }
            if !self.is_allowed() {
                self.nobody_has_more(&marker)?;
                return self.remember(
                    marker,
                    Held::HoldsData,
                    "a first start was ended here, and no other node has data: the cluster goes on with it",
                );
            }
        }
        self.put_aside_first_start(key, marker)
    }

    fn is_allowed(&self) -> bool {
        allowance(self.folder).exists()
    }

    fn another_history(&self, taken: u64) -> Stop {
        Stop::refuse(format!(
            "`{}` holds the data of a first start, and the cluster has begun another history since (system identifier {taken}); nothing was touched: look at both, and move the folder away to have this node copy the other",
            self.folder.display()
        ))
    }

    /// Somebody may have been served from here: silence is no answer.
    fn nobody_has_more(&self, marker: &Marker) -> Result<(), Stop> {
        let said = ask_all(self.host, self.settings);
        let begun =
            "a first start was ended here and etcd does not know it; its data stays where it is";
        match judge(marker, &remembered(self.host, self.settings), &said) {
            Verdict::Begin => Ok(()),
            Verdict::Wait(reasons) => Err(Stop::World(format!(
                "{begun}: {}; it is asked again",
                reasons.join("; ")
            ))),
            Verdict::Refuse(mut reasons) => {
                reasons.insert(0, begun.to_owned());
                Err(Stop::Refused(reasons))
            }
        }
    }

    fn put_aside_first_start(
        &self,
        key: Option<Initialize>,
        marker: Marker,
    ) -> Result<String, Stop> {
        self.nobody_serves("a first start was cut off here")?;
        let left = self.put_aside(&self.free_name())?;
        self.release(key, &marker)?;
        let done = format!(
            "a first start was cut off before its end: {left}, and the cluster may begin again"
        );
        self.remember(marker, Held::Empty, &done)
    }

    /// Two cuts may have one time where a host has no clock of its own.
    fn free_name(&self) -> String {
        let now = self.host.now().seconds();
        let names = (now..).map(|number| format!("unfinished-{number}"));
        let mut free = names.filter(|name| !beside(self.folder, name).exists());
        free.next()
            .expect("a folder has fewer names than there are numbers")
    }

    fn nobody_serves(&self, what: &str) -> Result<(), Stop> {
        let Some(postmaster) = postmaster::of(self.folder)? else {
            return Ok(());
        };
        Err(Stop::refuse(format!(
            "{what}, but PostgreSQL runs in `{}` (process {postmaster}), which outlived Patroni; nothing was touched: end it with `kill -INT {postmaster}`",
            self.folder.display()
        )))
    }

    fn put_aside(&self, name: &str) -> Result<String, Stop> {
        if marker::is_empty(self.folder) {
            return Ok("nothing was left of it".to_owned());
        }
        let aside = beside(self.folder, name);
        durable::rename(self.folder, &aside)?;
        Ok(format!("what it left lies in `{}`", aside.display()))
    }

    /// Puts aside a copy of a leader that was not finished; none where the
    /// folder is no such copy.
    fn unfinished_copy(&self) -> Result<Option<String>, Stop> {
        let is_startable = pg_control::system_identifier(self.folder).is_some();
        if is_startable && !self.folder.join(LABEL).exists() {
            return Ok(None);
        }
        if is_startable {
            if self.is_allowed() {
                durable::remove(&allowance(self.folder))?;
                return Ok(None);
            }
            self.there_is_a_leader()?;
        }
        self.nobody_serves("a copy of the leader was cut off here")?;
        // Of many cut-off copies one is enough to look at.
        let earlier = beside(self.folder, COPY);
        match fs::remove_dir_all(&earlier) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                return Err(Stop::World(format!(
                    "cannot remove `{}`: {fault}",
                    earlier.display()
                )));
            }
            _ => {}
        }
        let left = self.put_aside(COPY)?;
        Ok(Some(format!(
            "a copy of the leader was cut off before its end: {left}, and it is copied again"
        )))
    }

    fn there_is_a_leader(&self) -> Result<(), Stop> {
        let why = match remembered(self.host, self.settings) {
            Remembered::Leader => return Ok(()),
            Remembered::Unknown(why) => format!("etcd cannot be asked ({why})"),
            Remembered::History | Remembered::Nothing => "there is none yet".to_owned(),
        };
        Err(Stop::World(format!(
            "`{}` is a copy that was never started and may lack anything; it is copied again from a leader, and {why}; it is asked again. A backup that you restored here yourself is taken after `pgbundle-node allow-bootstrap {}`",
            self.folder.display(),
            self.settings.cluster
        )))
    }
}

/// What a copy has until PostgreSQL's first start on it.
const LABEL: &str = "backup_label";
/// Where a copy goes that was not finished.
const COPY: &str = "unfinished-copy";

fn is_ours(key: &Initialize, marker: &Marker) -> bool {
    !key.is_set() && marker.initialize.as_deref() == Some(key.made())
}
