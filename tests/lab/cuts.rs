//! Power cuts at any instant of first boot: whatever it is, every host comes up
//! by itself and nothing on it is short, empty or half installed.
//!
//! A run is drawn from a seed: which hosts lose power, when, and whether once
//! more while they recover. `PGBUNDLE_CUTS` says how many runs (3), and
//! `PGBUNDLE_SEED` with which seed the first is drawn; the next run has the next.

use std::collections::BTreeSet;
use std::env;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::command::{Failure, command, run};
use crate::host::Host;
use crate::lab::{Lab, wait_until};
use crate::release::Release;
use crate::tell;
use crate::waiting::{PATIENCE, report_of_this_boot, wait_serving, wait_standbys};

/// From power-on until a bit after all serve, on two processors that nobody else uses.
const SPAN: Duration = Duration::from_secs(75);
/// How long installing takes on such a machine.
const PACKAGES: Duration = Duration::from_secs(30);
/// How long from the start of the services until all serve.
const BOOTSTRAP: Duration = Duration::from_secs(25);
/// How many runs where nobody says.
const RUNS: u64 = 3;

/// Every run converges by itself, and nothing on its hosts is torn.
#[test]
fn power_cuts() {
    let first = seed();
    for number in 0..runs() {
        one_run(first.wrapping_add(number));
    }
}

fn runs() -> u64 {
    let text = env::var("PGBUNDLE_CUTS").unwrap_or_default();
    match text.parse() {
        Ok(runs) => runs,
        Err(_) if text.is_empty() => RUNS,
        Err(_) => panic!("PGBUNDLE_CUTS is not a number: {text}"),
    }
}

fn seed() -> u64 {
    match env::var("PGBUNDLE_SEED") {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("PGBUNDLE_SEED is not a number: {text}")),
        Err(_) => getrandom::u64().expect("the kernel gives random numbers"),
    }
}

/// A cut of some hosts' power, so long after the first of them came so far.
#[derive(Debug)]
struct Cut {
    from: From,
    after: Duration,
    hosts: Vec<String>,
}

/// From when on a cut's time is counted. By steps, because how long they take
/// differs between machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// The last boot.
    PowerOn,
    /// The step `packages`.
    Packages,
    /// The step `health`, in which PostgreSQL's history begins and is copied.
    Health,
}

/// The cuts of a run: one at any instant of first boot, half of the time another
/// during the recovery from it.
///
/// One third is counted from power-on and falls anywhere, one from the first
/// package, one from the start of the services: those are where most is written.
/// Of three seeds that follow each other one takes a single host's power.
fn draw(seed: u64, names: &[String]) -> Vec<Cut> {
    let mut dice = Dice(seed);
    let count = 1 + dice.below(2);
    let cut = |_| {
        let (from, span) = match dice.below(3) {
            0 => (From::PowerOn, SPAN),
            1 => (From::Packages, PACKAGES),
            _ => (From::Health, BOOTSTRAP),
        };
        let millis = u64::try_from(span.as_millis()).expect("a short time");
        let after = Duration::from_millis(dice.below(millis));
        let index = usize::try_from(dice.below(names.len() as u64)).expect("few hosts");
        let hosts = if seed.is_multiple_of(3) {
            vec![names[index].clone()]
        } else {
            names.to_vec()
        };
        Cut { from, after, hosts }
    };
    (0..count).map(cut).collect()
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same run
/// whatever becomes of a library.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn one_run(seed: u64) {
    let name = format!("power-cuts-{seed}");
    let make = || Release::shared()?.hosts_with_folder(&name);
    tell(&name, make, |lab| {
        let names: Vec<String> = lab.hosts().iter().map(|host| host.name.clone()).collect();
        let begun = Instant::now();
        eprintln!(
            "lab: cuts: seed {seed}; again: PGBUNDLE_SEED={seed} PGBUNDLE_CUTS=1 cargo test --test lab -- --nocapture cuts"
        );
        let empty = empty_files_of_a_new_host(&lab.hosts()[0])?;
        lab.boot_all()?;
        for cut in draw(seed, &names) {
            wait_for_step(lab.host(&cut.hosts[0]), cut.from)?;
            sleep(cut.after);
            the_power_is_cut(lab, &cut)?;
        }
        let cut = Instant::now();
        everything_serves(lab)?;
        eprintln!(
            "lab: cuts: seed {seed}: all serve {:.0} s after the last cut",
            cut.elapsed().as_secs_f64()
        );
        for host in lab.hosts() {
            nothing_is_torn(host, &empty)?;
        }
        assert_eq!(
            lab.sink().seen(),
            Vec::<String>::new(),
            "nothing tries to leave the cluster's network"
        );
        eprintln!(
            "lab: cuts: seed {seed}: whole after {:.0} s",
            begun.elapsed().as_secs_f64()
        );
        Ok(())
    });
}

fn the_power_is_cut(lab: &mut Lab, cut: &Cut) -> Result<(), Failure> {
    let stood: Vec<String> = cut
        .hosts
        .iter()
        .map(|name| format!("{name} at {}", step_of(lab.host(name))))
        .collect();
    eprintln!(
        "lab: cuts: power cut {:.1} s after {:?}: {}",
        cut.after.as_secs_f64(),
        cut.from,
        stood.join(", ")
    );
    lab.cut_power_of(&cut.hosts)?;
    lab.boot_these(&cut.hosts)
}

/// Waits until a host of this boot has come so far, or has gone further.
fn wait_for_step(host: &Host, from: From) -> Result<(), Failure> {
    let further: &[&str] = match from {
        From::PowerOn => return Ok(()),
        From::Packages => &["packages", "files", "markers", "services", "health"],
        From::Health => &["health"],
    };
    let what = format!("{} comes to {from:?}", host.name);
    wait_until(&what, PATIENCE, || {
        let report = report_of_this_boot(host)?;
        let is_there = further.iter().any(|step| report["step"] == **step);
        is_there
            .then_some(())
            .ok_or_else(|| format!("its report says {report}").into())
    })
}

/// Where a host stands, in the words of its report.
fn step_of(host: &Host) -> String {
    match host.report() {
        Ok(Some(report)) => format!("{} ({})", report["step"], report["state"]).replace('"', ""),
        _ => "no report yet".to_owned(),
    }
}

/// With no hand on it: each host, a write through the VIP, one leader and two standbys.
fn everything_serves(lab: &Lab) -> Result<(), Failure> {
    for host in lab.hosts() {
        wait_serving(lab, &host.name)?;
    }
    let client = Client::of(lab, Release::shared()?)?;
    wait_until(
        "a write goes through the VIP",
        Duration::from_secs(60),
        || {
            client.write_through_vip(
                "create table if not exists cuts (number int); insert into cuts values (1)",
            )
        },
    )?;
    wait_standbys(&client, 1, 1)?;
    Ok(())
}

/// What a host is asked once it serves. Each question says nothing when all is well.
const QUESTIONS: [(&str, &str); 7] = [
    (
        "pgbundle-node verify finds no drift",
        "pgbundle-node verify | grep -v '^everything is as'",
    ),
    ("dpkg has nothing to complain of", "dpkg --audit 2>&1"),
    (
        "every package is installed whole",
        "dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' | grep -v '^ii '",
    ),
    (
        "each file of each package is as it was delivered",
        PACKAGE_FILES,
    ),
    (
        "no unit has failed",
        "systemctl list-units --failed --plain --no-legend",
    ),
    (
        "the first boot is noted as over",
        "test -e /var/lib/pgbundle/seed/settled || echo it is not",
    ),
    (
        "the mark is gone",
        "ls /var/lib/pgbundle/installing.json 2>/dev/null",
    ),
];

/// Configuration files that are ours are compared by `pgbundle-node verify`.
const PACKAGE_FILES: &str = "dpkg --verify 2>&1 | grep -v -E ' c (/etc/default/locale|/etc/needrestart|/etc/haproxy/haproxy.cfg|/etc/pgbouncer/|/etc/etcd|/etc/default/etcd|/etc/keepalived/)'";

/// Where an empty file is what a power cut left of a full one. (Programs keep
/// empty files as signs elsewhere below /var.)
const FULL: [&str; 6] = [
    "etc",
    "usr",
    "boot",
    "var/lib/dpkg/info",
    "var/lib/dpkg/alternatives",
    "var/lib/ucf",
];

/// Empty files that belong on a host, by their ends: locks, older copies, and
/// what packages have empty, which `dpkg --verify` compares.
const EMPTY: [&str; 3] = [".pwd.lock", "subgid-", "subuid-"];

fn nothing_is_torn(host: &Host, empty_before: &BTreeSet<String>) -> Result<(), Failure> {
    for (promise, question) in QUESTIONS {
        let said = host.ask(question)?;
        assert_eq!(said.out, "", "{}: {promise}: {}", host.name, said.err);
    }
    let folders: Vec<String> = FULL.iter().map(|folder| format!("/{folder}")).collect();
    let found = host.run(&format!(
        "find {} -xdev -type f -empty | sort > /tmp/empty; \
         cat /var/lib/dpkg/info/*.list | sort -u > /tmp/listed; \
         comm -23 /tmp/empty /tmp/listed; rm /tmp/empty /tmp/listed",
        folders.join(" ")
    ))?;
    let is_torn = |path: &&str| {
        !empty_before.contains(*path)
            && !EMPTY.iter().any(|end| path.ends_with(end))
            && !path.starts_with("/var/lib/ucf/registry.")
            && !path.starts_with("/var/lib/ucf/hashfile.")
    };
    let torn: Vec<&str> = found.lines().filter(is_torn).collect();
    assert!(
        torn.is_empty(),
        "{}: empty since the cut: {torn:?}",
        host.name
    );
    Ok(())
}

/// As paths on the host.
fn empty_files_of_a_new_host(host: &Host) -> Result<BTreeSet<String>, Failure> {
    host.with_disk(|root| {
        let mut find = command("find");
        find.args(FULL.map(|folder| root.join(folder)));
        let found = run(find.args(["-xdev", "-type", "f", "-empty"]))?;
        let root = root.display().to_string();
        let paths = found.lines().filter_map(|path| path.strip_prefix(&root));
        Ok(paths.map(str::to_owned).collect())
    })
}
