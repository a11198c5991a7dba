//! Repositories of the rpm family that are out of reach, damaged or not meant
//! for these hosts.

use std::fs;

use super::refused_by;
use crate::rpm_tiny::{NEW, TinyEl, base_packages, moment_signed, pgdg_packages};
use crate::rpm_writing::{Package, Signing, rsa_key};
use crate::support::Ran;

const BUILD: [&str; 5] = ["build", "--secrets", "secrets", "--node-program", "node"];

/// What is said of a build that fails and leaves nothing behind, by a run against this mirror.
fn refused(tiny: &TinyEl, run: impl FnOnce() -> Ran) -> String {
    let program = [b"\x7fELF", &[7; 5000][..]].concat();
    fs::write(tiny.path("node"), program).unwrap();
    // The profile names the mirror, which is another one each time.
    let left = ["profiles"];
    let said = refused_by(&tiny.path(""), &left, run, |text| tiny.settled(text));
    // What every build for these hosts is told.
    let lines = said
        .lines()
        .filter(|line| !line.starts_with("warning: pgbundle-node"));
    lines.collect::<Vec<_>>().join("\n")
}

fn build(tiny: &TinyEl) -> String {
    refused(tiny, || tiny.ask(&BUILD).0)
}

#[test]
fn mirrors_that_nobody_answers_at_are_all_named() {
    let tiny = TinyEl::new();
    let (nobody, nothing) = ("base=http://127.0.0.1:1/base", "base=file:///nothing/base");
    let mirrors = ["--mirror", nobody, "--mirror", nothing];
    let build = [&BUILD[..], &mirrors].concat();
    let said = refused(&tiny, || tiny.ask_at("http://127.0.0.1:1", &build));
    insta::assert_snapshot!(said, @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny EL (x86_64)
    lock     reading the signed indexes of Tiny EL
    error: source `base` cannot be read from any mirror:
             http://[MIRROR]/base/repodata/repomd.xml cannot be read: io: Connection refused (os error 111) (tried 4 times)
             file:///nothing/base/repodata/repomd.xml is not there
             http://[MIRROR]/base/x86_[..]/repodata/repomd.xml cannot be read: io: Connection refused (os error 111) (tried 4 times)
    hint: see to the network, or name another mirror: `--mirror base=URL`
    ");
}

#[test]
fn an_index_that_was_altered_is_refused() {
    let mut tiny = TinyEl::new();
    tiny.file("pgdg/15/x86_64/repodata/repomd.xml").push(b'\n');
    insta::assert_snapshot!(build(&tiny), @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny EL (x86_64)
    lock     reading the signed indexes of Tiny EL
    error: source `pgdg` cannot be read from any mirror:
             http://[MIRROR]/pgdg/[..]/x86_64: repodata/repomd.xml: no signature by a pinned key is good: Bad signature: verification error
    hint: nothing of it was taken: try again later, or name another mirror: `--mirror pgdg=URL`
    ");
    let mut tiny = TinyEl::new();
    *tiny.file("-primary.xml.gz").last_mut().unwrap() ^= 1;
    insta::assert_snapshot!(build(&tiny), @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny EL (x86_64)
    lock     reading the signed indexes of Tiny EL
    error: source `base` cannot be read from any mirror:
             http://[MIRROR]/base/x86_64: repodata/[SHA256]-primary.xml.gz: the file has [N] bytes and sha256 [SHA256], its index says [N] bytes and sha256 [SHA256]; the mirror is damaged, or being updated
    hint: nothing of it was taken: try again later, or name another mirror: `--mirror base=URL`
    ");
    // Where the index is not signed, its own digests must fit all the same.
    let mut tiny = TinyEl::new();
    *tiny.file("base/x86_64/repodata/repomd.xml") = b"<repomd/>".to_vec();
    insta::assert_snapshot!(build(&tiny), @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny EL (x86_64)
    lock     reading the signed indexes of Tiny EL
    error: source `base` cannot be read from any mirror:
             http://[MIRROR]/base/x86_64: repomd.xml names no `primary`, which lists the packages
    hint: nothing of it was taken: try again later, or name another mirror: `--mirror base=URL`
    ");
}

#[test]
fn a_signature_that_is_due_and_missing_bad_or_a_strangers_is_refused() {
    let mut tiny = TinyEl::new();
    tiny.base(&base_packages(), None);
    insta::assert_snapshot!(build(&tiny), @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny EL (x86_64)
    lock     reading the signed indexes of Tiny EL
    fetch    4 files, [N] KiB, of which [N] KiB are not in the store yet
    error: the package etcd (Packages/e/etcd-3.3.11-1.x86_64.rpm of source `base`) is not accepted: it is not signed
    hint: nothing was locked: name another mirror (`--mirror base=URL`), or see whether upstream signs by a key that the profile does not have
    ");
    let mut tiny = TinyEl::new();
    let file = tiny.file("/etcd-3.3.11").clone();
    let mut altered = file.clone();
    *altered.last_mut().unwrap() ^= 1;
    tiny.base_with(&file, &altered);
    insta::assert_snapshot!(build(&tiny), @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny EL (x86_64)
    lock     reading the signed indexes of Tiny EL
    fetch    4 files, [N] KiB, of which [N] KiB are not in the store yet
    error: the package etcd (Packages/e/etcd-3.3.11-1.x86_64.rpm of source `base`) is not accepted: its signature over header and payload: no signature by a pinned key is good: Bad signature: verification error
    hint: nothing was locked: name another mirror (`--mirror base=URL`), or see whether upstream signs by a key that the profile does not have
    ");
    let stranger = rsa_key(moment_signed());
    let strange = base_packages()[0].signed(&stranger, moment_signed(), Signing::NOW);
    tiny.base_with(&file, &strange);
    let said = build(&tiny).replace(&stranger.keyid().to_hex(), "[A STRANGER'S KEY]");
    let said = said.replace(&stranger.fingerprint().to_hex(), "[A STRANGER'S KEY]");
    insta::assert_snapshot!(said, @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny EL (x86_64)
    lock     reading the signed indexes of Tiny EL
    fetch    4 files, [N] KiB, of which [N] KiB are not in the store yet
    error: the package etcd (Packages/e/etcd-3.3.11-1.x86_64.rpm of source `base`) is not accepted: its signature over its header: no signature by a pinned key is good: it is signed by [ANOTHER KEY], which no pinned certificate at hand has: where the distribution has announced a new key, pin it in a profile of your own
    hint: nothing was locked: name another mirror (`--mirror base=URL`), or see whether upstream signs by a key that the profile does not have
    ");
    // A key of another source is no better than a stranger's.
    let strange = base_packages()[0].signed(&NEW, moment_signed(), Signing::NOW);
    tiny.base_with(&file, &strange);
    insta::assert_snapshot!(build(&tiny), @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny EL (x86_64)
    lock     reading the signed indexes of Tiny EL
    fetch    4 files, [N] KiB, of which [N] KiB are not in the store yet
    error: the package etcd (Packages/e/etcd-3.3.11-1.x86_64.rpm of source `base`) is not accepted: its signature over its header: no signature by a pinned key is good: it is signed by [NEW KEY], which no pinned certificate at hand has: where the distribution has announced a new key, pin it in a profile of your own
    hint: nothing was locked: name another mirror (`--mirror base=URL`), or see whether upstream signs by a key that the profile does not have
    ");
}

#[test]
fn packages_of_another_architecture_are_not_taken() {
    let mut tiny = TinyEl::new();
    let mut packages = base_packages();
    packages[0].architecture = "aarch64";
    tiny.base(&packages, Some(Signing::EL7));
    insta::assert_snapshot!(build(&tiny), @"
    exit code 1
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny EL (x86_64)
    lock     reading the signed indexes of Tiny EL
    error: what is asked for is there for other hosts alone: etcd-3.3.11-1.aarch64; these are x86_64
    hint: name a mirror that has it for these hosts, or an architecture that it is there for
    ");
}

#[test]
fn of_two_architectures_that_run_the_hosts_own_is_taken() {
    let mut tiny = TinyEl::new();
    let mut packages = base_packages();
    // Newer, and yet not what an x86_64 host wants.
    let i686 = Package {
        architecture: "i686",
        version: "3.3.12",
        ..packages[0].clone()
    };
    packages.push(i686.clone());
    tiny.base(&packages, Some(Signing::EL7));
    tiny.lock().succeeded();
    let lock = fs::read_to_string(tiny.path(crate::rpm_tiny::LOCK)).unwrap();
    assert!(lock.contains("etcd-3.3.11-1.x86_64.rpm"), "{lock}");
    assert!(!lock.contains("i686"), "{lock}");
    // Alone, it is what there is.
    packages[0] = i686;
    packages.pop();
    tiny.base(&packages, Some(Signing::EL7));
    tiny.lock().succeeded();
    let lock = fs::read_to_string(tiny.path(crate::rpm_tiny::LOCK)).unwrap();
    assert!(lock.contains("etcd-3.3.12-1.i686.rpm"), "{lock}");
}

#[test]
fn a_module_that_hides_a_package_is_named() {
    const MODULES: &str = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: postgresql\n  \
        stream: 10\n  arch: x86_64\n  artifacts:\n    rpms:\n    - patroni-0:1.0-1.x86_64\n...\n\
        ---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: postgresql\n  stream: 10\n...\n";
    let mut tiny = TinyEl::new();
    tiny.pgdg_with(&pgdg_packages(), Some(MODULES));
    insta::assert_snapshot!(build(&tiny), @"
    exit code 1
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny EL (x86_64)
    lock     reading the signed indexes of Tiny EL
    error: the module `postgresql:10` hides patroni-3.3.2-1.noarch, which is asked for; a profile that is to have it names the module among its `disabled_modules`
    ");
}

#[test]
fn a_wheel_for_another_python_is_refused() {
    let mut tiny = TinyEl::new();
    let wheel = |file: &str, digit: &str| {
        let digest = digit.repeat(64);
        format!("[[python.wheel]]\nfile = \"{file}\"\nsize = 9\nsha256 = \"{digest}\"\n")
    };
    let python = "[python]\ncomponent = \"patroni\"\nversion = \"3.6\"\nmachine = \"x86_64\"\n\
                  glibc = \"2.17\"\nprogram = \"/usr/bin/python3.6\"\nenvironment = \"/opt/pgbundle/patroni\"\npip = \"pip-21.3.1-py3-none-any.whl\"\n";
    let pip = wheel("pip-21.3.1-py3-none-any.whl", "a");
    let psutil = "psutil-5.9.8-cp39-cp39-manylinux2014_x86_64.whl";
    tiny.tables([python, &pip, &wheel(psutil, "b")].concat());
    let said = build(&tiny);
    // Where in the profile it stands is the mirror's address further on or not.
    let said: Vec<_> = said.lines().filter(|line| !line.contains("-->")).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    exit code 2
    error: the wheel psutil-5.9.8-cp39-cp39-manylinux2014_x86_64.whl is not for Python 3.6 on x86_64 with glibc 2.17
       |
    43 | [python]
       | ^^^^^^^^
    hint: pin the one of that project whose name ends with a tag for this Python
    ");
}

#[test]
fn a_profile_without_a_base_is_told_before_anything_is_fetched() {
    let sandbox = crate::support::Sandbox::new();
    sandbox.write(
        "cluster.toml",
        &crate::support::read_source("clusters/three-node.toml"),
    );
    let ran = sandbox.run(&["lock", "--profile", "centos7"]);
    insta::assert_snapshot!(format!("exit code {}\n{}", ran.code, ran.stderr), @"
    exit code 2
    error: the profile `centos7` has no base image to prove the closure against
    hint: run what `pgbundle base query` prints on a host of your image, then `pgbundle base capture --rpm FILE`, and name the list in a profile of your own that extends this one: `[[base]]`
    ");
}
