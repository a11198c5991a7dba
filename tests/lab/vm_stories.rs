//! What is promised on a real machine: a kernel, disks and a clock of its own.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::command::Failure;
use crate::lab::{Lab, wait_until};
use crate::release::Release;
use crate::tell;
use crate::vm::Vm;
use crate::waiting::wait_serving;
use crate::workspace::Workspace;

const SPEC: &str = include_str!("vm/cluster.toml");
const MACHINE: &str = "vm-1";
const BOXES: [&str; 2] = ["box-2", "box-3"];
/// Under software emulation, on a machine that does something else, too.
const PATIENCE: Duration = Duration::from_secs(480);
const SOON: Duration = Duration::from_secs(60);
const HOUR: i64 = 3_600;

/// The seed's ISO is all that the machine is given. Its clock is wrong in every
/// way that a clock can be: before the seed was made, an hour from the others,
/// and after its certificates have expired. Nothing is started before it is right.
#[test]
fn a_machine_installs_from_its_seed_and_waits_for_the_right_time() {
    let make = || with_a_machine("a-machine-and-its-clock");
    tell("a machine and its clock", make, |lab| {
        let start = Instant::now();
        let told = |what: &str| eprintln!("lab: {what} {:.0} s after power-on", seconds(start));
        for name in BOXES {
            lab.boot(name)?;
        }
        lab.machine_mut().boot("2000-01-01T00:00:00Z".parse()?)?;
        it_waits_while_its_clock_is_before_the_seed(lab.machine())?;
        told("the machine waits for its clock");
        for name in BOXES {
            wait_serving(lab, name)?;
        }
        set_clock(lab.machine(), now() + HOUR)?;
        it_installs_but_starts_nothing_an_hour_ahead_of_the_others(lab.machine())?;
        told("the machine has installed");
        set_clock(lab.machine(), now())?;
        it_serves(lab.machine())?;
        told("the machine serves");
        it_is_what_its_seed_says(lab.machine())?;
        lab.machine_mut().cut_power()?;
        let boot = Instant::now();
        lab.machine_mut().boot("2040-01-01T00:00:00Z".parse()?)?;
        nothing_is_started_after_certificates_expired(lab.machine())?;
        set_clock(lab.machine(), now())?;
        it_serves(lab.machine())?;
        eprintln!(
            "lab: after a cut, the machine serves again {:.0} s after power-on",
            seconds(boot)
        );
        nobody_but_the_images_time_service_tried_to_leave(lab);
        Ok(())
    });
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.expect("this machine's clock is after 1970").as_secs();
    i64::try_from(seconds).expect("a time of this era")
}

fn set_clock(machine: &Vm, seconds: i64) -> Result<(), Failure> {
    machine.run(&format!("date --set=@{seconds}"))?;
    Ok(())
}

/// The cluster of `vm/cluster.toml`: one machine, two containers, all of them off.
fn with_a_machine(story: &str) -> Result<Lab, Failure> {
    let folder = Workspace::open()?.folder.join("build-with-a-machine");
    let release = Release::build_spec(&folder, SPEC, &["--media"])?;
    let is_box = |(name, _): &(String, _)| BOXES.contains(&name.as_str());
    let (boxes, others): (Vec<_>, Vec<_>) = release.cluster.nodes.iter().cloned().partition(is_box);
    let cluster = Cluster {
        nodes: boxes,
        ..release.cluster.clone()
    };
    let mut lab = Lab::new(story, cluster)?;
    for name in BOXES {
        lab.host(name).plant(&release.seeds.join(name))?;
        lab.host_mut(name).offer_bundles(&release.public);
    }
    let (name, address) = &others[0];
    assert_eq!(name, MACHINE, "the spec's first node is the machine");
    lab.add_machine(name, *address, &release.seeds.join(name).join("seed.iso"))?;
    Ok(lab)
}

/// Waits for a report of which `is` is true.
fn wait_report(machine: &Vm, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
    wait_until(what, PATIENCE, || {
        let report = machine.report()?.ok_or("no report")?;
        if report["state"] == "refused" || is(&report) {
            return Ok(report);
        }
        Err(format!("its report says {report}").into())
    })
}

/// Waits until the machine waits for the right time, which `words` are part of, and says so
/// in the report, on the console and to who asks.
fn wait_waiting(machine: &Vm, words: &str) -> Result<Value, Failure> {
    let what = format!("{} waits: {words}", machine.name);
    let is_waiting = |report: &Value| {
        report["state"] == "waiting" && report["waiting"].to_string().contains(words)
    };
    let report = wait_report(machine, &what, is_waiting)?;
    assert!(
        is_waiting(&report),
        "it waits and does not refuse: {report}"
    );
    wait_until("the console says so", SOON, || {
        let console = machine.console();
        let says = |line: &str| line.contains("waiting for the right time") && line.contains(words);
        let is_said = console.lines().any(says);
        is_said.then_some(()).ok_or_else(|| console.into())
    })?;
    let status = machine.ask("/usr/local/sbin/pgbundle-node status")?;
    assert_eq!(status.code, 1, "not yet: {status:?}");
    for part in ["waits for the right time", words, "to do  set the clock"] {
        assert!(status.out.contains(part), "{part} in {status:?}");
    }
    Ok(report)
}

fn is_done(report: &Value, step: &str) -> bool {
    let done = report["done"].as_array();
    done.is_some_and(|done| done.iter().any(|done| done["step"] == step))
}

/// systemd sets such a clock to its own build date, which is before the seed's still.
fn it_waits_while_its_clock_is_before_the_seed(machine: &Vm) -> Result<(), Failure> {
    let report = wait_waiting(machine, "its clock stands before")?;
    assert_eq!(report["step"], "preflight", "{report}");
    assert!(
        !is_done(&report, "packages"),
        "nothing is installed yet: {report}"
    );
    Ok(())
}

fn it_installs_but_starts_nothing_an_hour_ahead_of_the_others(machine: &Vm) -> Result<(), Failure> {
    let report = wait_waiting(machine, "60 minutes ahead of box-2's")?;
    assert_eq!(report["step"], "services", "{report}");
    for step in ["packages", "files", "markers"] {
        assert!(is_done(&report, step), "{step} is done: {report}");
    }
    etcd_was_not_started(machine)
}

fn etcd_was_not_started(machine: &Vm) -> Result<(), Failure> {
    let state =
        machine.run("systemctl show --property=ActiveEnterTimestampMonotonic,MainPID etcd")?;
    let untouched = "MainPID=0\nActiveEnterTimestampMonotonic=0";
    assert_eq!(state, untouched, "etcd was not started in this boot");
    Ok(())
}

fn it_serves(machine: &Vm) -> Result<(), Failure> {
    let report = wait_report(machine, "the machine serves", |report| {
        report["state"] == "serving"
    })?;
    assert_eq!(report["state"], "serving", "{report}");
    machine.run("/usr/local/sbin/pgbundle-node status")?;
    machine.run("bash -lc 'etcdctl endpoint health'")?;
    Ok(())
}

/// What only a real machine shows: an interface found by its permanent address,
/// a disk found by its label, and a root that the kernel mounted itself.
fn it_is_what_its_seed_says(machine: &Vm) -> Result<(), Failure> {
    let console = machine.console();
    assert!(
        console.contains("disk cidata at /dev/disk/by-label/cidata"),
        "the node program came from the seed's disk: {console}"
    );
    let carrier = machine.run("ip -o -4 addr show to 192.168.61.101/24")?;
    let interface = carrier
        .split_whitespace()
        .nth(1)
        .ok_or("nothing carries the address")?;
    let link = machine.run(&format!("ethtool -P {interface}"))?;
    assert!(
        link.contains("52:54:00:77:00:65"),
        "found by its permanent address: {link}"
    );
    let mounts = machine.run("cat /proc/mounts")?;
    assert!(
        !mounts.contains("iso9660"),
        "the medium is not left mounted: {mounts}"
    );
    let virtualization = machine.ask("systemd-detect-virt")?;
    assert_eq!(
        virtualization.out, "qemu",
        "no container: its units are the real ones"
    );
    machine.run("systemctl is-active systemd-timesyncd")?;
    let name = machine.run("hostname")?;
    assert_eq!(name, MACHINE);
    machine.run("/usr/local/sbin/pgbundle-node verify")?;
    Ok(())
}

/// systemd would start etcd by itself: it was installed and enabled by the boot before.
fn nothing_is_started_after_certificates_expired(machine: &Vm) -> Result<(), Failure> {
    wait_waiting(machine, "when this node's certificates expire")?;
    assert_eq!(machine.run("systemctl is-enabled etcd")?, "enabled");
    etcd_was_not_started(machine)?;
    let gate = machine.ask("systemctl is-active pgbundle-clock")?;
    assert_eq!(gate.out, "activating", "the gate is closed");
    Ok(())
}

/// systemd-timesyncd of a Debian image looks for Debian's servers by name.
fn nobody_but_the_images_time_service_tried_to_leave(lab: &Lab) {
    let seen = lab.sink().seen();
    let others: Vec<_> = seen
        .iter()
        .filter(|seen| !seen.contains("debian.pool.ntp.org"))
        .collect();
    assert!(others.is_empty(), "nothing else tries to leave: {others:?}");
}
