//! How this node's etcd starts: a decision, not `state: new`.
//!
//! | my disk | the others | then |
//! |---|---|---|
//! | empty | a majority, this host with it, has no data either | new, with the static list |
//! | empty | fewer answer | waited for; they may have data |
//! | empty | I am listed without client URLs, by a member that serves, or nobody has any | I never served: new; existing where `member add` listed me |
//! | empty | I am listed with client URLs, or not at all | removed and added again under a lock, existing |
//! | empty, but the cluster's data was here | silent | waited for, until the operator lets etcd begin anew |
//! | mine | of the same cluster, or silent | etcd goes on from its log |
//! | another's | – | refused |
//!
//! The criterion is etcd's own (`isMemberBootstrapped`): a member publishes
//! its client URLs, by consensus, the first time it serves. A listed member
//! with an empty disk that did serve must not simply start: it would vote
//! again on what it had promised, and etcd 3.4 panics on it. The list of a
//! member without a quorum is that of its disk, which may lack the last
//! entries: it counts only where it shows a cluster that nobody has served yet,
//! and still does some seconds after it was first seen. etcd answers before it
//! has read its own log, and shows an old cluster as one that nobody served.
//!
//! Silence is no answer. A rebuilt host that is cut off looks to itself as the
//! first host of a new cluster does, and only others can tell: so a first
//! start is made by a majority of hosts without data that have met
//! ([`super::etcd_meeting`]), and nobody starts `new` alone.
//!
//! A disk that cannot be read (an I/O error, a file where a folder should be) is
//! refused: to be lost is for the operator to say. Where all members lost
//! theirs, so is to begin anew ([`super::anew`]).

use std::thread;
use std::time::{Duration, Instant};

use super::anew;
use super::durable::{self, Rights};
use super::etcd_meeting::Meeting;
use super::etcd_members::{Answer, Answers, Members, authority};
use super::host::{Host, require_json};
use super::identity;
use super::marker::{self, Held, Marker};
use super::reminder::Reminder;
use super::stop::Stop;
use super::unit_waits;
use super::wal::{self, Disk};
use crate::bundle::start::{ETCD_START, ETCD_START_ENVIRONMENT, EtcdStart};

const PAUSE: Duration = Duration::from_millis(300);
/// How long a member that has no quorum may take to read its log. Up to 100,000
/// entries come after the last snapshot (etcd's `--snapshot-count`).
const READING: Duration = Duration::from_secs(5);
const WANTED: &str = "another member of etcd";

/// How etcd is to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// `ETCD_INITIAL_CLUSTER_STATE`: `new` or `existing`.
    pub state: &'static str,
    /// `ETCD_INITIAL_CLUSTER`.
    pub cluster: String,
    /// Further settings of this one start.
    pub once: Vec<(&'static str, String)>,
    /// Why, for the journal.
    pub reason: String,
}

/// Decides, remembers the decision beside the data, and tells etcd's unit.
///
/// What stops or delays it is left for `status`.
pub fn prepare(host: &Host) -> Result<Start, Stop> {
    let settings: EtcdStart = require_json(&host.path(ETCD_START))?;
    let folder = settings.data_directory.under(&host.root);
    let start = decide(host, &settings).inspect_err(|stop| {
        if let Err(fault) = say_why(host, &settings, stop) {
            eprintln!("error: {fault}");
        }
    })?;
    unit_waits::clear(&folder)?;
    let mut text = format!(
        "ETCD_INITIAL_CLUSTER={}\nETCD_INITIAL_CLUSTER_STATE={}\n",
        start.cluster, start.state
    );
    for (name, value) in &start.once {
        text += &format!("{name}={value}\n");
    }
    durable::write(
        &host.path(ETCD_START_ENVIRONMENT),
        text.as_bytes(),
        Rights::own(0o644),
    )?;
    Ok(start)
}

fn say_why(host: &Host, settings: &EtcdStart, stop: &Stop) -> Result<(), Stop> {
    let folder = settings.data_directory.under(&host.root);
    let reason = stop.reasons().join("; ");
    if matches!(stop, Stop::Refused(_)) {
        let remedy = "put right what is named; it is asked again every few seconds";
        return unit_waits::leave(
            host,
            &folder,
            "etcd's data to be this member's",
            &reason,
            remedy,
        );
    }
    let reach = anew::reach(host)?.map_or(String::new(), |reach| format!("; {reach}"));
    let cluster = identity::stored(host)?.map(|identity| identity.cluster.to_string());
    let remedy = anew::remedy(cluster.as_deref().unwrap_or("CLUSTER"));
    let of = format!("the others: {reason}{reach}");
    unit_waits::leave(host, &folder, WANTED, &of, &remedy)
}

fn decide(host: &Host, settings: &EtcdStart) -> Result<Start, Stop> {
    let folder = settings.data_directory.under(&host.root);
    let identity = identity::stored(host)?
        .ok_or_else(|| Stop::Input("this host has no identity yet".to_owned()))?;
    let mine = Marker::of(&identity, Held::Beginning);
    if let Some(reason) = marker::foreign(&folder, &mine)? {
        return Err(Stop::refuse(reason));
    }
    let held = marker::read(&folder)?.map_or(Held::Empty, |marker| marker.state);
    let cluster = Cluster {
        members: Members { host, settings },
    };
    let disk = wal::read(&folder);
    let remembered = if disk == Disk::Empty {
        Held::Beginning
    } else {
        Held::HoldsData
    };
    let start = match disk {
        Disk::Unreadable(reason) => {
            return Err(Stop::refuse(format!(
                "etcd's log in `{}` cannot be read ({reason}); nothing was touched: look at the disk, and move the folder away to have this member made anew",
                folder.display()
            )));
        }
        disk if anew::take_allowance(&folder)? => cluster.begin_alone(&disk)?,
        Disk::Empty => {
            let is_first = held != Held::HoldsData && !anew::postgres_was_here(host, &mine)?;
            cluster.start_empty(held, is_first)?
        }
        Disk::Of(owner) => {
            let answers = cluster.members.ask_others()?;
            cluster.go_on(owner, answers.lists.iter().find(|answer| answer.serves))?
        }
    };
    // A disk that was lost once has held data for ever after.
    if remembered != held && held != Held::HoldsData {
        marker::write(
            &folder,
            &Marker {
                state: remembered,
                ..mine
            },
            None,
        )?;
    }
    Ok(start)
}

struct Cluster<'a> {
    members: Members<'a>,
}

impl Cluster<'_> {
    fn statically(&self, state: &'static str, reason: impl Into<String>) -> Start {
        let members = self
            .members
            .settings
            .members
            .iter()
            .map(|m| format!("{}={}", m.name, m.peer_url));
        let cluster = members.collect::<Vec<_>>().join(",");
        Start {
            state,
            cluster,
            once: Vec::new(),
            reason: reason.into(),
        }
    }

    /// By the operator's word: the only member, with what its disk holds. A new
    /// token where that is nothing, so that an old disk that comes back is seen
    /// to be of another cluster.
    fn begin_alone(&self, disk: &Disk) -> Result<Start, Stop> {
        let me = self.members.me()?;
        let (name, time) = (&me.name, self.members.host.now().seconds());
        let (state, once) = match disk {
            Disk::Empty => (
                "new",
                ("ETCD_INITIAL_CLUSTER_TOKEN", format!("{name}-{time}")),
            ),
            _ => ("existing", ("ETCD_FORCE_NEW_CLUSTER", "true".to_owned())),
        };
        Ok(Start {
            state,
            cluster: format!("{name}={}", me.peer_url),
            once: vec![once],
            reason: "the operator lets etcd begin again here".to_owned(),
        })
    }

    fn go_on(&self, owner: wal::Owner, answer: Option<&Answer>) -> Result<Start, Stop> {
        let folder = &self.members.settings.data_directory;
        let remedy = "nothing was touched: move the folder away to have this member made anew";
        if let Some(Answer {
            endpoint, listing, ..
        }) = answer
        {
            let cluster = listing.header.cluster_id;
            if owner.cluster != cluster {
                return Err(Stop::refuse(format!(
                    "`{folder}` is of etcd cluster {:x}, {endpoint} is of {cluster:x}; {remedy}",
                    owner.cluster
                )));
            }
            if !listing
                .members
                .iter()
                .any(|member| member.id == owner.member)
            {
                return Err(Stop::refuse(format!(
                    "`{folder}` is of member {:x}, which was removed from the cluster; {remedy}",
                    owner.member
                )));
            }
        }
        Ok(self.statically("existing", "the disk holds this member's log"))
    }

    /// Asks until an answer decides. A host that may be of a first start says
    /// meanwhile that it has no data.
    fn start_empty(&self, held: Held, is_first: bool) -> Result<Start, Stop> {
        let settings = self.members.settings;
        let (mut meeting, mut reminder) = (None, Reminder::default());
        let mut unserved: Option<(String, Instant)> = None;
        loop {
            let answers = self.members.ask_others()?;
            if let Some(answer) = answers.lists.first() {
                if answer.serves || has_read_its_log(&mut unserved, answer, Instant::now()) {
                    return self.start_listed(held, answer);
                }
                thread::sleep(PAUSE);
                continue;
            }
            let reason = match too_few(settings.members.len(), &answers) {
                _ if !is_first => return Err(lost(&answers)),
                None => {
                    let met = "a majority of the members has no data and has met";
                    return Ok(self.statically("new", met));
                }
                Some(reason) => reason,
            };
            if meeting.is_none() {
                let address = authority(&self.members.me()?.peer_url);
                meeting = Some(Meeting::open(self.members.host, address, &settings.tls)?);
            }
            if reminder.is_due(&reason, Instant::now()) {
                eprintln!("etcd is not started yet: {reason}");
                let folder = settings.data_directory.under(&self.members.host.root);
                let remedy = "switch on the other members; a host that was rebuilt must reach one that still has its data";
                unit_waits::leave(self.members.host, &folder, WANTED, &reason, remedy)?;
            }
            thread::sleep(PAUSE);
        }
    }

    fn start_listed(&self, held: Held, answer: &Answer) -> Result<Start, Stop> {
        let me = self.members.me()?;
        let listed = answer.listing.members.iter().find(|listed| listed.is(me));
        match listed {
            Some(listed) if listed.client_urls.is_empty() && listed.name.is_empty() => self
                .members
                .join(&answer.listing, "listed by `member add`, never started"),
            Some(listed)
                if listed.client_urls.is_empty()
                    && held != Held::HoldsData
                    && (answer.serves || answer.listing.is_of_a_beginning()) =>
            {
                Ok(self.statically("new", "listed from the beginning, never served"))
            }
            _ if answer.serves => self.members.replace(&answer.endpoint),
            _ => Err(Stop::World(format!(
                "this member's disk is empty, and {}, which has data, has no quorum that could tell whether it was so from the beginning: waiting for more members",
                answer.endpoint
            ))),
        }
    }
}

/// Whether the member that answers without a quorum was seen long ago enough.
fn has_read_its_log(seen: &mut Option<(String, Instant)>, answer: &Answer, now: Instant) -> bool {
    match seen {
        Some((endpoint, since)) if *endpoint == answer.endpoint => now - *since >= READING,
        _ => {
            *seen = Some((answer.endpoint.clone(), now));
            false
        }
    }
}

/// Why a first start cannot be made yet; none where a majority has met.
fn too_few(total: usize, answers: &Answers) -> Option<String> {
    let (met, majority) = (answers.blank.len() + 1, total / 2 + 1);
    (met < majority).then(|| {
        format!(
            "{met} of {total} members are known to have no data, {majority} must be; no answer from {}",
            answers.silent.join(", ")
        )
    })
}

fn lost(answers: &Answers) -> Stop {
    Stop::World(format!(
        "this member's disk is empty although the cluster's data was on this host, and no other member of etcd has a list (no data: {}; no answer: {}): \
         waiting for one, since starting anew could undo what the cluster has promised",
        in_words(&answers.blank),
        in_words(&answers.silent)
    ))
}

fn in_words(names: &[String]) -> String {
    if names.is_empty() {
        "nobody".to_owned()
    } else {
        names.join(", ")
    }
}
