//! Patroni's bootstrap method: asks the others, passes the guard
//! ([`super::guard`]), marks the folder, and becomes initdb.
//!
//! The marker goes `empty` → `beginning` (before initdb writes a byte) →
//! `formed` (before anybody can be served: [`finish`]) → `holds-data` (once
//! Patroni serves). With `empty` and `beginning` goes the number of the
//! initialise key that Patroni holds meanwhile. What a power cut leaves is put
//! right before Patroni's next start ([`super::unfinished`]).

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
use super::reminder::Reminder;
use super::stop::Stop;
use crate::base::NodePath;
use crate::bundle::start::{BOOTSTRAP, Bootstrap, PatroniPeer};

const LIMIT: Duration = Duration::from_secs(3);
/// Hosts that begin together are silent for some tenths of a second.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the last act of a bootstrap waits for etcd.
const FINISHING: Duration = Duration::from_secs(20);

/// Reads the settings.
pub fn settings(host: &Host) -> Result<Bootstrap, Stop> {
    require_json(&host.path(BOOTSTRAP))
}

/// The data folder.
pub(super) fn folder(host: &Host, settings: &Bootstrap) -> PathBuf {
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
    let marker = Marker {
        initialize: held_key(host, &settings)?,
        ..our_marker(&settings, &folder)?
    };
    marker::write(&folder, &marker, None)?;
    wait_for_leave(host, &settings, &folder)?;
    still_held(host, &settings, &marker)?;
    let state = Held::Beginning;
    marker::write(&folder, &Marker { state, ..marker }, None)?;
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

/// The initialise key that Patroni has just made, by its number; none where no
/// etcd is set. Whoever calls this program without holding it is stopped.
fn held_key(host: &Host, settings: &Bootstrap) -> Result<Option<String>, Stop> {
    let Some(key) = initialize_key(host, settings)? else {
        return Ok(None);
    };
    match key {
        Some(key) if !key.is_set() => Ok(Some(key.made().to_owned())),
        _ => Err(Stop::World(
            "Patroni does not hold its initialise key; nothing was begun".to_owned(),
        )),
    }
}

fn still_held(host: &Host, settings: &Bootstrap, marker: &Marker) -> Result<(), Stop> {
    if held_key(host, settings)? == marker.initialize {
        return Ok(());
    }
    Err(Stop::World(
        "another node holds Patroni's initialise key now; this one does not go on".to_owned(),
    ))
}

/// What etcd has under the initialise key; none where no etcd is set.
pub(super) fn initialize_key(
    host: &Host,
    settings: &Bootstrap,
) -> Result<Option<Option<Initialize>>, Stop> {
    if settings.etcd.is_empty() || settings.initialize_key.is_empty() {
        return Ok(None);
    }
    let agent = agent(host, settings).map_err(Stop::World)?;
    Initialize::read(&agent, &settings.etcd_gateways(), &settings.initialize_key).map(Some)
}

/// Patroni's last command of a bootstrap: runs `command`, and remembers that
/// from here on somebody may be served, while the key is still this node's.
pub fn finish(host: &Host, command: &[String]) -> Result<(), Stop> {
    let settings = settings(host)?;
    let folder = folder(host, &settings);
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| Stop::Input("no command was given".to_owned()))?;
    let world = |why: String| Stop::World(format!("`{program}`: {why}"));
    let ended = Command::new(program).args(arguments).status();
    let status = ended.map_err(|fault| world(fault.to_string()))?;
    if !status.success() {
        return Err(world(status.to_string()));
    }
    let marker = marker::read(&folder)?
        .filter(|marker| marker.state == Held::Beginning)
        .ok_or_else(|| {
            Stop::refuse(format!(
                "no first start is under way in `{}`",
                folder.display()
            ))
        })?;
    patiently(|| still_held(host, &settings, &marker))?;
    let state = Held::Formed;
    Ok(marker::write(&folder, &Marker { state, ..marker }, None)?)
}

/// What is undone where etcd has just no leader would have to be done anew.
fn patiently(mut ask: impl FnMut() -> Result<(), Stop>) -> Result<(), Stop> {
    let end = Instant::now() + FINISHING;
    loop {
        match ask() {
            Err(Stop::World(_)) if Instant::now() < end => thread::sleep(PAUSE),
            answered => return answered,
        }
    }
}

/// Asks until the guard lets us pass. A wait may be long, and Patroni may go
/// meanwhile: its unit ends it alone, and what nobody waits for must not begin.
fn wait_for_leave(host: &Host, settings: &Bootstrap, folder: &Path) -> Result<(), Stop> {
    let (patroni, mut reminder) = (getppid(), Reminder::default());
    let allowed = allowance(folder);
    loop {
        let marker = our_marker(settings, folder)?;
        if allowed.exists() {
            durable::remove(&allowed)?;
            durable::remove(&note(folder))?;
            return Ok(());
        }
        let verdict = judge(
            &marker,
            &remembered(host, settings),
            &ask_all(host, settings),
        );
        let waits = match verdict {
            Verdict::Begin => {
                durable::remove(&note(folder))?;
                return Ok(());
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
/// where it was never asked.
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

/// What the operator can do, and at what price.
pub(super) fn remedy(settings: &Bootstrap) -> String {
    format!(
        "if there is truly no data left, run `pgbundle-node allow-bootstrap {}` on one node",
        settings.cluster
    )
}

/// Asks every other data node.
pub(super) fn ask_all(host: &Host, settings: &Bootstrap) -> Vec<(String, Said)> {
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
    let found = agent(host, settings)
        .and_then(|agent| patroni_keys::below(&agent, &settings.etcd_gateways(), scope));
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

/// A client that shows this node's certificate.
pub(super) fn agent(host: &Host, settings: &Bootstrap) -> Result<ureq::Agent, String> {
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

/// Where the operator's override lies.
pub(super) fn allowance(folder: &Path) -> PathBuf {
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
