//! How this node's etcd starts: a decision, not `state: new`.
//!
//! | my disk | the others | then |
//! |---|---|---|
//! | empty | nobody answers | new, with the static list (unless the marker says that data was here) |
//! | empty | I am listed, without client URLs | I never served: new; existing where `member add` listed me |
//! | empty | I am listed with client URLs, or not at all | removed and added again under a lock, existing |
//! | mine | of the same cluster, or silent | etcd goes on from its log |
//! | another's | – | refused |
//!
//! The criterion is etcd's own (`isMemberBootstrapped`): a member publishes
//! its client URLs, by consensus, the first time it serves. A listed member
//! with an empty disk that did serve must not simply start: it would vote
//! again on what it had promised, and etcd 3.4 panics on it.
//!
//! A disk that cannot be read (an I/O error, a file where a folder should be) is
//! refused: to be lost is for the operator to say.
//!
//! A voter is added, not a learner: nobody would be there to promote it, and
//! it is done only while a majority of the full list is healthy without it.
//!
//! # The hole that remains
//! A host that was rebuilt has no marker, and one that is cut off from all its
//! peers has no answer. Together they look just as the first boot of a cluster,
//! so it starts `new` and waits for a quorum that it cannot make alone. If its
//! peers' data is there when the network returns, the cluster id is the same
//! (etcd derives it from token and static list) and it joins with a vote that it may
//! have given before. Nothing on such a host could tell; the operator can: a
//! rebuilt host is switched on only where it reaches another member.

use std::time::Duration;

use serde::Deserialize;

use super::durable::{self, Rights};
use super::health;
use super::host::{Host, require_json};
use super::identity;
use super::marker::{self, Held, Marker};
use super::stop::Stop;
use super::system::{Answer, Call};
use super::wal::{self, Disk};
use crate::base::NodePath;
use crate::bundle::start::{ETCD_START, ETCD_START_ENVIRONMENT, EtcdMember, EtcdStart};

const LOCK: &str = "/pgbundle-node/member-change";

#[derive(Clone, Debug, Deserialize)]
struct Listing {
    header: Header,
    members: Vec<Listed>,
}

#[derive(Clone, Debug, Deserialize)]
struct Header {
    cluster_id: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Listed {
    #[serde(rename = "ID")]
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(rename = "peerURLs", default)]
    peer_urls: Vec<String>,
    #[serde(rename = "clientURLs", default)]
    client_urls: Vec<String>,
}

/// How etcd is to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// `ETCD_INITIAL_CLUSTER_STATE`: `new` or `existing`.
    pub state: &'static str,
    /// `ETCD_INITIAL_CLUSTER`.
    pub cluster: String,
    /// Why, for the journal.
    pub reason: String,
}

/// Decides, remembers the decision beside the data, and tells etcd's unit.
pub fn prepare(host: &Host) -> Result<Start, Stop> {
    let settings: EtcdStart = require_json(&host.path(ETCD_START))?;
    let start = decide(host, &settings)?;
    let text = format!(
        "ETCD_INITIAL_CLUSTER={}\nETCD_INITIAL_CLUSTER_STATE={}\n",
        start.cluster, start.state
    );
    durable::write(
        &host.path(ETCD_START_ENVIRONMENT),
        text.as_bytes(),
        Rights::own(0o644),
    )?;
    Ok(start)
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
    let cluster = Cluster { host, settings };
    let answers = cluster.ask_others()?;
    let disk = wal::read(&folder);
    let remembered = if disk == Disk::Empty {
        Held::Beginning
    } else {
        Held::HoldsData
    };
    let start = match disk {
        Disk::Empty => cluster.start_empty(held, answers.first())?,
        Disk::Of(owner) => cluster.go_on(owner, answers.first())?,
        Disk::Unreadable(reason) => {
            return Err(Stop::refuse(format!(
                "etcd's log in `{}` cannot be read ({reason}); nothing was touched: look at the disk, and move the folder away to have this member made anew",
                folder.display()
            )));
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
    host: &'a Host<'a>,
    settings: &'a EtcdStart,
}

impl Cluster<'_> {
    fn me(&self) -> Result<&EtcdMember, Stop> {
        let name = &self.settings.name;
        let mine = self
            .settings
            .members
            .iter()
            .find(|member| member.name == *name);
        mine.ok_or_else(|| {
            Stop::Input(format!(
                "`{ETCD_START}` does not list its own member {name}"
            ))
        })
    }

    fn etcdctl<'w>(&self, endpoint: &str, words: impl IntoIterator<Item = &'w str>) -> Call {
        let below = |path: &NodePath| path.under(&self.host.root).display().to_string();
        let mut arguments = vec![
            format!("--endpoints={endpoint}"),
            format!("--cacert={}", below(&self.settings.tls.ca)),
            format!("--cert={}", below(&self.settings.tls.certificate)),
            format!("--key={}", below(&self.settings.tls.key)),
            "--dial-timeout=1s".to_owned(),
            "--command-timeout=3s".to_owned(),
        ];
        arguments.extend(words.into_iter().map(str::to_owned));
        Call::new("etcdctl", arguments)
            .with("ETCDCTL_API", "3")
            .within(Duration::from_secs(10))
    }

    fn list(&self, endpoint: &str) -> Result<Option<Listing>, Stop> {
        let answer = self
            .host
            .system
            .ask(&self.etcdctl(endpoint, ["member", "list", "-w", "json"]))?;
        if !answer.succeeded() {
            return Ok(None);
        }
        serde_json::from_str(&answer.output)
            .map(Some)
            .map_err(|fault| {
                Stop::World(format!(
                    "the member list of {endpoint} cannot be read: {fault}"
                ))
            })
    }

    /// The lists of all others that answer; those with a quorum behind them first.
    fn ask_others(&self) -> Result<Vec<(String, Listing)>, Stop> {
        let mut answers = Vec::new();
        for other in self
            .settings
            .members
            .iter()
            .filter(|member| member.name != self.settings.name)
        {
            // etcdctl takes its whole limit to find a refused port.
            if !health::accepts(authority(&other.client_url)) {
                continue;
            }
            if let Some(listing) = self.list(&other.client_url)? {
                // A linearised read first makes the list that follows current.
                let healthy = self.is_healthy(&other.client_url)?;
                let listing = if healthy {
                    self.list(&other.client_url)?.unwrap_or(listing)
                } else {
                    listing
                };
                answers.push((!healthy, other.client_url.clone(), listing));
            }
        }
        answers.sort_by_key(|(unhealthy, ..)| *unhealthy);
        let mut ids = answers
            .iter()
            .map(|(_, _, listing)| listing.header.cluster_id);
        let first = ids.next();
        if ids.any(|id| Some(id) != first) {
            return Err(Stop::refuse(
                "the other members are of two different etcd clusters; look at each with `etcdctl member list`",
            ));
        }
        Ok(answers
            .into_iter()
            .map(|(_, endpoint, listing)| (endpoint, listing))
            .collect())
    }

    fn is_healthy(&self, endpoint: &str) -> Result<bool, Stop> {
        Ok(health::accepts(authority(endpoint))
            && self
                .host
                .system
                .ask(&self.etcdctl(endpoint, ["endpoint", "health"]))?
                .succeeded())
    }

    fn statically(&self, state: &'static str, reason: impl Into<String>) -> Start {
        let members = self
            .settings
            .members
            .iter()
            .map(|m| format!("{}={}", m.name, m.peer_url));
        let cluster = members.collect::<Vec<_>>().join(",");
        Start {
            state,
            cluster,
            reason: reason.into(),
        }
    }

    fn go_on(&self, owner: wal::Owner, answer: Option<&(String, Listing)>) -> Result<Start, Stop> {
        let folder = &self.settings.data_directory;
        let remedy = "nothing was touched: move the folder away to have this member made anew";
        if let Some((endpoint, listing)) = answer {
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

    fn start_empty(&self, held: Held, answer: Option<&(String, Listing)>) -> Result<Start, Stop> {
        let Some((endpoint, listing)) = answer else {
            return self.start_in_silence(held);
        };
        let me = self.me()?;
        let listed = listing
            .members
            .iter()
            .find(|member| member.peer_urls.contains(&me.peer_url));
        match listed {
            Some(listed) if listed.client_urls.is_empty() && listed.name.is_empty() => {
                self.join(listing, "listed by `member add`, never started")
            }
            Some(listed) if listed.client_urls.is_empty() && held != Held::HoldsData => {
                Ok(self.statically("new", "listed from the beginning, never served"))
            }
            _ => self.replace(endpoint),
        }
    }

    fn start_in_silence(&self, held: Held) -> Result<Start, Stop> {
        if held == Held::HoldsData {
            return Err(Stop::World(
                "this member's disk is empty but held data before, and no other member answers: waiting for one, since starting anew could undo what the cluster has promised".to_owned(),
            ));
        }
        Ok(self.statically("new", "the disk is empty and no other member answers"))
    }

    /// Starts with the list as the cluster has it.
    fn join(&self, listing: &Listing, reason: &str) -> Result<Start, Stop> {
        let me = self.me()?;
        let mut pairs = Vec::new();
        for listed in &listing.members {
            let mine = listed.peer_urls.contains(&me.peer_url);
            let name = if mine {
                self.settings.name.as_str()
            } else {
                listed.name.as_str()
            };
            if name.is_empty() {
                let url = listed.peer_urls.join(" ");
                return Err(Stop::World(format!(
                    "another member ({url}) was added and has not started yet; waiting for it"
                )));
            }
            pairs.extend(listed.peer_urls.iter().map(|url| format!("{name}={url}")));
        }
        pairs.sort();
        Ok(Start {
            state: "existing",
            cluster: pairs.join(","),
            reason: reason.to_owned(),
        })
    }

    /// Takes the member that lost its disk off the list and adds it again.
    fn replace(&self, endpoint: &str) -> Result<Start, Stop> {
        let lease = self.take_lock(endpoint)?;
        let replaced = self.replace_locked(endpoint);
        let released = self
            .host
            .system
            .run(&self.etcdctl(endpoint, ["lease", "revoke", &lease]));
        let start = replaced?;
        released?;
        Ok(start)
    }

    fn replace_locked(&self, endpoint: &str) -> Result<Start, Stop> {
        let me = self.me()?;
        let listing = self.list_or_fail(endpoint)?;
        let mine = listing
            .members
            .iter()
            .find(|member| member.peer_urls.contains(&me.peer_url));
        self.check_quorum(&listing, mine)?;
        if let Some(mine) = mine {
            let id = format!("{:x}", mine.id);
            self.host
                .system
                .run(&self.etcdctl(endpoint, ["member", "remove", &id]))?;
        }
        let url = format!("--peer-urls={}", me.peer_url);
        self.host.system.run(&self.etcdctl(
            endpoint,
            ["member", "add", self.settings.name.as_str(), &url],
        ))?;
        self.join(
            &self.list_or_fail(endpoint)?,
            "its disk was lost: removed and added again",
        )
    }

    fn list_or_fail(&self, endpoint: &str) -> Result<Listing, Stop> {
        self.list(endpoint)?
            .ok_or_else(|| Stop::World(format!("{endpoint} no longer answers")))
    }

    /// A majority of the full list must be healthy without this member.
    fn check_quorum(&self, listing: &Listing, mine: Option<&Listed>) -> Result<(), Stop> {
        let total = listing.members.len() + usize::from(mine.is_none());
        let mut healthy = 0;
        for other in listing
            .members
            .iter()
            .filter(|other| mine.is_none_or(|mine| mine.id != other.id))
        {
            let Some(url) = other.client_urls.first() else {
                continue;
            };
            healthy += usize::from(self.is_healthy(url)?);
        }
        let majority = total / 2 + 1;
        if healthy >= majority {
            return Ok(());
        }
        Err(Stop::World(format!(
            "this member's disk is empty and it would be removed and added again, but only {healthy} of {total} members are healthy and {majority} must be: waiting for them"
        )))
    }

    /// A key with a lease: it is gone after a minute if this program is cut off.
    fn take_lock(&self, endpoint: &str) -> Result<String, Stop> {
        let granted = self
            .host
            .system
            .run(&self.etcdctl(endpoint, ["lease", "grant", "60"]))?;
        let lease = granted
            .output
            .split_whitespace()
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        let put = format!("put {LOCK} {} --lease={lease}", self.settings.name);
        let call = self
            .etcdctl(endpoint, ["txn"])
            .reading(format!("create(\"{LOCK}\") = \"0\"\n\n{put}\n\n\n"));
        let answer: Answer = self.host.system.run(&call)?;
        if answer.output.starts_with("SUCCESS") {
            return Ok(lease);
        }
        self.host
            .system
            .run(&self.etcdctl(endpoint, ["lease", "revoke", &lease]))?;
        Err(Stop::World(format!(
            "another member is being replaced (etcd key {LOCK}); waiting for it"
        )))
    }
}

/// `address:port` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}
