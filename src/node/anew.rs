//! Beginning again over intact data: etcd's history is lost, PostgreSQL's is not.
//!
//! A cluster that was formed has a history in etcd: who leads, who has every
//! commit. Without it Patroni would let the first node that comes lead, however
//! far behind its data is: rows that were acknowledged would be gone. So
//! nothing begins by itself there:
//!
//! - etcd does not start as if new on a host whose etcd, or whose PostgreSQL,
//!   once held data of this cluster ([`super::etcd_start`]);
//! - Patroni does not start over data while etcd remembers no cluster
//!   ([`wait_for_history`]); as soon as a leader is there, it starts.
//!
//! The operator knows what became of the others. `pgbundle-node allow-new-etcd
//! CLUSTER` lets this host's etcd begin as the only member (the others join
//! it), and this host's PostgreSQL lead.
//!
//! A Patroni that runs throughout needs no word: it remembers the others and
//! asks them how far they are before it takes the lead.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::bundles;
use super::durable::{self, Rights};
use super::etcd_members::Members;
use super::files::all_services;
use super::guard::Remembered;
use super::host::{Host, read_json};
use super::identity;
use super::initdb;
use super::marker::{self, Held, Marker};
use super::postmaster;
use super::reminder::Reminder;
use super::stop::Stop;
use super::system::Call;
use super::unit_waits;
use crate::bundle::start::{BOOTSTRAP, Bootstrap, ETCD_START, EtcdStart};
use crate::seed::identity::Identity;

const PAUSE: Duration = Duration::from_millis(500);
/// Shorter than systemd's own limit for a start, 90 s; the unit is started again then.
const LIMIT: Duration = Duration::from_secs(60);

/// What must be done where etcd's data is lost on all members, for people.
pub fn remedy(cluster: &str) -> String {
    format!(
        "if a member of etcd still has its data, switch it on; if none has, PostgreSQL's data is intact and nothing is begun without you: \
         compare `pgbundle-node status` of all data nodes, and on the one whose data reaches farthest run `pgbundle-node allow-new-etcd {cluster}`"
    )
}

/// The word of the operator, beside the data folder that it is about.
fn allowance(folder: &Path) -> PathBuf {
    marker::beside(folder, "allow-new-etcd")
}

/// Whether the operator allowed it; it counts once.
pub fn take_allowance(folder: &Path) -> Result<bool, Stop> {
    let path = allowance(folder);
    let is_there = path.exists();
    if is_there {
        durable::remove(&path)?;
    }
    Ok(is_there)
}

/// The operator's word: etcd begins again here, and this node's PostgreSQL leads.
///
/// Returns what will happen, in words. While etcd serves and remembers the
/// cluster, there is nothing to allow.
pub fn allow(host: &Host, cluster: &str) -> Result<String, Stop> {
    let identity = own_identity(host)?;
    if cluster != identity.cluster.as_str() {
        return Err(Stop::Input(format!(
            "this node is of cluster `{}`, not `{cluster}`",
            identity.cluster
        )));
    }
    let allowed: Vec<String> = [allow_etcd(host, &identity)?, allow_postgres(host)?]
        .into_iter()
        .flatten()
        .collect();
    if allowed.is_empty() {
        return Err(Stop::refuse(
            "etcd serves and remembers this cluster: there is nothing to allow",
        ));
    }
    Ok(allowed.concat())
}

fn allow_etcd(host: &Host, identity: &Identity) -> Result<Option<String>, Stop> {
    let Some(settings) = read_json::<EtcdStart>(&host.path(ETCD_START))? else {
        return Ok(None);
    };
    let members = Members {
        host,
        settings: &settings,
    };
    if members.any_is_healthy()? {
        return Ok(None);
    }
    write_allowance(&settings.data_directory.under(&host.root))?;
    restart_etcd(host, identity)?;
    let etcd = "etcd begins again here as the only member, from what its disk holds; members whose data is lost join it by themselves, \
                one that still has its old data refuses until its folder is moved away\n";
    Ok(Some(etcd.to_owned()))
}

/// An etcd that still has its data runs, and waits for a quorum that will never be.
fn restart_etcd(host: &Host, identity: &Identity) -> Result<(), Stop> {
    let bundles = bundles::read(host, identity)?;
    let etcd = all_services(&bundles).find(|service| service.name == "etcd");
    if let Some(service) = etcd {
        let arguments = ["restart", "--no-block", &service.unit];
        host.system.run(&Call::new("systemctl", arguments))?;
    }
    Ok(())
}

fn allow_postgres(host: &Host) -> Result<Option<String>, Stop> {
    let Some(settings) = read_json::<Bootstrap>(&host.path(BOOTSTRAP))? else {
        return Ok(None);
    };
    let remembered = initdb::remembered(host, &settings);
    if matches!(remembered, Remembered::Leader | Remembered::History) {
        return Ok(None);
    }
    write_allowance(&settings.data_directory.under(&host.root))?;
    let postgres =
        "where etcd remembers no cluster, this node's PostgreSQL may lead; the others follow it\n";
    Ok(Some(postgres.to_owned()))
}

fn write_allowance(folder: &Path) -> Result<(), Stop> {
    let text = b"allowed by the operator, once\n";
    Ok(durable::write(
        &allowance(folder),
        text,
        Rights::own(0o644),
    )?)
}

fn own_identity(host: &Host) -> Result<Identity, Stop> {
    identity::stored(host)?.ok_or_else(|| Stop::Input("this host has no identity yet".to_owned()))
}

/// Whether this host's PostgreSQL was part of the cluster, which it cannot be without etcd.
pub fn postgres_was_here(host: &Host, mine: &Marker) -> Result<bool, Stop> {
    let Some(settings) = read_json::<Bootstrap>(&host.path(BOOTSTRAP))? else {
        return Ok(false);
    };
    let marker = marker::read(&settings.data_directory.under(&host.root))?;
    Ok(marker.is_some_and(|marker| marker.is_of(mine) && marker.state != Held::Empty))
}

/// Before Patroni starts over data: waits until etcd remembers the cluster, or
/// the operator lets this node lead.
pub fn wait_for_history(host: &Host) -> Result<(), Stop> {
    let settings = initdb::settings(host)?;
    let folder = settings.data_directory.under(&host.root);
    let marker = marker::read(&folder)?;
    let is_full = marker.is_some_and(|marker| marker.state == Held::HoldsData);
    if !is_full || settings.etcd.is_empty() {
        return unit_waits::clear(&folder);
    }
    let (begun, mut reminder) = (Instant::now(), Reminder::default());
    loop {
        let (reason, remedy) = match initdb::remembered(host, &settings) {
            Remembered::Leader | Remembered::History => {
                take_allowance(&folder)?;
                return unit_waits::clear(&folder);
            }
            Remembered::Nothing if take_allowance(&folder)? => {
                println!("the operator lets this node lead");
                return unit_waits::clear(&folder);
            }
            // Patroni would wait for it, too.
            Remembered::Unknown(why) => (
                format!("etcd, which does not answer ({why})"),
                "see what etcd waits for".to_owned(),
            ),
            Remembered::Nothing => (
                "etcd, which was begun anew and remembers no cluster, while data of it is here"
                    .to_owned(),
                remedy(settings.cluster.as_str()),
            ),
        };
        if reminder.is_due(&reason, Instant::now()) {
            let of = format!("{reason}; {}", position(host, &settings, &folder)?);
            unit_waits::leave(host, &folder, WANTED, &of, &remedy)?;
            eprintln!("waiting for {WANTED}: {of}; {remedy}");
        }
        if begun.elapsed() > LIMIT {
            return Err(Stop::World(format!("still waiting for {WANTED}: {reason}")));
        }
        thread::sleep(PAUSE);
    }
}

const WANTED: &str = "the cluster's history in etcd, before PostgreSQL is started over its data";

/// How far this node's data reaches, for people who compare nodes.
pub fn reach(host: &Host) -> Result<Option<String>, Stop> {
    let Some(settings) = read_json::<Bootstrap>(&host.path(BOOTSTRAP))? else {
        return Ok(None);
    };
    let folder = settings.data_directory.under(&host.root);
    if !folder.join("PG_VERSION").exists() {
        return Ok(Some("this node has no data of PostgreSQL".to_owned()));
    }
    position(host, &settings, &folder).map(Some)
}

fn position(host: &Host, settings: &Bootstrap, folder: &Path) -> Result<String, Stop> {
    let initdb = settings.initdb.under(&host.root);
    let program = initdb.with_file_name("pg_controldata");
    let call = Call::new(
        &program.display().to_string(),
        [folder.display().to_string()],
    )
    .with("LC_ALL", "C");
    let untold = |why: String| format!("how far its data reaches cannot be told ({why})");
    let control = match host.system.ask(&call) {
        Ok(said) if said.succeeded() => in_words(&said.output),
        Ok(said) => untold(said.complaint()),
        Err(fault) => untold(fault.to_string()),
    };
    let part = if folder.join("standby.signal").exists() {
        "a standby"
    } else {
        "the primary"
    };
    let runs = if postmaster::of(folder)?.is_some() {
        ", running"
    } else {
        ""
    };
    Ok(format!(
        "this node's PostgreSQL was last {part}{runs}, {control}"
    ))
}

/// The lines of `pg_controldata` that tell how far the data reaches.
fn in_words(control: &str) -> String {
    let value = |name: &str| {
        let line = control
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or("unknown").trim().to_owned()
    };
    format!(
        "timeline {}, its last checkpoint at {} ({}), recovered to {}",
        value("Latest checkpoint's TimeLineID"),
        value("Latest checkpoint location"),
        value("Time of latest checkpoint"),
        value("Minimum recovery ending location"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_far_data_reaches() {
        let control = "pg_control version number:            1300\n\
             Latest checkpoint location:           0/5000148\n\
             Latest checkpoint's TimeLineID:       3\n\
             Time of latest checkpoint:            Sat Nov 21 17:00:00 2026\n\
             Minimum recovery ending location:     0/0\n";
        assert_eq!(
            in_words(control),
            "timeline 3, its last checkpoint at 0/5000148 (Sat Nov 21 17:00:00 2026), recovered to 0/0"
        );
    }
}
