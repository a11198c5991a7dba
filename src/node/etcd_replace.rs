//! Joining a cluster that lists this member already, or taking the place of
//! the member that this one was before its disk was lost.
//!
//! A voter is added, not a learner: nobody would be there to promote it, and
//! it is done only while a majority of the full list is healthy without it, or
//! where the list has one member, which cannot be a majority of two.

use super::etcd_members::{Listed, Listing, Members};
use super::etcd_start::Start;
use super::stop::Stop;
use super::system;

const LOCK: &str = "/pgbundle-node/member-change";

impl Members<'_> {
    /// Starts with the list as the cluster has it.
    pub fn join(&self, listing: &Listing, reason: &str) -> Result<Start, Stop> {
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
            once: Vec::new(),
            reason: reason.to_owned(),
        })
    }

    /// Takes the member that lost its disk off the list and adds it again.
    pub fn replace(&self, endpoint: &str) -> Result<Start, Stop> {
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

    /// A majority of the full list must be healthy without this member. One
    /// member alone has a second one added as etcd itself allows it.
    fn check_quorum(&self, listing: &Listing, mine: Option<&Listed>) -> Result<(), Stop> {
        if mine.is_none() && listing.members.len() == 1 {
            return Ok(());
        }
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
        let answer: system::Answer = self.host.system.run(&call)?;
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
