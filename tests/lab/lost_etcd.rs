//! etcd's data lost on all hosts, PostgreSQL's intact: nothing begins by itself, the report says
//! what to do, and doing it brings the cluster back with all its rows.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::command::Failure;
use crate::failures::{
    Rows, etcd_is_whole, identity_of_data, leader, lose_etcd, lose_power, lose_seed,
};
use crate::host::Host;
use crate::lab::{Lab, wait_until};
use crate::stream::{Stream, nothing_is_lost};
use crate::waiting::wait_standbys;

const SOON: Duration = Duration::from_secs(60);
const VERB: &str = "pgbundle-node allow-new-etcd ";

/// Power is cut under a stream of writes, and etcd's data is gone from every disk. So are the
/// seeds, which nobody needs after the first boot.
pub fn etcd_is_lost_on_all(lab: &mut Lab, client: &Client, rows: &mut Rows) -> Result<(), Failure> {
    let names: Vec<String> = lab.hosts().iter().map(|host| host.name.clone()).collect();
    let before = data_of_all(lab)?;
    let stream = Stream::begin(client);
    stream.wait_after(Instant::now(), SOON, |row| row.waited_for_standby)?;
    let led = leader(lab, client)?;
    for name in &names {
        lose_power(lab, name)?;
    }
    rows.extend(stream.end().iter().map(|row| row.number));
    for name in &names {
        lose_etcd(lab.host(name))?;
        lose_seed(lab.host(name))?;
        lab.set_cable(name, true)?;
    }
    lab.boot_all()?;
    nothing_begins(lab, client)?;
    assert_eq!(data_of_all(lab)?, before, "no data folder is another");
    the_operator_does_as_told(lab, &led)?;
    wait_standbys(client, 1, 1)?;
    assert_eq!(
        leader(lab, client)?,
        led,
        "the node that the operator chose leads"
    );
    nothing_is_lost(client, rows)?;
    assert_eq!(data_of_all(lab)?, before, "no data folder was made anew");
    etcd_is_whole(lab)
}

fn data_of_all(lab: &Lab) -> Result<Vec<String>, Failure> {
    lab.hosts().iter().map(identity_of_data).collect()
}

/// Every host says on its console and in its report what is to be done, and none begins.
fn nothing_begins(lab: &Lab, client: &Client) -> Result<(), Failure> {
    for host in lab.hosts() {
        let what = format!("{}: status says what to do", host.name);
        wait_until(&what, SOON, || words_of(host))?;
        let what = format!("{}: the console says so, too", host.name);
        wait_until(&what, SOON, || {
            let console = unfolded(&host.console());
            let is_said = console.contains("the cluster's data was on this host");
            (is_said && console.contains(VERB))
                .then_some(())
                .ok_or_else(|| Failure::from("not yet"))
        })?;
    }
    sleep(Duration::from_secs(5));
    for host in lab.hosts() {
        let name = &host.name;
        words_of(host)?;
        let initdb = host.ask("pgrep -x initdb")?;
        assert!(!initdb.is_success(), "{name}: no initdb runs: {initdb:?}");
        let member = host.ask("test -e /var/lib/etcd/pgbundle/member")?;
        assert!(!member.is_success(), "{name}: etcd has begun nothing");
        let write = client.attempt(host.address, 5432, "create table another (line text)", 3)?;
        assert!(!write.is_success(), "{name}: takes no writes: {write:?}");
    }
    Ok(())
}

/// What the node program said while it waited, as one line: a console folds long ones.
fn unfolded(console: &str) -> String {
    let said = console.lines().filter_map(|line| {
        let (_, text) = line.split_once("pgbundle-node: health:")?;
        Some(text.trim())
    });
    said.collect::<Vec<_>>().join(" ")
}

/// What `status` says, once it names the verb.
fn words_of(host: &Host) -> Result<String, Failure> {
    let said = host.ask("/usr/local/sbin/pgbundle-node status")?;
    if said.code == 1 && said.out.contains(VERB) {
        return Ok(said.out);
    }
    Err(format!("{}{}", said.out, said.err).into())
}

/// Compares the nodes by their reports alone, and runs what they say on the farthest one.
fn the_operator_does_as_told(lab: &Lab, led: &str) -> Result<(), Failure> {
    let mut reaches = Vec::new();
    for host in lab.hosts() {
        let words = words_of(host)?;
        reaches.push((reach(&words)?, host.name.clone(), words));
    }
    reaches.sort();
    let (reach, name, words) = reaches.pop().ok_or("there are no hosts")?;
    eprintln!("lab: etcd lost on all: {name} reaches farthest ({reach:?}): {words}");
    assert_eq!(name, led, "the last leader's data reaches farthest");
    let verb = words.split_once(VERB).ok_or("no verb")?.1;
    let cluster = verb
        .split(|letter: char| !(letter.is_alphanumeric() || letter == '-'))
        .next()
        .unwrap_or_default();
    let begun = Instant::now();
    let said = lab
        .host(&name)
        .run(&format!("/usr/local/sbin/{VERB}{cluster}"))?;
    eprintln!("lab: {VERB}{cluster}: {said}");
    for host in lab.hosts() {
        let what = format!("{} serves again", host.name);
        wait_until(&what, Duration::from_secs(120), || {
            let said = host.ask("/usr/local/sbin/pgbundle-node status")?;
            said.is_success()
                .then_some(())
                .ok_or_else(|| Failure::from(said.out))
        })?;
    }
    eprintln!(
        "lab: etcd lost on all: every host serves {:.1} s after the operator's word",
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Timeline, then whether it was the primary, as the runbook has it.
fn reach(words: &str) -> Result<(u32, bool), Failure> {
    let timeline = words
        .split_once("timeline ")
        .ok_or_else(|| format!("no timeline in {words}"))?
        .1;
    let digits: String = timeline.chars().take_while(char::is_ascii_digit).collect();
    Ok((digits.parse()?, words.contains("was last the primary")))
}
