//! Asking each service whether it serves, until all say so. Waiting is not
//! failing: a host may have to wait hours for its peers to be powered on.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::bundles::RoleBundle;
use super::clock::heard;
use super::files::each_service;
use super::host::{Host, read_json};
use super::http::{self, Trust};
use super::initdb;
use super::narrator::{Narrator, Wait};
use super::ownerless::Watch;
use super::stop::Stop;
use super::systemctl;
use super::unit_waits;
use crate::bundle::assignment::{Health, Service};
use crate::bundle::start::{BOOTSTRAP, ETCD_START, TlsFiles};

const LIMIT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(500);

/// Polls every service; returns when all serve, or faults after `patience`.
pub fn wait_for_all(
    host: &Host,
    narrator: &mut Narrator,
    bundles: &[RoleBundle],
    patience: Option<Duration>,
) -> Result<(), Stop> {
    wait_for(host, narrator, bundles, patience, |_| true)
}

/// As [`wait_for_all`], for the services that are chosen.
pub fn wait_for(
    host: &Host,
    narrator: &mut Narrator,
    bundles: &[RoleBundle],
    patience: Option<Duration>,
    is_chosen: fn(&Service) -> bool,
) -> Result<(), Stop> {
    let mut key = Watch::default();
    until_nothing_is(narrator, patience, PAUSE, |narrator| {
        let waits = unanswered(host, bundles, is_chosen)?;
        if !waits.is_empty()
            && let Some(done) = key.look(host, Instant::now())?
        {
            narrator.say(&done);
        }
        Ok(waits)
    })
}

/// Asks what is waited for, again and again, and tells it, until nothing is;
/// faults after `patience`.
pub fn until_nothing_is(
    narrator: &mut Narrator,
    patience: Option<Duration>,
    pause: Duration,
    mut ask: impl FnMut(&Narrator) -> Result<Vec<Wait>, Stop>,
) -> Result<(), Stop> {
    let begun = Instant::now();
    loop {
        let waits = ask(narrator)?;
        narrator.waits(waits.clone())?;
        if waits.is_empty() {
            return Ok(());
        }
        if patience.is_some_and(|patience| begun.elapsed() >= patience) {
            let still: Vec<_> = waits.iter().map(ToString::to_string).collect();
            return Err(Stop::World(format!("still {}", still.join("; "))));
        }
        thread::sleep(pause);
    }
}

/// The chosen services that do not serve: what is waited for, and of whom.
pub fn unanswered(
    host: &Host,
    bundles: &[RoleBundle],
    is_chosen: fn(&Service) -> bool,
) -> Result<Vec<Wait>, Stop> {
    let mut waiting = Vec::new();
    for (bundle, service) in each_service(bundles).filter(|(_, service)| is_chosen(service)) {
        if let Some((what, of)) = silence(host, bundle, service)? {
            waiting.push(Wait {
                what: what.clone(),
                of,
                since: host.now(),
                remedy: remedy(service),
            });
        }
    }
    if !waiting.is_empty() {
        waiting.extend(initdb::held_back(host)?);
        waiting.extend(unit_waits::held_back(host)?);
    }
    Ok(waiting)
}

fn remedy(service: &Service) -> String {
    let unit = &service.unit;
    match service.health {
        Health::ClockInStep { .. } => {
            format!("make a time server reachable (UDP port 123); journalctl -u {unit}")
        }
        _ => format!(
            "see that the other nodes are switched on; this node's side: journalctl -u {unit}"
        ),
    }
}

/// What a service that does not serve is waited for, and of whom; none: it serves.
fn silence<'s>(
    host: &Host,
    bundle: &RoleBundle,
    service: &'s Service,
) -> Result<Option<(&'s String, String)>, Stop> {
    let (what, of, serves) = match &service.health {
        Health::Http {
            url,
            status,
            waits_for,
        } => {
            let answered = ask_http(host, &bundle.authorities(), url);
            let said = answered
                .as_ref()
                .map_or_else(Clone::clone, |code| format!("answered {code}"));
            let of = format!("{} at {url}, which {said}", service.name);
            (waits_for, of, answered == Ok(*status))
        }
        Health::Tcp { address, waits_for } => {
            let of = format!("{} at {address}", service.name);
            (waits_for, of, accepts(address))
        }
        Health::ClockInStep {
            waits_for,
            servers,
            keeper,
        } => {
            let of = format!("{} with {}", service.unit, servers.join(", "));
            (
                waits_for,
                of,
                heard::is_in_step(host, *keeper, &service.unit)?,
            )
        }
        Health::UnitActive { waits_for } => {
            let state = systemctl::active_state(host, &service.unit)?;
            (waits_for, service.unit.clone(), state == "active")
        }
    };
    Ok((!serves).then_some((what, of)))
}

fn ask_http(host: &Host, authorities: &Path, url: &str) -> Result<u16, String> {
    answer(host, authorities, url).map(|response| response.status().as_u16())
}

/// What lies at a URL of the cluster's own.
pub fn read_http(host: &Host, authorities: &Path, url: &str) -> Result<String, String> {
    let mut response = answer(host, authorities, url)?;
    if !response.status().is_success() {
        return Err(format!("{url} answered {}", response.status()));
    }
    let text = response.body_mut().read_to_string();
    text.map_err(|fault| format!("{url}: {fault}"))
}

fn answer(
    host: &Host,
    authorities: &Path,
    url: &str,
) -> Result<ureq::http::Response<ureq::Body>, String> {
    let own = own_certificate(host);
    let own = own
        .as_ref()
        .map(|(certificate, key)| (certificate.as_path(), key.as_path()));
    let trust = Trust::Only { authorities, own };
    let agent = http::agent(trust, LIMIT).map_err(|fault| format!("cannot be asked: {fault}"))?;
    let answered = agent.get(url).call();
    answered.map_err(|fault| format!("does not answer ({fault})"))
}

/// The certificate with which this node shows who it is, where it has one.
fn own_certificate(host: &Host) -> Option<(PathBuf, PathBuf)> {
    #[derive(Deserialize)]
    struct Settings {
        tls: TlsFiles,
    }
    let own = [ETCD_START, BOOTSTRAP].iter().find_map(|path| {
        let settings = read_json::<Settings>(&host.path(path)).ok().flatten()?;
        Some(settings.tls)
    })?;
    Some((own.certificate.under(&host.root), own.key.under(&host.root)))
}

/// Whether a connection to `address:port` is accepted within a second.
pub fn accepts(address: &str) -> bool {
    let address: Option<SocketAddr> = address.parse().ok();
    address
        .is_some_and(|address| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_accepts_or_it_does_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(accepts(&address));
        drop(listener);
        assert!(!accepts(&address));
        assert!(!accepts("not an address"));
    }
}
