//! Patroni's bootstrap method: asks the others, passes the guard
//! ([`super::guard`]), marks the folder, and becomes initdb.
//!
//! The marker goes `empty` → `beginning` (before initdb writes a byte) →
//! `holds-data` (once Patroni serves). What a power cut leaves in between is
//! told by etcd: Patroni writes the system identifier under its initialise key
//! after the very last act of a bootstrap.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::getppid;

use super::durable::{self, Rights};
use super::guard::{self, Remembered, Said, Verdict, judge, read_answer};
use super::host::{Host, read_json, require_json};
use super::http::{self, Trust};
use super::marker::{self, Held, Marker};
use super::narrator::Wait;
use super::patroni_keys::{self, Initialize};
use super::postmaster;
use super::reminder::Reminder;
use super::stop::Stop;
use crate::base::NodePath;
use crate::bundle::start::{BOOTSTRAP, Bootstrap, PatroniPeer};

const LIMIT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_secs(2);

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
    let marker = wait_for_leave(host, &settings, &folder)?;
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

/// Asks until the guard lets us pass. A wait may be long, and Patroni may go
/// meanwhile: its unit ends it alone, and what nobody waits for must not begin.
fn wait_for_leave(host: &Host, settings: &Bootstrap, folder: &Path) -> Result<Marker, Stop> {
    let (patroni, mut reminder) = (getppid(), Reminder::default());
    let allowed = allowance(folder);
    loop {
        let marker = our_marker(settings, folder)?;
        if allowed.exists() {
            durable::remove(&allowed)?;
            durable::remove(&note(folder))?;
            return Ok(marker);
        }
        let verdict = judge(
            &marker,
            &remembered(host, settings),
            &ask_all(host, settings),
        );
        let waits = match verdict {
            Verdict::Begin => {
                durable::remove(&note(folder))?;
                return Ok(marker);
            }
            Verdict::Refuse(reasons) => {
                leave_note(folder, &reasons.join("; "))?;
                return Err(refused(reasons, settings));
            }
            Verdict::Wait(reasons) => reasons.join("; "),
        };
        if reminder.is_due(&waits, Instant::now()) {
            leave_note(folder, &waits)?;
            eprintln!("no history is begun yet: {waits}; {}", remedy(settings));
        }
        thread::sleep(PAUSE);
        if getppid() != patroni {
            return Err(Stop::World("Patroni is gone; nothing was begun".to_owned()));
        }
    }
}

/// Where the guard says why nothing is begun, for `up` and `status`.
fn note(folder: &Path) -> PathBuf {
    marker::beside(folder, "guard.txt")
}

fn leave_note(folder: &Path, reasons: &str) -> Result<(), Stop> {
    Ok(durable::write(
        &note(folder),
        reasons.as_bytes(),
        Rights::own(0o644),
    )?)
}

/// Why the guard lets this node begin no history; none once there is data, or
/// where the guard was never asked.
pub fn held_back(host: &Host) -> Result<Option<Wait>, Stop> {
    let Some(settings) = read_json::<Bootstrap>(&host.path(BOOTSTRAP))? else {
        return Ok(None);
    };
    let folder = folder(host, &settings);
    if !marker::is_empty(&folder) {
        return Ok(None);
    }
    // It is shown to all: the folder's owner must not choose the file.
    Ok(durable::read(&note(&folder))?.map(|reasons| Wait {
        what: "leave to begin the cluster's history, or a leader to copy".to_owned(),
        of: format!(
            "the guard before initdb: {}",
            String::from_utf8_lossy(&reasons)
        ),
        since: host.now(),
        remedy: format!("switch on the data nodes it names; {}", remedy(&settings)),
    }))
}

fn refused(mut reasons: Vec<String>, settings: &Bootstrap) -> Stop {
    reasons.push(format!(
        "so initdb could begin a second history; {}",
        remedy(settings)
    ));
    Stop::Refused(reasons)
}

fn remedy(settings: &Bootstrap) -> String {
    format!(
        "if there is truly no data left, run `pgbundle-node allow-bootstrap {}` on one node",
        settings.cluster
    )
}

fn ask_all(host: &Host, settings: &Bootstrap) -> Vec<(String, Said)> {
    let peers = settings.peers.iter();
    peers
        .map(|peer| (peer.name.to_string(), ask(host, settings, peer)))
        .collect()
}

/// What etcd remembers, by the names of Patroni's keys for this cluster.
pub fn remembered(host: &Host, settings: &Bootstrap) -> Remembered {
    let scope = settings.initialize_key.strip_suffix("initialize");
    let Some(scope) = scope.filter(|scope| scope.ends_with('/')) else {
        return Remembered::Unknown(format!("`{BOOTSTRAP}` names no key of Patroni's"));
    };
    let found =
        agent(host, settings).and_then(|agent| patroni_keys::below(&agent, &settings.etcd, scope));
    match found {
        Ok(keys) => guard::remembered(keys.iter().filter_map(|key| key.strip_prefix(scope))),
        Err(why) => Remembered::Unknown(why),
    }
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

fn allowance(folder: &Path) -> PathBuf {
    marker::beside(folder, "allow-bootstrap")
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
    let found = Initialize::read(&agent, &settings.etcd, &settings.initialize_key)?;
    if found.as_ref().is_some_and(Initialize::is_set) {
        let state = if folder.join("PG_VERSION").exists() {
            Held::HoldsData
        } else {
            marker.state
        };
        marker::write(folder, &Marker { state, ..marker }, None)?;
        return Ok("the first start was completed".to_owned());
    }
    let allowed = allowance(folder);
    if !allowed.exists() {
        let said = ask_all(host, settings);
        leave_to_put_aside(settings, judge(&marker, &remembered(host, settings), &said))?;
    }
    if let Some(postmaster) = postmaster::of(folder)? {
        return Err(Stop::refuse(format!(
            "a first start was cut off here, but PostgreSQL runs in `{}` (process {postmaster}), which outlived Patroni; nothing was touched: end it with `kill -INT {postmaster}`",
            folder.display()
        )));
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

/// The rule before initdb holds here too: after it the folder is gone and the
/// cluster may begin, so silence is no answer.
fn leave_to_put_aside(settings: &Bootstrap, verdict: Verdict) -> Result<(), Stop> {
    let begun = "a first start was cut off here, and what it left stays where it is";
    match verdict {
        Verdict::Begin => Ok(()),
        Verdict::Wait(reasons) => Err(Stop::World(format!(
            "{begun}: {}; it is asked again; {}",
            reasons.join("; "),
            remedy(settings)
        ))),
        Verdict::Refuse(mut reasons) => {
            reasons.insert(0, begun.to_owned());
            Err(Stop::Refused(reasons))
        }
    }
}

fn put_aside(host: &Host, folder: &Path) -> Result<String, Stop> {
    if marker::is_empty(folder) {
        return Ok("nothing was left of it".to_owned());
    }
    let aside = marker::beside(folder, &format!("unfinished-{}", host.now().seconds()));
    durable::rename(folder, &aside)?;
    Ok(format!("what it left lies in `{}`", aside.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn what_holds_the_guard_back_is_shown_until_there_is_data() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        assert_eq!(held_back(&host).unwrap(), None);
        let settings = serde_json::json!({
            "format": 1, "cluster": "demo", "cluster_id": "00", "name": "db-1",
            "data_directory": "/pg/main", "initdb": "/bin/false", "arguments": [], "peers": [],
            "tls": { "ca": "/ca", "certificate": "/certificate", "key": "/key" },
        });
        let bytes = settings.to_string().into_bytes();
        durable::write(&host.path(BOOTSTRAP), &bytes, Rights::own(0o644)).unwrap();
        assert_eq!(held_back(&host).unwrap(), None);
        leave_note(&host.path("/pg/main"), "db-2 does not answer").unwrap();
        let wait = held_back(&host).unwrap().unwrap();
        assert!(wait.of.ends_with("db-2 does not answer"));
        assert!(wait.remedy.contains("allow-bootstrap demo"));
        durable::write(
            &host.path("/pg/main/PG_VERSION"),
            b"15\n",
            Rights::own(0o600),
        )
        .unwrap();
        assert_eq!(held_back(&host).unwrap(), None);
    }
}
