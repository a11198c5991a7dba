//! Hosts that are not the ones their seed was made for: `pgbundle-node up`
//! refuses before anything outside its own folder changes, and says why.
//!
//! The real program runs below a root folder of its own. Of the system's
//! programs it finds those that look and simulate (dpkg, apt); the others only
//! answer as on a host where nothing runs yet, so nothing can be installed.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::world::on_a_small_disk_by;
use super::{edit, flip};
use crate::sample::accepts;
use crate::support::{Ran, ended};
use crate::tiny::{RELEASE, Tiny, tree};

const IDENTITY: &str = "host/var/lib/pgbundle/seed/identity.json";

/// What a host has of the base image.
const STATUS: &str = "Package: installed-already\nStatus: install ok installed\nVersion: 1\n\
    Architecture: amd64\nMaintainer: Nobody <nobody@example.org>\nDescription: the base\n";

/// Under another root apt wants a whole system there; this one's own will do,
/// with the host's list of packages.
const APT_THAT_ONLY_SIMULATES: &str = r#"
case " $* " in *" update "* | *" --simulate "*) ;; *) echo "not here: $*" >&2; exit 1 ;; esac
for word; do
    shift
    case $word in
    RootDir=*) word=Dir::State::status=${word#RootDir=}/var/lib/dpkg/status ;;
    esac
    set -- "$@" "$word"
done
exec /usr/bin/apt-get "$@" -o Dir::State::extended_states=/dev/null
"#;

/// Programs that answer for the host.
const PROGRAMS: [(&str, &str); 5] = [
    ("ip", "echo '2: host0 inet 10.0.0.11/24 scope global host0'"),
    (
        "systemctl",
        "case $1 in show) shift 2; printf 'ActiveState=inactive\n%.0s' \"$@\";; *) exit 1;; esac",
    ),
    ("apt-get", APT_THAT_ONLY_SIMULATES),
    ("date", "echo 2026-01-05 03:11:10 CET"),
    (
        "dpkg",
        "[ \"$1\" != --print-architecture ] || { echo amd64; exit; }; exec /usr/bin/dpkg \"$@\"",
    ),
];

/// A release, and a host that is the right one for the seed of `db-1`.
fn host() -> Tiny {
    let tiny = Tiny::with("\n[delivery]\nsources = [\"folder:/srv/pgbundle\"]\n");
    tiny.build(&[]).succeeded();
    plant(&tiny);
    for folder in ["host/srv", "host/usr", "host/proc/net", "programs"] {
        fs::create_dir_all(tiny.path(folder)).unwrap();
    }
    let public = tiny.path(RELEASE).join("public");
    let served = tiny.path("host/srv/pgbundle");
    accepts(Command::new("cp").arg("-a").args([&public, &served]));
    let write = |path: &str, text: &str| tiny.sandbox.write(&format!("host/{path}"), text);
    write("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    write("var/lib/dpkg/status", STATUS);
    for (name, text) in PROGRAMS {
        program(&tiny, name, text);
    }
    symlink("/usr/bin/dpkg-query", tiny.path("programs/dpkg-query")).unwrap();
    tiny
}

fn program(tiny: &Tiny, name: &str, text: &str) {
    let path = tiny.path("programs").join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Takes the identity out of the seed of `db-1`, as the stub does.
fn plant(tiny: &Tiny) {
    let seed = fs::read_to_string(tiny.path(RELEASE).join("seeds/db-1/user-data")).unwrap();
    let (_, after) = seed.split_once("<<'END' | gzip -d >").unwrap();
    let text = after.lines().skip(1).map(str::trim);
    let text: String = text.take_while(|line| *line != "END").collect();
    let mut json = String::new();
    let packed = STANDARD.decode(text).unwrap();
    GzDecoder::new(&packed[..])
        .read_to_string(&mut json)
        .unwrap();
    tiny.sandbox.write(IDENTITY, &json);
}

/// Changes the planted identity.
fn change(tiny: &Tiny, key: &str, value: Value) {
    let text = fs::read(tiny.path(IDENTITY)).unwrap();
    let mut identity: Value = serde_json::from_slice(&text).unwrap();
    identity[key] = value;
    fs::write(tiny.path(IDENTITY), identity.to_string()).unwrap();
}

/// The program on the host, about to run.
fn node(tiny: &Tiny, words: &[&str]) -> Command {
    let mut command = tiny
        .sandbox
        .clean(Command::new(env!("CARGO_BIN_EXE_pgbundle-node")));
    command.env("PATH", tiny.path("programs"));
    command.arg("--root").arg(tiny.path("host")).args(words);
    command
}

/// The exit code and the console of `up`, which changed nothing of the host but its own notes.
fn refused(tiny: &Tiny) -> String {
    let before = tree(&tiny.path("host"));
    let ran = ended(&mut node(tiny, &["up", "--wait", "0"]));
    let mut after = tree(&tiny.path("host"));
    let own = ["run", "run/pgbundle", "var/lib/pgbundle"];
    let is_own = |name: &String| {
        own.contains(&name.as_str())
            || name.starts_with("var/lib/pgbundle/")
            || name.starts_with("run/pgbundle/")
    };
    after.retain(|name, _| !is_own(name));
    let traces: Vec<_> = after
        .iter()
        .filter(|(name, entry)| before.get(*name) != Some(entry))
        .map(|(name, _)| name)
        .collect();
    assert!(traces.is_empty(), "left behind: {traces:?}\n{}", ran.stdout);
    console(tiny, &ran)
}

/// What is read on the console, without the folds and the times.
fn console(tiny: &Tiny, ran: &Ran) -> String {
    assert_eq!(ran.stderr, "");
    let mut lines: Vec<String> = Vec::new();
    for line in tiny.settled(&ran.stdout).lines() {
        let line = line.strip_prefix("pgbundle-node: ").unwrap_or(line);
        match (line.split_once(":   "), lines.last_mut()) {
            (Some((_, rest)), Some(last)) => *last += &format!(" {rest}"),
            _ => lines.push(line.to_owned()),
        }
    }
    // What went well before is not of interest here.
    let is_told = |line: &String| line.contains(": error: ") || line.contains(": waiting for ");
    let first = lines.iter().position(is_told).expect(&ran.stdout);
    let told = lines[first..].join("\n");
    // A loaded machine may take a second or two.
    let told = (0..60).fold(told, |told, s| told.replace(&format!("({s} s)"), "([N] s)"));
    format!("exit code {}\n{told}", ran.code)
}

#[test]
fn another_operating_system_is_refused() {
    let tiny = host();
    edit(&tiny, "host/etc/os-release", "ID=debian", "ID=ubuntu");
    edit(&tiny, "host/etc/os-release", "\"12\"", "\"24.04\"");
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 1
    preflight: error: this host runs ubuntu 24.04, the bundles are for debian 12: install that on it, or build with a profile for what it runs
    preflight: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn another_architecture_is_refused() {
    let tiny = host();
    program(&tiny, "dpkg", "echo arm64");
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 1
    preflight: error: this host is arm64, the bundles are for amd64: build with `--architecture`
    preflight: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn another_address_is_waited_for_and_named() {
    let tiny = host();
    program(
        &tiny,
        "ip",
        "echo '2: host0 inet 10.0.0.99/24 scope global host0'",
    );
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 3
    preflight: error: no interface carries 10.0.0.11, the address of db-1: give this host the address, or attach the seed of the node that it is
    ");
}

#[test]
fn a_bundle_that_is_nowhere_is_waited_for_and_named() {
    let tiny = host();
    fs::remove_file(tiny.path("host/srv/pgbundle/bundles/proxy.tar.gz")).unwrap();
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 3
    bundles: waiting for the proxy bundle (bundles/proxy.tar.gz) from folder /srv/pgbundle (`bundles/proxy.tar.gz`: No such file or directory (os error 2)), since 2026-01-05 03:11:10 CET ([N] s)
    bundles: to do: attach the medium or let a source serve it; it is looked for again every few seconds
    bundles: error: the proxy bundle (bundles/proxy.tar.gz) came from none of: folder /srv/pgbundle (`bundles/proxy.tar.gz`: No such file or directory (os error 2)): attach the medium or let a source serve it; it is looked for again every few seconds
    ");
}

#[test]
fn a_bundle_that_was_altered_is_refused() {
    let tiny = host();
    flip(&tiny, "host/srv/pgbundle/bundles/proxy.tar.gz");
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 1
    bundles: error: folder /srv/pgbundle: `bundles/proxy.tar.gz` was altered: its digest is [SHA256] over [N] bytes, the seed pins [SHA256] over [N] bytes: copy it there again, or give this host the seed of the build that it is from
    bundles: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn a_bundle_that_was_cut_off_is_refused() {
    let tiny = host();
    let bundle = tiny.path("host/srv/pgbundle/bundles/proxy.tar.gz");
    let whole = fs::read(&bundle).unwrap();
    fs::write(&bundle, &whole[..whole.len() / 2]).unwrap();
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 1
    bundles: error: folder /srv/pgbundle: `bundles/proxy.tar.gz` was altered: its digest is [SHA256] over [N] bytes, the seed pins [SHA256] over [N] bytes: copy it there again, or give this host the seed of the build that it is from
    bundles: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn a_bundle_that_another_key_signed_is_refused_although_it_is_pinned() {
    let (tiny, other) = (host(), Tiny::built());
    let public = other.path("secrets/signer.pub");
    change(&tiny, "signer", json!(fs::read_to_string(public).unwrap()));
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 1
    bundles: error: the etcd bundle: manifest.json is not signed by key [SHA256]: it was altered, or another key signed it; take seed and bundles from one build
    bundles: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn a_seed_older_than_the_one_before_is_refused() {
    let tiny = host();
    let older = fs::read_to_string(tiny.path(IDENTITY)).unwrap();
    change(&tiny, "generation", json!(2));
    tiny.sandbox.write(
        "host/var/lib/pgbundle/identity.json",
        &fs::read_to_string(tiny.path(IDENTITY)).unwrap(),
    );
    fs::write(tiny.path(IDENTITY), older).unwrap();
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 1
    identity: error: the planted identity has generation 1, this host has 2; an older one is never taken back: give it the newest seed
    identity: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn a_seed_of_another_node_is_refused() {
    let tiny = host();
    let text = fs::read_to_string(tiny.path(IDENTITY)).unwrap();
    tiny.sandbox
        .write("host/var/lib/pgbundle/identity.json", &text);
    change(&tiny, "node", json!("db-2"));
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 1
    identity: error: the planted identity has node `db-2`, this host was made with `db-1`; a host that is to change sides is made anew
    identity: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn certificates_that_have_expired_start_nothing() {
    let tiny = host();
    change(&tiny, "expires", json!("2026-01-06T00:00:00Z"));
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 3
    preflight: error: its clock stands after 2026-01-06T00:00:00Z, when this node's certificates expire: certificates would be refused: set the clock, or make a time server reachable; a seed that has expired must be made anew
    ");
}

#[test]
fn a_clock_before_the_seed_starts_nothing() {
    let tiny = host();
    change(&tiny, "date", json!("2199-01-06T00:00:00Z"));
    change(&tiny, "expires", json!("2199-02-06T00:00:00Z"));
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 3
    preflight: error: its clock stands before 2199-01-05T00:00:00Z, the day before this cluster's packages were locked: certificates would be refused: set the clock, or make a time server reachable; a seed that has expired must be made anew
    ");
}

#[test]
fn a_disk_that_is_too_small_is_refused() {
    let tiny = host();
    fs::rename(tiny.path("host"), tiny.path("before")).unwrap();
    fs::create_dir(tiny.path("small")).unwrap();
    let mut command = node(&tiny, &["up", "--wait", "0"]);
    command.env(
        "PATH",
        format!("{}:/usr/bin:/bin", tiny.path("programs").display()),
    );
    fs::rename(tiny.path("small"), tiny.path("host")).unwrap();
    let ran = on_a_small_disk_by(&tiny, "host", 20_000, command);
    let said = console(&tiny, &ran);
    let (before, after) = said.split_once(" has ").expect(&said);
    let (_, after) = after.split_once(" MiB left").expect(&said);
    insta::assert_snapshot!(format!("{before} has [N] MiB left{after}"), @"
    exit code 1
    preflight: error: the file system of `[ROOT]/host/var/lib` has [N] MiB left, 1088 MiB are needed (512 MiB for the data in `/var/lib/etcd/pgbundle`, 512 MiB for the data in `/var/lib/postgresql/[..]/main`, 64 MiB for the packages): make room there, or give this host a larger disk
    preflight: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn a_port_that_is_taken_is_refused() {
    let tiny = host();
    // proc(5): 2379 in hexadecimal, in the state of listening.
    let table = "  sl  local_address rem_address   st\n   0: 00000000:094B 00000000:0000 0A 0\n";
    tiny.sandbox.write("host/proc/net/tcp", table);
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 1
    preflight: error: TCP port 2379, which etcd needs, is taken by another program: stop that, or give etcd another port in the spec
    preflight: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn an_image_newer_than_the_lock_is_refused() {
    let tiny = host();
    let newer = "\nPackage: libtiny\nStatus: install ok installed\nVersion: 9\nArchitecture: amd64\n\
        Breaks: etcd-server (<< 9)\nMaintainer: Nobody <nobody@example.org>\nDescription: too new\n";
    tiny.sandbox
        .write("host/var/lib/dpkg/status", &format!("{STATUS}{newer}"));
    let said = refused(&tiny);
    // What follows is in apt's own words.
    let (ours, apts) = said.split_once("cannot be installed:").expect(&said);
    insta::assert_snapshot!(ours, @"
    exit code 1
    preflight: error: this image is newer than the lock: libtiny 9 > 1.2~rc1-3: take its list with `pgbundle base capture`, name that as a `[[base]]` of the profile, and lock and build again
    preflight: error: the packages
    ");
    assert!(apts.contains("libtiny"), "{said}");
}

#[test]
fn data_of_somebody_else_is_not_touched() {
    let tiny = host();
    tiny.sandbox
        .write("host/var/lib/postgresql/15/main/PG_VERSION", "15\n");
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 1
    preflight: error: `[ROOT]/host/var/lib/postgresql/[..]/main` holds data that this cluster did not write (no `[ROOT]/host/var/lib/postgresql/[..]/main.pgbundle.json`); nothing was touched: move it away
    preflight: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let tiny = host();
    edit(&tiny, "host/etc/os-release", "\"12\"", "\"11\"");
    let table = "  sl  local_address rem_address   st\n   0: 00000000:094B 00000000:0000 0A 0\n";
    tiny.sandbox.write("host/proc/net/tcp", table);
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 1
    preflight: error: this host runs debian 11, the bundles are for debian 12: install that on it, or build with a profile for what it runs
    preflight: error: TCP port 2379, which etcd needs, is taken by another program: stop that, or give etcd another port in the spec
    preflight: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn a_host_without_a_seed_says_so() {
    let tiny = host();
    fs::remove_file(tiny.path(IDENTITY)).unwrap();
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 2
    identity: error: no identity document lies at `/var/lib/pgbundle/seed/identity.json`; was the seed attached?
    identity: this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)
    ");
}

#[test]
fn a_seed_that_cannot_be_read_is_not_shown() {
    let tiny = host();
    let text = fs::read_to_string(tiny.path(IDENTITY)).unwrap();
    fs::write(tiny.path(IDENTITY), &text[..text.len() / 2]).unwrap();
    let said = refused(&tiny);
    let (before, _) = said.split_once("fault at line ").expect(&said);
    insta::assert_snapshot!(before, @"
    exit code 2
    identity: error: `[ROOT]/host/var/lib/pgbundle/seed/identity.json` cannot be read:
    ");
}

#[test]
fn a_second_run_leaves_the_first_alone() {
    let tiny = host();
    tiny.sandbox.write("host/run/pgbundle/lock", "");
    let held = fs::File::open(tiny.path("host/run/pgbundle/lock")).unwrap();
    held.lock().unwrap();
    insta::assert_snapshot!(refused(&tiny), @"
    exit code 3
    start: error: another `pgbundle-node up` is running on this host
    ");
    assert!(!tiny.path("host/var/lib/pgbundle/report.json").exists());
}

#[test]
fn what_is_typed_wrongly_is_told() {
    let tiny = host();
    let typed = |words: &[&str]| {
        let ran = ended(&mut node(&tiny, words));
        format!(
            "exit code {}\n{}{}",
            ran.code,
            ran.stdout,
            tiny.settled(&ran.stderr)
        )
    };
    insta::assert_snapshot!(typed(&["install"]), @"
    exit code 2
    error: `install` is not understood; see `pgbundle-node --help`
    ");
    insta::assert_snapshot!(typed(&["up", "--wait", "soon"]), @"
    exit code 2
    error: `soon` is not a number of seconds; see `pgbundle-node --help`
    ");
    insta::assert_snapshot!(typed(&[]), @"
    exit code 2
    error: no command was given; see `pgbundle-node --help`
    ");
    insta::assert_snapshot!(typed(&["status"]), @"
    exit code 1
    error: no report lies at `[ROOT]/host/var/lib/pgbundle/report.json`: `pgbundle-node up` has not run yet; see: systemctl status pgbundle
    ");
    insta::assert_snapshot!(typed(&["verify"]), @"
    exit code 2
    error: this host has no identity yet: `pgbundle-node up` takes it from the seed
    ");
}

#[test]
fn what_is_not_known_is_neither_taken_away_nor_upgraded() {
    let tiny = host();
    let typed = |words: &[&str]| {
        let ran = ended(&mut node(&tiny, words));
        format!("exit code {}\n{}", ran.code, tiny.settled(&ran.stderr))
    };
    let told = |words: &[&str], code: i32, part: &str| {
        let said = typed(words);
        let is_so = said.starts_with(&format!("exit code {code}\nerror: ")) && said.contains(part);
        assert!(is_so, "{words:?}: {said}");
    };
    told(&["uninstall"], 1, "there is nothing to take away");
    told(
        &["uninstall", "--purge-data"],
        2,
        "wants the name of the cluster",
    );
    told(&["upgrade"], 1, "was not brought up yet");
    let planted = fs::read_to_string(tiny.path(IDENTITY)).unwrap();
    tiny.sandbox
        .write("host/var/lib/pgbundle/identity.json", &planted);
    told(
        &["uninstall", "--purge-data", "other"],
        2,
        "not `other`: nothing was touched",
    );
    told(&["uninstall"], 1, "are not here");
    told(
        &["upgrade", "--identity", "/nowhere"],
        2,
        "cannot read `/nowhere`",
    );
    let seed = tiny.path(RELEASE).join("seeds/db-1/meta-data");
    let seed = seed.to_str().unwrap();
    told(
        &["upgrade", "--identity", seed],
        2,
        "is not the user-data of a seed",
    );
}
