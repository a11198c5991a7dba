//! What is promised of a running cluster when parts of it fail, told on one cluster.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::command::Failure;
use crate::host::Host;
use crate::lab::{Lab, wait_until};
use crate::lost_etcd;
use crate::partition;
use crate::release::Release;
use crate::stream::{self, Stream, longest_gap, nothing_is_lost};
use crate::tell;
use crate::twin;
use crate::waiting::{wait_serving, wait_standbys};
use crate::workspace::Workspace;

/// A pause while a host comes back that asks for a reason. It was seen once, and none was found.
const LONG: Duration = Duration::from_secs(15);
const SOON: Duration = Duration::from_secs(60);
const DATA: &str = "/var/lib/postgresql/15/main";

/// Every acknowledged row of all stories.
pub type Rows = BTreeSet<u64>;

/// The leader killed under a stream of writes, HAProxy killed where the VIP is, the leader cut
/// off from the others, etcd's data lost on one host and on all, one seed on two hosts.
#[test]
fn a_running_cluster_fails_in_part() {
    let make = || Release::shared()?.hosts_with_folder("a-running-cluster-fails-in-part");
    tell("a running cluster fails in part", make, |lab| {
        let client = Client::of(lab, Release::shared()?)?;
        let mut rows = Rows::new();
        the_cluster_forms(lab, &client)?;
        leaders_are_killed(lab, &client, &mut rows)?;
        haproxy_is_killed(lab, &client, &mut rows)?;
        partition::the_leader_is_cut_off(lab, &client, &mut rows)?;
        lost_etcd::etcd_is_lost_on_all(lab, &client, &mut rows)?;
        twin::another_host_has_the_same_seed(lab, &client, &mut rows)?;
        Ok(())
    });
}

fn the_cluster_forms(lab: &mut Lab, client: &Client) -> Result<(), Failure> {
    lab.boot_all()?;
    for (name, _) in lab.cluster.nodes.clone() {
        wait_serving(lab, &name)?;
    }
    wait_until("the cluster takes writes", SOON, || stream::prepare(client))?;
    wait_standbys(client, 1, 1).map(drop)
}

/// How a leader dies, and what has become of its host when it comes back.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Patroni and PostgreSQL get SIGKILL; systemd and Patroni restart them.
    Processes,
    /// The host loses power, and etcd's data.
    PowerCutWithoutEtcd,
    /// The host loses power and comes back with another instance-id in its meta-data.
    PowerCutAnotherInstance,
}

/// In turn. A power cut takes a minute, since the lease ends and the host boots; a killed process
/// a few seconds.
const DEATHS: [Death; 5] = [
    Death::PowerCutWithoutEtcd,
    Death::Processes,
    Death::PowerCutAnotherInstance,
    Death::Processes,
    Death::Processes,
];

/// `PGBUNDLE_LEADER_KILLS` times: every acknowledged row is there, whoever leads then.
fn leaders_are_killed(lab: &mut Lab, client: &Client, rows: &mut Rows) -> Result<(), Failure> {
    let (mut cuts, mut kills) = (Vec::new(), Vec::new());
    for death in DEATHS.iter().cycle().take(count_of_kills()?) {
        wait_standbys(client, 1, 1)?;
        let outage = a_leader_is_killed(lab, client, *death, rows)?;
        match death {
            Death::Processes => kills.push(outage),
            _ => cuts.push(outage),
        }
    }
    report("the leader's host lost power", &mut cuts);
    report(
        "the leader's Patroni and PostgreSQL were killed",
        &mut kills,
    );
    Ok(())
}

fn count_of_kills() -> Result<usize, Failure> {
    let name = "PGBUNDLE_LEADER_KILLS";
    let Some(text) = env::var_os(name) else {
        return Ok(5);
    };
    let text = text.to_string_lossy();
    text.parse()
        .map_err(|_| format!("{name}={text} is not a number").into())
}

fn report(what: &str, outages: &mut [Duration]) {
    outages.sort();
    let seconds = |outage: Option<&Duration>| outage.map_or(0.0, Duration::as_secs_f64);
    if !outages.is_empty() {
        eprintln!(
            "lab: time to the next write after {what} ({} times): {:.1} s at least, {:.1} s median, {:.1} s at most",
            outages.len(),
            seconds(outages.first()),
            seconds(outages.get(outages.len() / 2)),
            seconds(outages.last()),
        );
    }
}

/// Kills one leader under a stream of writes; the time to the next write.
///
/// `synchronous = "on"` promises that what was acknowledged is on a standby for as long as there
/// is one. So the kill waits for a row that was acknowledged so: all that was acknowledged before
/// is on that standby too.
fn a_leader_is_killed(
    lab: &mut Lab,
    client: &Client,
    death: Death,
    rows: &mut Rows,
) -> Result<Duration, Failure> {
    let leader = leader(lab, client)?;
    let before = identity_of_data(lab.host(&leader))?;
    let stream = Stream::begin(client);
    stream.wait_after(Instant::now(), SOON, |row| row.waited_for_standby)?;
    sleep(Duration::from_secs(1));
    let killed = Instant::now();
    match death {
        Death::Processes => kill_processes(lab.host(&leader))?,
        _ => lose_power(lab, &leader)?,
    }
    // A write that was begun before it was dead tells nothing.
    let next = stream.wait_after(Instant::now(), Duration::from_secs(90), |_| true)?;
    let outage = next.at - killed;
    let returning = Instant::now();
    if !matches!(death, Death::Processes) {
        it_comes_back(lab, &leader, death)?;
    }
    wait_standbys(client, 1, 1)?;
    stream.wait_after(Instant::now(), SOON, |row| row.waited_for_standby)?;
    let written = stream.end();
    let since: Vec<_> = written
        .iter()
        .filter(|row| row.begun >= killed)
        .cloned()
        .collect();
    let alone = since.iter().filter(|row| !row.waited_for_standby).count();
    let pause = longest_gap(&since);
    eprintln!(
        "lab: {death:?} of {leader}: next write after {:.1} s; {} rows before, {} after, {} of a primary alone; \
         whole again after {:.1} s, in which no pause was longer than {:.1} s",
        outage.as_secs_f64(),
        written.len() - since.len(),
        since.len() - alone,
        alone,
        returning.elapsed().as_secs_f64(),
        pause.as_secs_f64(),
    );
    if pause > LONG {
        keep_journals(lab, &leader)?;
    }
    rows.extend(written.iter().map(|row| row.number));
    nothing_is_lost(client, rows)?;
    assert_eq!(
        identity_of_data(lab.host(&leader))?,
        before,
        "{leader}: its data folder is the one that it had, not a copy made anew"
    );
    etcd_is_whole(lab)?;
    Ok(outage)
}

fn keep_journals(lab: &Lab, killed: &str) -> Result<(), Failure> {
    let name = format!("{}-{killed}", lab.run_name());
    let folder = Workspace::open()?.folder.join("pauses").join(name);
    fs::create_dir_all(&folder)?;
    for host in lab.hosts() {
        fs::write(folder.join(format!("{}.log", host.name)), host.journal()?)?;
    }
    eprintln!(
        "lab: a long pause; the journals are in {}",
        folder.display()
    );
    Ok(())
}

fn kill_processes(host: &Host) -> Result<(), Failure> {
    host.run(&format!(
        "kill -KILL $(systemctl show --property=MainPID --value patroni) $(head -n 1 {DATA}/postmaster.pid)"
    ))
    .map(drop)
}

/// A host without power says nothing at all: the lab's kernel would still refuse connections.
pub fn lose_power(lab: &mut Lab, name: &str) -> Result<(), Failure> {
    lab.set_cable(name, false)?;
    lab.cut_power(name)
}

/// The leader's name, as Patroni has it.
pub fn leader(lab: &Lab, client: &Client) -> Result<String, Failure> {
    wait_until("one node says that it leads", SOON, || {
        let mut leaders = Vec::new();
        for host in lab.hosts() {
            let url = format!("https://{}:8008/primary", host.address);
            if client.curl(&url, &["--max-time", "2"])?.out == "200" {
                leaders.push(host.name.clone());
            }
        }
        match leaders.as_slice() {
            [leader] => Ok(leader.clone()),
            _ => Err(format!("{leaders:?}").into()),
        }
    })
}

/// What is another after initdb or a copy made anew: the system's identity, and the birth of a
/// file that neither recovery nor pg_rewind makes again.
pub fn identity_of_data(host: &Host) -> Result<String, Failure> {
    host.run(&format!(
        "LC_ALL=C /usr/lib/postgresql/15/bin/pg_controldata {DATA} | grep 'system identifier'; \
         stat -c '%i %W' {DATA}/PG_VERSION"
    ))
}

fn it_comes_back(lab: &mut Lab, name: &str, death: Death) -> Result<(), Failure> {
    let host = lab.host(name);
    match death {
        Death::Processes => {}
        Death::PowerCutWithoutEtcd => lose_etcd(host)?,
        Death::PowerCutAnotherInstance => change_instance(host)?,
    }
    lab.set_cable(name, true)?;
    lab.boot(name)?;
    wait_serving(lab, name)
}

/// Takes etcd's data from a host that is off.
pub fn lose_etcd(host: &Host) -> Result<(), Failure> {
    host.with_disk(|root| {
        fs::remove_dir_all(root.join("var/lib/etcd/pgbundle/member"))?;
        Ok(())
    })
}

/// Takes the seed from a host that is off, as a medium is detached after the first boot.
pub fn lose_seed(host: &Host) -> Result<(), Failure> {
    host.with_disk(|root| {
        fs::remove_dir_all(root.join("var/lib/cloud/seed/nocloud"))?;
        Ok(())
    })
}

fn change_instance(host: &Host) -> Result<(), Failure> {
    host.with_disk(|root| {
        let path = root.join("var/lib/cloud/seed/nocloud/meta-data");
        let before = fs::read_to_string(&path)?;
        let after = before.replace("instance-id: ", "instance-id: another-");
        assert_ne!(after, before, "the meta-data names an instance");
        Ok(fs::write(&path, after)?)
    })
}

/// Every member is listed, has started and answers.
pub fn etcd_is_whole(lab: &Lab) -> Result<(), Failure> {
    etcd_is_whole_as_seen_by(&lab.hosts()[0], lab.cluster.nodes.len())
}

/// The same, asked on one host.
pub fn etcd_is_whole_as_seen_by(host: &Host, members: usize) -> Result<(), Failure> {
    wait_until("all members of etcd are healthy", SOON, || {
        let listed = host.run("bash -lc 'etcdctl member list -w simple'")?;
        let started = listed
            .lines()
            .filter(|line| line.contains(", started, "))
            .count();
        if (listed.lines().count(), started) != (members, members) {
            return Err(listed.into());
        }
        // Those that the list has, not those that the host was told of when it was made.
        host.run("bash -lc 'etcdctl endpoint health --cluster'")
    })?;
    Ok(())
}

/// HAProxy killed on the host that carries the VIP: restarted at once it costs a moment; held
/// down, the VIP moves to another host, and writes go through it again.
fn haproxy_is_killed(lab: &Lab, client: &Client, rows: &mut Rows) -> Result<(), Failure> {
    let holder = vip_holder(lab)?;
    let stream = Stream::begin(client);
    stream.wait_after(Instant::now(), SOON, |_| true)?;
    let killed = Instant::now();
    let host = lab.host(&holder);
    host.run("systemctl kill --signal=KILL haproxy.service")?;
    let next = stream.wait_after(Instant::now(), SOON, |_| true)?;
    let restarted = next.at - killed;
    sleep(Duration::from_secs(3));
    let holder = vip_holder(lab)?;
    let host = lab.host(&holder);
    let killed = Instant::now();
    host.run(
        "systemctl kill --signal=KILL haproxy.service; systemctl stop haproxy.service; \
         ! pgrep -x haproxy",
    )?;
    let next = stream.wait_after(Instant::now(), SOON, |_| true)?;
    let moved = next.at - killed;
    let new = vip_holder(lab)?;
    assert_ne!(new, holder, "the VIP moves away from a dead HAProxy");
    eprintln!(
        "lab: HAProxy killed under the VIP: next write after {:.1} s where it is restarted, after {:.1} s where it stays down ({holder} to {new})",
        restarted.as_secs_f64(),
        moved.as_secs_f64()
    );
    host.run("systemctl start haproxy.service")?;
    sleep(Duration::from_secs(5));
    assert_eq!(
        vip_holder(lab)?,
        new,
        "the VIP does not move back, with all its connections"
    );
    rows.extend(stream.end().iter().map(|row| row.number));
    nothing_is_lost(client, rows)
}

/// The one host that carries the VIP.
fn vip_holder(lab: &Lab) -> Result<String, Failure> {
    wait_until("one host carries the VIP", SOON, || {
        let mut holders = Vec::new();
        for host in lab.hosts() {
            let addresses = host.run("ip -4 -o addr show")?;
            if addresses.contains(&format!(" {}/", lab.cluster.vip)) {
                holders.push(host.name.clone());
            }
        }
        match holders.as_slice() {
            [holder] => Ok(holder.clone()),
            _ => Err(format!("{holders:?}").into()),
        }
    })
}
