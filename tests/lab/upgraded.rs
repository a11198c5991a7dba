//! A running cluster takes up a higher generation, host by host, under a stream of writes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::command::{Failure, Said};
use crate::failures::leader;
use crate::host::Host;
use crate::lab::Lab;
use crate::release::Release;
use crate::server::Server;
use crate::stream::{self, Stream, longest_gap, nothing_is_lost};
use crate::waiting::{wait_serving, wait_standbys};

const SOON: Duration = Duration::from_secs(60);
const PATRONI: &str = "/usr/local/lib/pgbundle/patroni";
const MOVED: &str = "/usr/local/lib/pgbundle/patroni-moved";

/// Every host takes up the next generation; Patroni's program moves, and its unit with it.
pub fn host_by_host(lab: &mut Lab, client: &Client, release: &Release) -> Result<(), Failure> {
    let folder = lab.folder().join("next");
    let parameter = |spec: &str| spec.replace("max_connections = 200", "max_connections = 210");
    let moved = |profile: &str| profile.replace(&format!("\"{PATRONI}\""), &format!("\"{MOVED}\""));
    let next = release.next(&folder, parameter, moved)?;
    let names = leader_first(lab, client, &next)?;
    without_a_quorum_it_refuses(lab, &names, &next)?;
    one_after_another(lab, client, &names, &next, its_program_has_moved)?;
    an_older_one_is_refused(lab, &names[1], release)
}

/// The hosts of a whole cluster, which find the next release by HTTP from now on: the
/// leader first, so that it must hand over.
pub fn leader_first(
    lab: &mut Lab,
    client: &Client,
    next: &Release,
) -> Result<Vec<String>, Failure> {
    lab.stop_serving();
    let address = lab.cluster.gateway.addr();
    lab.serve(Server::start(&lab.namespace(), address, &next.public)?);
    stream::prepare(client)?;
    wait_standbys(client, 1, 1)?;
    let first = leader(lab, client)?;
    let nodes = lab.cluster.nodes.iter().map(|(name, _)| name.clone());
    let mut names: Vec<String> = nodes.filter(|name| *name != first).collect();
    names.insert(0, first);
    Ok(names)
}

/// They take it up in this order, under a stream of writes of which none is lost.
pub fn one_after_another(
    lab: &Lab,
    client: &Client,
    names: &[String],
    next: &Release,
    is_taken_up: impl Fn(&Host) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let stream = Stream::begin(client);
    stream.wait_after(Instant::now(), SOON, |row| row.waited_for_standby)?;
    for name in names {
        it_is_upgraded(lab, client, name, next)?;
        is_taken_up(lab.host(name))?;
    }
    stream.wait_after(Instant::now(), SOON, |row| row.waited_for_standby)?;
    let rows = stream.end();
    eprintln!(
        "lab: three hosts upgraded under {} acknowledged writes, no pause longer than {:.1} s",
        rows.len(),
        longest_gap(&rows).as_secs_f64()
    );
    let numbers: BTreeSet<u64> = rows.iter().map(|row| row.number).collect();
    nothing_is_lost(client, &numbers)?;
    wait_standbys(client, 1, 1)?;
    Ok(())
}

fn offer(host: &Host, seed: &Path) -> Result<(), Failure> {
    let user_data = fs::read_to_string(seed.join("user-data"))?;
    let taken = host.ask_with_input(
        "umask 077; mkdir -p /root/seed && cat >/root/seed/user-data",
        &user_data,
    )?;
    assert!(taken.is_success(), "{taken:?}");
    Ok(())
}

fn upgrade(host: &Host, seed: &Path) -> Result<Said, Failure> {
    offer(host, seed)?;
    host.ask("/usr/local/sbin/pgbundle-node upgrade --identity /root/seed --wait 120")
}

/// One host's etcd is down: another one that would restart refuses, and nothing changes.
fn without_a_quorum_it_refuses(lab: &Lab, names: &[String], next: &Release) -> Result<(), Failure> {
    let (host, other) = (lab.host(&names[0]), lab.host(&names[1]));
    other.run("systemctl stop etcd")?;
    let said = upgrade(host, &next.seeds.join(&names[0]))?;
    other.run("systemctl start etcd")?;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("etcd would lose its quorum"), "{said:?}");
    assert!(
        said.out.contains("restart patroni.service"),
        "it says what restarts: {said:?}"
    );
    let report = host.report()?.ok_or("no report")?;
    assert_eq!(report["generation"], 1, "{report}");
    Ok(())
}

fn it_is_upgraded(lab: &Lab, client: &Client, name: &str, next: &Release) -> Result<(), Failure> {
    let host = lab.host(name);
    let leads = leader(lab, client)? == name;
    let begun = Instant::now();
    let said = upgrade(host, &next.seeds.join(name))?;
    assert!(said.is_success(), "{name}: {said:?}");
    eprintln!(
        "lab: {name} upgraded in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    assert_eq!(
        said.out.contains("another one takes over"),
        leads,
        "{name}: {said:?}"
    );
    wait_serving(lab, name)?;
    let report = host.report()?.ok_or("no report")?;
    assert_eq!(report["generation"], 2, "{name}: {report}");
    if leads {
        assert_ne!(leader(lab, client)?, name, "another node leads");
    }
    let drift = host.ask("/usr/local/sbin/pgbundle-node verify")?;
    assert!(drift.is_success(), "{name}: {drift:?}");
    Ok(())
}

fn its_program_has_moved(host: &Host) -> Result<(), Failure> {
    let runs = host.run("systemctl show --property=ExecStart patroni")?;
    assert!(
        runs.contains(MOVED),
        "{}: the unit starts it from its new place: {runs}",
        host.name
    );
    let gone = host.ask(&format!("test -e {PATRONI}"))?;
    assert!(
        !gone.is_success(),
        "{}: what the earlier generation had is gone",
        host.name
    );
    Ok(())
}

fn an_older_one_is_refused(lab: &Lab, name: &str, older: &Release) -> Result<(), Failure> {
    let said = upgrade(lab.host(name), &older.seeds.join(name))?;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.err.contains("an older one is never taken back"),
        "{said:?}"
    );
    Ok(())
}
