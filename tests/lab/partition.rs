//! The leader cut off from the others: never two primaries that take writes.
//!
//! Both sides are asked the whole time. On the cut-off host a client writes
//! through PostgreSQL's own socket, beside everything that could stop it: once
//! as the cluster has it, waiting for a standby, and once without waiting for
//! anybody, which tells until when that server takes writes at all. On the
//! other side clients try every other node's PostgreSQL.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::client::Client;
use crate::command::Failure;
use crate::failures::{Rows, etcd_is_whole, leader};
use crate::host::Host;
use crate::lab::{Lab, wait_until};
use crate::stream::nothing_is_lost;
use crate::waiting::wait_standbys;

const POSTGRES: u16 = 5432;
/// Numbers that no stream gives.
const FIRST: u64 = 1_000_000_000;

/// Seconds since 1970, by the clock that all containers share.
type Moment = f64;

/// What was acknowledged, by number, and when that was heard.
type Heard = BTreeMap<u64, Moment>;

/// The leader's cable is pulled, and put back when another has led for a while.
pub fn the_leader_is_cut_off(lab: &Lab, client: &Client, rows: &mut Rows) -> Result<(), Failure> {
    wait_standbys(client, 1, 1)?;
    client.write_through_vip(
        "create table if not exists probe (number bigint, at timestamptz default clock_timestamp())",
    )?;
    let name = leader(lab, client)?;
    let host = lab.host(&name);
    start_local_writers(host)?;
    sleep(Duration::from_secs(2));
    let cut = now();
    let begun = Instant::now();
    lab.set_cable(&name, false)?;
    let promoted = first_write_elsewhere(lab, client, &name)?;
    let outage = begun.elapsed();
    // Long enough for whatever the cut-off side might still believe.
    sleep(Duration::from_secs(5));
    lab.set_cable(&name, true)?;
    stop_local_writers(host)?;
    let (waiting, alone) = (heard(host, "waiting")?, heard(host, "alone")?);
    let last = |heard: &Heard| heard.values().copied().fold(cut, f64::max);
    eprintln!(
        "lab: {name} cut off: it took writes for {:.1} s more ({} acknowledged after the cut), another took the first after {:.1} s",
        last(&alone) - cut,
        waiting.values().filter(|at| **at > cut).count(),
        outage.as_secs_f64()
    );
    assert!(
        alone.values().any(|at| *at < cut),
        "the writer on {name} wrote before the cut: {alone:?}"
    );
    assert!(
        last(&alone) < promoted && last(&waiting) < promoted,
        "{name}, cut off, took a write at {} after another node had at {promoted}",
        last(&alone).max(last(&waiting))
    );
    wait_standbys(client, 1, 1)?;
    rows.extend(waiting.keys());
    nothing_is_lost(client, rows)?;
    etcd_is_whole(lab)
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock stands after 1970").as_secs_f64()
}

/// Waits until another node takes a write; when that try was begun.
fn first_write_elsewhere(lab: &Lab, client: &Client, cut_off: &str) -> Result<Moment, Failure> {
    let is_over = AtomicBool::new(false);
    let ends = Instant::now() + Duration::from_secs(90);
    thread::scope(|scope| {
        let others = lab.hosts().iter().filter(|host| host.name != cut_off);
        let tries: Vec<_> = others
            .map(|host| {
                let (client, is_over, address) = (client.clone(), &is_over, host.address);
                scope.spawn(move || {
                    while Instant::now() < ends && !is_over.load(Ordering::Relaxed) {
                        let begun = now();
                        let sql = "set synchronous_commit = local; insert into probe values (0)";
                        let said = client.attempt(address, POSTGRES, sql, 2);
                        if said.is_ok_and(|said| said.is_success()) {
                            is_over.store(true, Ordering::Relaxed);
                            return Some(begun);
                        }
                        sleep(Duration::from_millis(100));
                    }
                    None
                })
            })
            .collect();
        let found = tries.into_iter().filter_map(|tried| {
            tried
                .join()
                .expect("a client hears errors and does not panic")
        });
        let first = found.reduce(f64::min);
        first.ok_or_else(|| "no other node took a write within 90 s".into())
    })
}

/// Two loops on the host: each line of their logs is a number that was acknowledged, and when.
fn start_local_writers(host: &Host) -> Result<(), Failure> {
    for (log, table, setting, first) in [
        ("waiting", "stream", "on", FIRST),
        ("alone", "probe (number)", "local", 2 * FIRST),
    ] {
        let psql = "setpriv --reuid=postgres --regid=postgres --init-groups timeout --signal=KILL 2 \
             psql -X -q -v ON_ERROR_STOP=1 -h /run/postgresql -U postgres postgres";
        host.run(&format!(
            "rm -f /run/writer-{log}; touch /run/writers-go; \
             (setsid sh -c 'number={first}; \
              while test -e /run/writers-go; do number=$((number + 1)); \
                {psql} -c \"set synchronous_commit = {setting}; insert into {table} values ($number)\" >/dev/null 2>&1 \
                  && echo $number $(date +%s.%N) >>/run/writer-{log}; \
                sleep 0.1; done; echo >>/run/writer-{log}-over' >/dev/null 2>&1 </dev/null &)"
        ))?;
    }
    Ok(())
}

fn stop_local_writers(host: &Host) -> Result<(), Failure> {
    host.run("rm /run/writers-go")?;
    wait_until("both writers have ended", Duration::from_secs(10), || {
        host.run("test -e /run/writer-waiting-over && test -e /run/writer-alone-over && rm /run/writer-*-over")
    })
    .map(drop)
}

fn heard(host: &Host, log: &str) -> Result<Heard, Failure> {
    let lines = host.run(&format!("cat /run/writer-{log}"))?;
    lines
        .lines()
        .map(|line| {
            let (number, at) = line.split_once(' ').ok_or("a line without a time")?;
            Ok((number.parse()?, at.parse()?))
        })
        .collect()
}
