//! Stores that lack something, that someone altered, or that are none.

use std::fs;

use super::{refused, refused_leaving};
use crate::support::Ran;
use crate::tiny::Tiny;

/// One byte of a blob is another, in a file of the same size.
fn alter(tiny: &Tiny, package: &str) -> Vec<u8> {
    let blob = tiny.blob(package);
    let right = fs::read(&blob).unwrap();
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, [&right[1..], b"x"].concat()).unwrap();
    right
}

fn import(tiny: &Tiny, file: &str) -> Ran {
    let words = ["store", "import", file, "--store", "store"];
    tiny.sandbox.run(&words)
}

#[test]
fn an_empty_store_names_every_missing_file() {
    let tiny = Tiny::fetched();
    fs::remove_dir_all(tiny.path("store")).unwrap();
    let said = refused(&tiny, |tiny| tiny.build_alone(&["--offline", "--locked"]));
    insta::assert_snapshot!(said, @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    lock     [ROOT]/demo.tiny-amd64.lock: 10 packages, [N] KiB, as of 2026-01-05T02:11:10Z
    fetch    12 files, [N] KiB, of which [N] KiB are not in the store yet
    error: 12 files are not to be had:
             pool/main/etcd-client_3.4.23-1_amd64.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
             pool/main/etcd-server_3.4.23-1_amd64.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
             pool/main/haproxy_2.6.12-1_amd64.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
             pool/main/keepalived_1%3a2.2.7-1+b2_amd64.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
             pool/main/libtiny_1.2~rc1-3_amd64.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
             pool/main/patroni_3.0.2-1_all.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
             pool/main/pgbouncer_1.18.0-1_amd64.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
             pool/main/postgresql-15_15.14-0_amd64.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
             pool/main/postgresql-common_248_all.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
             pool/main/python3-etcd_0.4.5-4_all.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
             dists/one/InRelease of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
             dists/one/main/binary-amd64/Packages.xz of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
    hint: run without `--offline`, or import a store that has them: `pgbundle store import FILE`
    ");
}

#[test]
fn a_blob_that_was_altered_is_set_aside_and_fetched_anew() {
    let tiny = Tiny::built();
    // Where the release still stood, no blob would be read.
    fs::remove_dir_all(tiny.path("dist")).unwrap();
    let right = alter(&tiny, "patroni");
    let said = tiny.build(&[]).succeeded();
    let warning = said.lines().find(|line| line.starts_with("warning: "));
    insta::assert_snapshot!(tiny.settled(warning.expect(&said)), @"warning: [ROOT]/store/sha256/[..]/[SHA256] was altered: it is [N] bytes with digest [SHA256], not [N] bytes with digest [SHA256]; it was moved to [ROOT]/store/aside/[SHA256].0, fetch it again");
    assert_eq!(fs::read(tiny.blob("patroni")).unwrap(), right);
}

#[test]
fn a_blob_that_was_altered_is_not_used_where_nothing_may_be_fetched() {
    let tiny = Tiny::built();
    fs::remove_dir_all(tiny.path("dist")).unwrap();
    alter(&tiny, "patroni");
    // What was found is kept for whoever wants to know what happened to it.
    let blob = tiny.blob("patroni");
    let moved = blob.strip_prefix(tiny.path("")).unwrap().to_str().unwrap();
    let left = [moved, "store/aside"];
    let said = refused_leaving(&tiny, &left, |tiny| tiny.build(&["--offline"]));
    insta::assert_snapshot!(said, @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    lock     [ROOT]/demo.tiny-amd64.lock: 10 packages, [N] KiB, as of 2026-01-05T02:11:10Z
    secrets  [ROOT]/secrets
    fetch    12 files, [N] KiB, of which [N] B are not in the store yet
    warning: [ROOT]/store/sha256/[..]/[SHA256] was altered: it is [N] bytes with digest [SHA256], not [N] bytes with digest [SHA256]; it was moved to [ROOT]/store/aside/[SHA256].0, fetch it again
    error: 1 file is not to be had:
             pool/main/patroni_3.0.2-1_all.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               not in the store, and nothing may be fetched
    hint: run without `--offline`, or import a store that has them: `pgbundle store import FILE`
    ");
    assert!(!blob.exists() && tiny.path("store/aside").read_dir().unwrap().count() == 1);
}

#[test]
fn an_export_that_is_not_there_is_named() {
    let tiny = Tiny::new();
    insta::assert_snapshot!(refused(&tiny, |tiny| import(tiny, "nowhere.tar")), @"
    exit code 2
    error: cannot read nowhere.tar: there is no such file
    hint: name what `pgbundle store export` wrote
    ");
}

#[test]
fn what_is_no_export_is_not_taken_in() {
    let tiny = Tiny::new();
    insta::assert_snapshot!(refused(&tiny, |tiny| import(tiny, "demo.toml")), @"
    exit code 1
    error: demo.toml is no tar archive, or is cut off (failed to read entire block)
    hint: copy it again from where it was exported
    ");
}

#[test]
fn an_export_that_was_cut_off_says_so() {
    let tiny = Tiny::fetched();
    let export = ["store", "export"].map(str::to_owned).to_vec();
    let words = [export, tiny.cluster()].concat();
    tiny.run(&words, &["--to", "carried.tar"]).succeeded();
    let whole = fs::read(tiny.path("carried.tar")).unwrap();
    fs::write(tiny.path("carried.tar"), &whole[..whole.len() / 2]).unwrap();
    fs::remove_dir_all(tiny.path("store")).unwrap();
    let said = refused(&tiny, |tiny| import(tiny, "carried.tar"));
    insta::assert_snapshot!(said, @"
    exit code 1
    error: sha256/[..]/[SHA256] in carried.tar is [N] bytes with digest [SHA256], not [N] bytes with digest [SHA256]
    hint: copy it again from where it was exported
    ");
}
