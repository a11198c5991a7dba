//! What the other members of etcd say: who is listed, and whether a quorum stands behind it.
//!
//! Two questions are asked. A member's client port answers once it has been
//! part of a quorum since its start; its peer port answers `GET /members` from
//! what is on its disk as soon as it runs, quorum or not (etcd:
//! etcdserver/api/etcdhttp/peer.go). A host without data answers the second
//! question, too, before its etcd runs: with an empty list ([`super::etcd_meeting`]).

use std::time::Duration;

use serde::Deserialize;

use super::health;
use super::host::Host;
use super::http::{self, Trust};
use super::stop::Stop;
use super::system::Call;
use crate::base::NodePath;
use crate::bundle::start::{EtcdMember, EtcdStart};

/// A list of members as one of them has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Listing {
    /// Of which cluster.
    pub header: Header,
    /// Who is in it.
    pub members: Vec<Listed>,
}

impl Listing {
    /// Whether nobody has served yet.
    pub fn is_of_a_beginning(&self) -> bool {
        let urls = self.members.iter().map(|listed| &listed.client_urls);
        urls.into_iter().all(Vec::is_empty)
    }
}

/// What etcd says of itself beside an answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Header {
    /// The cluster's id, from its token and first list.
    pub cluster_id: u64,
}

/// A member as others list it.
#[derive(Clone, Debug, Deserialize)]
pub struct Listed {
    /// Its id.
    #[serde(rename = "ID", alias = "id")]
    pub id: u64,
    /// Its name; empty where it was added and has never started.
    #[serde(default)]
    pub name: String,
    /// Where its peers reach it.
    #[serde(rename = "peerURLs", default)]
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty where it never served.
    #[serde(rename = "clientURLs", default)]
    pub client_urls: Vec<String>,
}

impl Listed {
    /// Whether it is the member of the settings.
    pub fn is(&self, member: &EtcdMember) -> bool {
        self.peer_urls.contains(&member.peer_url)
    }
}

/// What another member answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its URL for clients.
    pub endpoint: String,
    /// Its list.
    pub listing: Listing,
    /// Whether its client port answered, which it does with a quorum alone.
    pub serves: bool,
}

/// What all others said.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The lists; those with a quorum behind them first.
    pub lists: Vec<Answer>,
    /// Hosts that have no data and ask the same question.
    pub blank: Vec<String>,
    /// Who said nothing, and why.
    pub silent: Vec<String>,
}

/// The members of etcd as this host's settings have them.
pub struct Members<'a> {
    /// The host.
    pub host: &'a Host<'a>,
    /// The settings.
    pub settings: &'a EtcdStart,
}

impl Members<'_> {
    /// This member.
    pub fn me(&self) -> Result<&EtcdMember, Stop> {
        let name = &self.settings.name;
        let mine = self
            .settings
            .members
            .iter()
            .find(|member| member.name == *name);
        mine.ok_or_else(|| {
            Stop::Input(format!(
                "`{}` does not list its own member {name}",
                crate::bundle::start::ETCD_START
            ))
        })
    }

    fn others(&self) -> impl Iterator<Item = &EtcdMember> {
        let mine = &self.settings.name;
        self.settings
            .members
            .iter()
            .filter(move |member| member.name != *mine)
    }

    /// A call of `etcdctl` with this member's certificate.
    pub fn etcdctl<'w>(&self, endpoint: &str, words: impl IntoIterator<Item = &'w str>) -> Call {
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

    /// The list of a member that serves; none where it does not.
    pub fn list(&self, endpoint: &str) -> Result<Option<Listing>, Stop> {
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

    /// Whether a member answers a read that needs a quorum.
    pub fn is_healthy(&self, endpoint: &str) -> Result<bool, Stop> {
        Ok(health::accepts(authority(endpoint))
            && self
                .host
                .system
                .ask(&self.etcdctl(endpoint, ["endpoint", "health"]))?
                .succeeded())
    }

    /// Whether any member, this one among them, answers with a quorum.
    pub fn any_is_healthy(&self) -> Result<bool, Stop> {
        for member in &self.settings.members {
            if self.is_healthy(&member.client_url)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many of the others answer with a quorum.
    pub fn healthy_others(&self) -> Result<usize, Stop> {
        let mut healthy = 0;
        for other in self.others() {
            healthy += usize::from(self.is_healthy(&other.client_url)?);
        }
        Ok(healthy)
    }

    /// Takes this member off the list, by the word of another; its id, where it
    /// was on it.
    pub fn leave(&self) -> Result<Option<String>, Stop> {
        let me = self.me()?;
        for other in self.others() {
            let endpoint = &other.client_url;
            if !self.is_healthy(endpoint)? {
                continue;
            }
            let listing = self.list(endpoint)?;
            let listed = listing.iter().flat_map(|listing| &listing.members);
            let Some(mine) = listed.into_iter().find(|listed| listed.is(me)) else {
                return Ok(None);
            };
            let id = format!("{:x}", mine.id);
            let call = self.etcdctl(endpoint, ["member", "remove", &id]);
            self.host.system.run(&call)?;
            return Ok(Some(id));
        }
        Err(Stop::World(
            "no other member of etcd answers that could take this one off the list".to_owned(),
        ))
    }

    /// Asks all others. Two different clusters among them are a refusal.
    pub fn ask_others(&self) -> Result<Answers, Stop> {
        let mut answers = Answers::default();
        let mut lists = Vec::new();
        for other in self.others() {
            match self.ask_as_peer(other) {
                Ok(Some(listing)) => lists.push(self.ask_as_client_too(other, listing)?),
                Ok(None) => answers.blank.push(other.name.to_string()),
                Err(why) => answers.silent.push(format!("{} ({why})", other.name)),
            }
        }
        lists.sort_by_key(|(is_unhealthy, _, _, serves)| (*is_unhealthy, !serves));
        let answer = |(_, other, listing, serves): (bool, &EtcdMember, Listing, bool)| Answer {
            endpoint: other.client_url.clone(),
            listing,
            serves,
        };
        answers.lists = lists.into_iter().map(answer).collect();
        refuse_two_clusters(&answers.lists)?;
        Ok(answers)
    }

    /// The list with a quorum behind it where there is one. A member that never
    /// served, as its own list has it, accepts clients and leaves them waiting.
    fn ask_as_client_too<'m>(
        &self,
        other: &'m EtcdMember,
        listing: Listing,
    ) -> Result<(bool, &'m EtcdMember, Listing, bool), Stop> {
        let endpoint = &other.client_url;
        let served = |listed: &Listed| listed.is(other) && !listed.client_urls.is_empty();
        // etcdctl takes its whole limit to find a refused port.
        if !listing.members.iter().any(served) || !health::accepts(authority(endpoint)) {
            return Ok((true, other, listing, false));
        }
        let Some(first) = self.list(endpoint)? else {
            return Ok((true, other, listing, false));
        };
        // A linearised read first makes the list that follows current.
        let is_healthy = self.is_healthy(endpoint)?;
        let current = if is_healthy {
            self.list(endpoint)?
        } else {
            None
        };
        Ok((!is_healthy, other, current.unwrap_or(first), true))
    }

    /// The list that a member has on its disk; none where it has no disk to speak of.
    fn ask_as_peer(&self, other: &EtcdMember) -> Result<Option<Listing>, String> {
        const LIMIT: Duration = Duration::from_secs(1);
        let below = |path: &NodePath| path.under(&self.host.root);
        let tls = &self.settings.tls;
        let (ca, certificate, key) = (below(&tls.ca), below(&tls.certificate), below(&tls.key));
        let trust = Trust::Only {
            authorities: &ca,
            own: Some((&certificate, &key)),
        };
        let agent = http::agent(trust, LIMIT).map_err(|fault| fault.to_string())?;
        let url = format!("{}/members", other.peer_url);
        let mut response = agent.get(&url).call().map_err(|fault| fault.to_string())?;
        let cluster = response.headers().get("x-etcd-cluster-id").cloned();
        let text = response.body_mut().read_to_string();
        let text = text.map_err(|fault| fault.to_string())?;
        let members: Vec<Listed> = serde_json::from_str(&text)
            .map_err(|_| format!("answered {} to {url}", response.status()))?;
        if members.is_empty() {
            return Ok(None);
        }
        let id = cluster.as_ref().and_then(|id| id.to_str().ok());
        let id = id.and_then(|id| u64::from_str_radix(id, 16).ok());
        let cluster_id = id.ok_or_else(|| format!("{url} does not say of which cluster it is"))?;
        Ok(Some(Listing {
            header: Header { cluster_id },
            members,
        }))
    }
}

fn refuse_two_clusters(lists: &[Answer]) -> Result<(), Stop> {
    let mut ids = lists.iter().map(|answer| answer.listing.header.cluster_id);
    let first = ids.next();
    if ids.any(|id| Some(id) != first) {
        return Err(Stop::refuse(
            "the other members are of two different etcd clusters; look at each with `etcdctl member list`",
        ));
    }
    Ok(())
}

/// `address:port` of a URL.
pub fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}
