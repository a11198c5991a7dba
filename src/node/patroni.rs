//! Patroni as its REST interface shows it (`GET /cluster`), and the one thing
//! that is asked of it: a switchover, by its own `patronictl`.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::bundles::RoleBundle;
use super::files::each_service;
use super::health;
use super::host::Host;
use super::narrator::{Narrator, Wait};
use super::stop::Stop;
use super::system::Call;
use crate::base::{ClusterName, NodeName};
use crate::bundle::assignment::Health;

/// Patroni's lease (20 s) and a start of PostgreSQL.
const LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(500);
/// A standby that is further behind has not caught up yet: 16 MiB, one segment of WAL.
const BEHIND: u64 = 16 << 20;

/// What `GET /cluster` answers (Patroni: patroni/utils.py, `cluster_as_json`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct View {
    /// All members that hold a lease.
    pub members: Vec<Member>,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// `leader`, `sync_standby`, `replica`, …
    pub role: String,
    /// `running`, `streaming`, `stopped`, …
    pub state: String,
    /// Its timeline, once it is known.
    #[serde(default)]
    pub timeline: Option<u64>,
    /// Bytes behind the leader; `"unknown"` where it is not known.
    #[serde(default)]
    lag: Option<serde_json::Value>,
}

impl Member {
    /// Whether it leads.
    pub fn leads(&self) -> bool {
        matches!(self.role.as_str(), "leader" | "standby_leader" | "master")
    }

    /// Whether its PostgreSQL runs.
    pub fn runs(&self) -> bool {
        matches!(self.state.as_str(), "running" | "streaming")
    }
}

impl View {
    /// The one that leads and runs.
    pub fn leader(&self) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| member.leads() && member.runs())
    }

    /// The others whose PostgreSQL runs.
    pub fn standbys_beside(&self, node: &NodeName) -> Vec<&Member> {
        let others = self.members.iter();
        others
            .filter(|member| member.name != node.as_str() && !member.leads() && member.runs())
            .collect()
    }

    /// Why a node is no whole part of the cluster; none: it leads, or it follows
    /// the leader and has caught up.
    pub fn lacks(&self, node: &NodeName) -> Option<String> {
        let Some(leader) = self.leader() else {
            return Some("nobody leads".to_owned());
        };
        let Some(me) = self.members.iter().find(|m| m.name == node.as_str()) else {
            return Some("Patroni does not list this node".to_owned());
        };
        if me.leads() {
            return None;
        }
        if !me.runs() {
            return Some(format!("its PostgreSQL is `{}`", me.state));
        }
        if me.timeline != leader.timeline {
            return Some(format!(
                "it is on timeline {:?}, {} on {:?}",
                me.timeline, leader.name, leader.timeline
            ));
        }
        match me.lag.as_ref().and_then(serde_json::Value::as_u64) {
            Some(lag) if lag <= BEHIND => None,
            Some(lag) => Some(format!("it is {lag} bytes behind {}", leader.name)),
            None => Some(format!("how far it is behind {} is unknown", leader.name)),
        }
    }
}

/// This host's Patroni.
pub struct Patroni {
    /// Its unit.
    pub unit: String,
    url: String,
    authorities: PathBuf,
    patronictl: PathBuf,
    settings: PathBuf,
}

impl Patroni {
    /// Finds it among the services of the roles; none where they have none.
    pub fn of(host: &Host, bundles: &[RoleBundle]) -> Option<Self> {
        let (bundle, service) =
            each_service(bundles).find(|(_, service)| service.name == "patroni")?;
        let Health::Http { url, .. } = &service.health else {
            return None;
        };
        let files = &bundle.assignment.files;
        let named = |name: &str| {
            let mut paths = files.iter().map(|file| file.path.under(&host.root));
            paths.find(|path| path.file_name().is_some_and(|found| found == name))
        };
        Some(Self {
            unit: service.unit.clone(),
            url: url.rsplit_once('/')?.0.to_owned(),
            authorities: bundle.authorities(),
            patronictl: named("patronictl")?,
            settings: named("10-cluster.yml")?.parent().map(Path::to_owned)?,
        })
    }

    /// The cluster as it sees it.
    pub fn view(&self, host: &Host) -> Result<View, String> {
        let url = format!("{}/cluster", self.url);
        let text = health::read_http(host, &self.authorities, &url)?;
        serde_json::from_str(&text).map_err(|fault| format!("{url} cannot be read: {fault}"))
    }

    /// The call that has another member lead.
    pub fn switchover_call(&self, cluster: &ClusterName, node: &NodeName) -> Call {
        let words = ["switchover", "--force", "--leader"];
        let call = Call::new(
            &self.patronictl.display().to_string(),
            words.into_iter().chain([node.as_str(), cluster.as_str()]),
        );
        call.with(
            "PATRONICTL_CONFIG_FILE",
            &self.settings.display().to_string(),
        )
        .within(LIMIT)
    }

    /// Has another member lead, and waits until one does.
    pub fn switch_over(
        &self,
        host: &Host,
        narrator: &mut Narrator,
        cluster: &ClusterName,
        node: &NodeName,
    ) -> Result<(), Stop> {
        narrator.say("this node leads: another one takes over");
        host.system.run(&self.switchover_call(cluster, node))?;
        // Until it has become a standby: a Patroni that is stopped in the middle of
        // that does not end by itself.
        let what = "another leader, and this node to follow it";
        self.wait(host, narrator, what, Some(LIMIT), |view| {
            match view.leader() {
                Some(leader) if leader.name == node.as_str() => {
                    Some("this node leads still".to_owned())
                }
                _ => view.lacks(node),
            }
        })
    }

    /// Waits until its view lacks nothing.
    pub fn wait(
        &self,
        host: &Host,
        narrator: &mut Narrator,
        what: &str,
        patience: Option<Duration>,
        lacks: impl Fn(&View) -> Option<String>,
    ) -> Result<(), Stop> {
        let begun = Instant::now();
        loop {
            let lack = match self.view(host) {
                Ok(view) => lacks(&view),
                Err(why) => Some(why),
            };
            let Some(lack) = lack else {
                return narrator.waits(Vec::new());
            };
            if patience.is_some_and(|patience| begun.elapsed() >= patience) {
                return Err(Stop::World(format!("still waiting for {what}: {lack}")));
            }
            narrator.waits(vec![Wait {
                what: what.to_owned(),
                of: format!("Patroni: {lack}"),
                since: host.now(),
                remedy: format!("patronictl list; journalctl -u {}", self.unit),
            }])?;
            thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_whole_when_it_leads_or_has_caught_up() {
        // As Patroni 3.0 and 4.0 write it.
        let view = |state: &str, lag: &str, timeline: u64| -> View {
            let text = format!(
                r#"{{"members": [
                {{"name": "db-1", "role": "leader", "state": "running", "timeline": 2, "host": "x"}},
                {{"name": "db-2", "role": "sync_standby", "state": "{state}", "timeline": {timeline}, "lag": {lag}}}],
                "scope": "demo"}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let (one, two): (NodeName, NodeName) = ("db-1".parse().unwrap(), "db-2".parse().unwrap());
        let whole = view("streaming", "0", 2);
        assert_eq!(whole.lacks(&one), None);
        assert_eq!(whole.lacks(&two), None);
        assert_eq!(whole.standbys_beside(&one).len(), 1);
        assert!(whole.standbys_beside(&two).is_empty(), "the leader is none");
        let lacks = |view: View| view.lacks(&two).unwrap();
        assert!(lacks(view("starting", "0", 2)).contains("`starting`"));
        assert!(lacks(view("running", "0", 1)).contains("timeline"));
        assert!(lacks(view("running", "99999999", 2)).contains("bytes behind db-1"));
        assert!(lacks(view("running", r#""unknown""#, 2)).contains("unknown"));
        assert!(lacks(View::default()).contains("nobody leads"));
    }
}
