//! Who may run initdb: Patroni's bootstrap method, and the guard before it.
//!
//! Patroni's race for the initialise key chooses among candidates, but an etcd
//! that was lost and rebuilt has no such key, and an empty node must never
//! start a new history beside a full one. So every other node is asked, and
//! silence is taken for "empty" only in the first generation, when the marker
//! beside our data folder says that nothing was ever there.
//!
//! The marker goes `empty` → `beginning` (before initdb writes a byte) →
//! `holds-data` (once Patroni serves). What a power cut leaves in between is
//! told by etcd: Patroni writes the system identifier under its initialise key
//! after the very last act of a bootstrap.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::durable::{self, Rights};
use super::host::{Host, require_json};
use super::http::{self, Trust};
use super::marker::{self, Held, Marker};
use super::stop::Stop;
use crate::base::NodePath;
use crate::bundle::start::{BOOTSTRAP, Bootstrap, PatroniPeer};

const LIMIT: Duration = Duration::from_secs(3);

/// What a peer said of its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It holds data, for this reason.
    Holds(String),
    /// It holds none.
    Nothing,
    /// It did not answer, for this reason.
    Silent(String),
}

/// Reads the settings.
pub fn settings(host: &Host) -> Result<Bootstrap, Stop> {
    require_json(&host.path(BOOTSTRAP))
}

fn folder(host: &Host, settings: &Bootstrap) -> PathBuf {
    settings.data_directory.under(&host.root)
}

/// Passes the guard, marks the folder, and becomes initdb.
pub fn bootstrap(host: &Host, data: Option<&str>) -> Result<(), Stop> {
    let settings = settings(host)?;
    let folder = folder(host, &settings);
    if data.is_some_and(|data| data != settings.data_directory.as_str()) {
        return Err(Stop::Input(format!(
            "Patroni's data folder is not that of `{BOOTSTRAP}`, `{}`",
            settings.data_directory
        )));
    }
    let marker = our_marker(&settings, &folder)?;
    let allowed = allowance(&folder);
    if allowed.exists() {
        durable::remove(&allowed)?;
    } else {
        let said: Vec<_> = settings
            .peers
            .iter()
            .map(|peer| (peer.name.to_string(), ask(host, &settings, peer)))
            .collect();
        judge(&marker, &said)?;
    }
    marker::write(
        &folder,
        &Marker {
            state: Held::Beginning,
            ..marker
        },
        None,
    )?;
    let fault = Command::new(settings.initdb.under(&host.root))
        .arg("-D")
        .arg(&folder)
        .args(&settings.arguments)
        .exec();
    Err(Stop::World(format!(
        "cannot run `{}`: {fault}",
        settings.initdb
    )))
}

fn our_marker(settings: &Bootstrap, folder: &Path) -> Result<Marker, Stop> {
    let place = folder.display();
    let marker = marker::read(folder)?.ok_or_else(|| {
        Stop::refuse(format!(
            "`{place}` has no marker; `pgbundle-node up` writes it"
        ))
    })?;
    if marker.cluster_id != settings.cluster_id {
        return Err(Stop::refuse(format!(
            "`{place}` belongs to cluster {} ({})",
            marker.cluster, marker.cluster_id
        )));
    }
    if !marker::is_empty(folder) {
        return Err(Stop::refuse(format!(
            "`{place}` is not empty; nothing was touched"
        )));
    }
    Ok(marker)
}

/// Whether an empty node may begin the cluster's history.
pub fn judge(marker: &Marker, said: &[(String, Said)]) -> Result<(), Stop> {
    let mut reasons = Vec::new();
    if marker.state == Held::HoldsData {
        reasons.push(
            "this node's marker says that its data folder held data of the cluster".to_owned(),
        );
    }
    let first = marker.generation == 1 && marker.state == Held::Empty;
    for (name, said) in said {
        match said {
            Said::Holds(why) => reasons.push(format!("{name} holds data ({why})")),
            Said::Silent(why) if !first => reasons.push(format!(
                "{name} does not answer ({why}), and this is not a cluster's first start"
            )),
            Said::Silent(_) | Said::Nothing => {}
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    reasons.push(format!(
        "so initdb could begin a second history; if there is truly no data left, run `pgbundle-node allow-bootstrap {}` on one node",
        marker.cluster
    ));
    Err(Stop::Refused(reasons))
}

fn agent(host: &Host, settings: &Bootstrap) -> Result<ureq::Agent, String> {
    let below = |path: &NodePath| path.under(&host.root);
    let (ca, certificate, key) = (
        below(&settings.tls.ca),
        below(&settings.tls.certificate),
        below(&settings.tls.key),
    );
    let trust = Trust::Only {
        authorities: &ca,
        own: Some((&certificate, &key)),
    };
    http::agent(trust, LIMIT).map_err(|fault| fault.to_string())
}

/// Asks a peer's Patroni whether it holds data.
pub fn ask(host: &Host, settings: &Bootstrap, peer: &PatroniPeer) -> Said {
    let answer = agent(host, settings).and_then(|agent| {
        let mut response = agent
            .get(&peer.url)
            .call()
            .map_err(|fault| fault.to_string())?;
        response
            .body_mut()
            .read_to_string()
            .map_err(|fault| fault.to_string())
    });
    match answer {
        Ok(body) => read_answer(&body),
        Err(why) => Said::Silent(why),
    }
}

/// Patroni's status: the system identifier is there as soon as there is data.
fn read_answer(body: &str) -> Said {
    let Ok(status) = serde_json::from_str::<Value>(body) else {
        return Said::Silent("its answer is no JSON".to_owned());
    };
    let state = status["state"].as_str().unwrap_or("unknown");
    match status.get("database_system_identifier") {
        Some(id) => Said::Holds(format!(
            "system identifier {}",
            id.as_str().unwrap_or("unknown")
        )),
        None if matches!(state, "running" | "starting" | "stopping" | "restarting") => {
            Said::Holds(format!("PostgreSQL is {state}"))
        }
        None => Said::Nothing,
    }
}

fn allowance(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}.allow-bootstrap"))
}

/// The operator's override, for one bootstrap; the cluster's name must be typed.
pub fn allow(host: &Host, cluster: &str) -> Result<(), Stop> {
    let settings = settings(host)?;
    if cluster != settings.cluster.as_str() {
        return Err(Stop::Input(format!(
            "this node is of cluster `{}`, not `{cluster}`",
            settings.cluster
        )));
    }
    let path = allowance(&folder(host, &settings));
    Ok(durable::write(
        &path,
        b"allowed by the operator, once\n",
        Rights::own(0o644),
    )?)
}

/// Before Patroni starts: remembers data that is there, and puts aside what a
/// bootstrap left that was cut off before its end.
pub fn mark(host: &Host) -> Result<String, Stop> {
    let settings = settings(host)?;
    let folder = folder(host, &settings);
    let Some(marker) = marker::read(&folder)? else {
        return if marker::is_empty(&folder) {
            Err(Stop::World(format!(
                "`{}` has no marker yet; `pgbundle-node up` writes it",
                folder.display()
            )))
        } else {
            Err(Stop::refuse(format!(
                "`{}` holds data that this cluster did not write",
                folder.display()
            )))
        };
    };
    if marker.cluster_id != settings.cluster_id {
        return Err(Stop::refuse(format!(
            "`{}` belongs to cluster {} ({})",
            folder.display(),
            marker.cluster,
            marker.cluster_id
        )));
    }
    match marker.state {
        Held::HoldsData => Ok("the folder holds data of this cluster".to_owned()),
        Held::Empty if folder.join("PG_VERSION").exists() => {
            marker::write(
                &folder,
                &Marker {
                    state: Held::HoldsData,
                    ..marker
                },
                None,
            )?;
            Ok("the folder holds data of this cluster now".to_owned())
        }
        Held::Empty => Ok("nothing was ever here".to_owned()),
        Held::Beginning => finish_or_put_aside(host, &settings, &folder, marker),
    }
}

fn finish_or_put_aside(
    host: &Host,
    settings: &Bootstrap,
    folder: &Path,
    marker: Marker,
) -> Result<String, Stop> {
    if settings.etcd.is_empty() || settings.initialize_key.is_empty() {
        return Ok("a first start was begun here; `etcd` and `initialize_key` are not set, so its end cannot be told".to_owned());
    }
    let agent = agent(host, settings).map_err(Stop::World)?;
    let found = Initialize::read(&agent, settings)?;
    if found.as_ref().is_some_and(|found| !found.value.is_empty()) {
        let state = if folder.join("PG_VERSION").exists() {
            Held::HoldsData
        } else {
            marker.state
        };
        marker::write(folder, &Marker { state, ..marker }, None)?;
        return Ok("the first start was completed".to_owned());
    }
    for peer in &settings.peers {
        if let Said::Holds(why) = ask(host, settings, peer) {
            return Err(Stop::refuse(format!(
                "a first start was cut off here, and {} holds data ({why})",
                peer.name
            )));
        }
    }
    let aside = put_aside(host, folder)?;
    if let Some(found) = found {
        found.remove(&agent)?;
    }
    marker::write(
        folder,
        &Marker {
            state: Held::Empty,
            ..marker
        },
        None,
    )?;
    Ok(format!(
        "a first start was cut off before its end: {aside}, and the cluster may begin again"
    ))
}

fn put_aside(host: &Host, folder: &Path) -> Result<String, Stop> {
    if marker::is_empty(folder) {
        return Ok("nothing was left of it".to_owned());
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let aside = folder.with_file_name(format!("{name}.unfinished-{}", host.now().seconds()));
    durable::rename(folder, &aside)?;
    Ok(format!("what it left lies in `{}`", aside.display()))
}

/// Patroni's initialise key as etcd has it, over the JSON gateway of its API.
struct Initialize {
    endpoint: String,
    key: String,
    value: String,
    revision: String,
}

impl Initialize {
    fn read(agent: &ureq::Agent, settings: &Bootstrap) -> Result<Option<Self>, Stop> {
        let key = BASE64.encode(&settings.initialize_key);
        let mut faults = Vec::new();
        for endpoint in &settings.etcd {
            match post(agent, endpoint, "range", &json!({ "key": key })) {
                Ok(answer) => {
                    let found = answer["kvs"]
                        .as_array()
                        .and_then(|found| found.first())
                        .cloned();
                    return Ok(found.map(|found| Self {
                        endpoint: endpoint.clone(),
                        key,
                        value: found["value"].as_str().unwrap_or_default().to_owned(),
                        revision: found["mod_revision"]
                            .as_str()
                            .unwrap_or_default()
                            .to_owned(),
                    }));
                }
                Err(fault) => faults.push(format!("{endpoint}: {fault}")),
            }
        }
        Err(Stop::World(format!(
            "a first start was begun here and no etcd says whether it ended ({})",
            faults.join("; ")
        )))
    }

    /// Removes the key unless it has changed since it was read.
    fn remove(&self, agent: &ureq::Agent) -> Result<(), Stop> {
        let unchanged = json!({ "key": self.key, "target": "MOD", "result": "EQUAL", "mod_revision": self.revision });
        let removal = json!({ "request_delete_range": { "key": self.key } });
        let body = json!({ "compare": [unchanged], "success": [removal] });
        let answer = post(agent, &self.endpoint, "txn", &body).map_err(Stop::World)?;
        if answer["succeeded"] == json!(true) {
            Ok(())
        } else {
            Err(Stop::World(
                "Patroni's initialise key changed meanwhile".to_owned(),
            ))
        }
    }
}

fn post(agent: &ureq::Agent, endpoint: &str, verb: &str, body: &Value) -> Result<Value, String> {
    let request = agent
        .post(format!("{endpoint}/v3/kv/{verb}"))
        .header("Content-Type", "application/json");
    let mut response = request
        .send(body.to_string())
        .map_err(|fault| fault.to_string())?;
    let text = response
        .body_mut()
        .read_to_string()
        .map_err(|fault| fault.to_string())?;
    if response.status() != 200 {
        return Err(format!("answered {}", response.status()));
    }
    serde_json::from_str(&text).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(state: Held, generation: u64) -> Marker {
        Marker {
            cluster: "demo".into(),
            cluster_id: "00".into(),
            node: "db-1".into(),
            generation,
            state,
        }
    }

    fn said(said: Said) -> Vec<(String, Said)> {
        vec![
            ("db-2".to_owned(), Said::Nothing),
            ("db-3".to_owned(), said),
        ]
    }

    #[test]
    fn an_empty_node_begins_only_when_nobody_can_hold_data() {
        let silent = || said(Said::Silent("refused".into()));
        let holds = || said(Said::Holds("system identifier 7".into()));
        assert!(judge(&marker(Held::Empty, 1), &silent()).is_ok());
        assert!(judge(&marker(Held::Empty, 1), &holds()).is_err());
        assert!(judge(&marker(Held::Empty, 2), &silent()).is_err());
        assert!(judge(&marker(Held::Empty, 2), &said(Said::Nothing)).is_ok());
        assert!(judge(&marker(Held::Beginning, 1), &silent()).is_err());
        assert!(judge(&marker(Held::Beginning, 1), &said(Said::Nothing)).is_ok());
        assert!(judge(&marker(Held::HoldsData, 1), &said(Said::Nothing)).is_err());
    }

    #[test]
    fn reads_what_patroni_says() {
        let waiting = r#"{"state": "uninitialized", "role": "uninitialized", "patroni": {"version": "3.0.2"}}"#;
        assert_eq!(read_answer(waiting), Said::Nothing);
        assert!(matches!(
            read_answer(r#"{"state":"stopped","database_system_identifier":"7"}"#),
            Said::Holds(_)
        ));
        assert!(matches!(
            read_answer(r#"{"state":"running"}"#),
            Said::Holds(_)
        ));
        assert!(matches!(read_answer("<html>"), Said::Silent(_)));
    }
}
