//! Building without a network, carrying a store across an air gap, and what
//! is said when something is missing, stale or altered.

use std::fs;

use crate::tiny::{self, RELEASE, Tiny};

const LOCK: &str = "demo.tiny-amd64.lock";

/// Locked and fetched, and the mirror gone.
fn fetched() -> Tiny {
    let tiny = Tiny::new();
    tiny.ask("lock", &[]).succeeded();
    tiny.ask("fetch", &[]).succeeded();
    fs::remove_dir_all(tiny.path("mirror")).unwrap();
    tiny
}

fn edit(tiny: &Tiny, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(tiny.path(file)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(tiny.path(file), text.replacen(from, to, 1)).unwrap();
}

/// Where the store has the package that begins with `name`.
fn blob_of(tiny: &Tiny, name: &str) -> std::path::PathBuf {
    let lock = fs::read_to_string(tiny.path(LOCK)).unwrap();
    let lock: toml::Table = lock.parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let package = packages.iter().find(|p| p["name"].as_str() == Some(name));
    let digest = package.unwrap()["sha256"].as_str().unwrap();
    tiny.path(&format!("store/sha256/{}/{digest}", &digest[..2]))
}

#[test]
fn a_filled_store_and_a_lock_are_all_that_a_build_needs() {
    let tiny = fetched();
    tiny.build_alone(&["--offline", "--locked"]).succeeded();
}

#[test]
fn an_empty_store_names_every_missing_file() {
    let tiny = fetched();
    fs::remove_dir_all(tiny.path("store")).unwrap();
    let said = tiny.build_alone(&["--offline", "--locked"]).failed_with(3);
    insta::assert_snapshot!(tiny.settled(&said), @r"
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
           run without --offline, or import a store that has them: pgbundle store import FILE
    ");
    assert!(!tiny.path(RELEASE).exists() && !tiny.path("secrets").exists());
}

#[test]
fn nothing_is_locked_where_that_is_forbidden() {
    let tiny = Tiny::new();
    for flag in ["--locked", "--offline"] {
        let said = tiny.build(&[flag]).failed_with(1);
        assert!(
            said.contains("there is no lock") && said.contains("`pgbundle lock`"),
            "{said}"
        );
    }
    assert!(!tiny.path(LOCK).exists());
}

#[test]
fn a_lock_that_is_stale_says_what_is_new() {
    let tiny = fetched();
    tiny.profile("\n[components.haproxy]\npackages = [\"haproxy\", \"libtiny\"]\n");
    let said = tiny.build_alone(&["--locked"]).failed_with(1);
    insta::assert_snapshot!(tiny.settled(&said), @r"
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: the lock [ROOT]/demo.tiny-amd64.lock does not cover the plan:
             new since the lock was made: the package libtiny of role proxy is asked for
    hint: `pgbundle lock` makes it anew
    ");
    tiny.ask("lock", &["--check"]).failed_with(1);
    tiny.ask("fetch", &[]).failed_with(1);
}

#[test]
fn a_role_that_no_node_had_is_new_to_the_lock() {
    let tiny = Tiny::new();
    let spec = fs::read_to_string(tiny.path("demo.toml")).unwrap();
    let without = spec
        .replace("[vip]\naddress = \"10.0.0.100/24\"\n", "")
        .replace(", \"proxy\"", "");
    fs::write(tiny.path("demo.toml"), &without).unwrap();
    tiny.ask("lock", &[]).succeeded();
    fs::write(tiny.path("demo.toml"), spec).unwrap();
    let said = tiny.build(&["--locked"]).failed_with(1);
    for package in ["haproxy", "keepalived"] {
        let new = format!("new since the lock was made: the package {package} of role proxy");
        assert!(said.contains(&new), "{said}");
    }
    // Without `--locked` it is made anew.
    tiny.build(&[]).succeeded();
}

#[test]
fn a_lock_that_was_edited_by_hand_is_refused() {
    for (from, to) in [
        ("the package haproxy of", "the package haproxy2 of"),
        ("name = \"etcd-client\"", "name = \"zetcd-client\""),
        ("version = 1", "version = 2"),
        ("installed_size", "installed"),
        ("\"3.4.23-1\"", "\"3.4.24-1\""),
        ("_1.2~rc1-3_amd64.deb\"", "_1.3_amd64.deb\""),
    ] {
        let tiny = fetched();
        edit(&tiny, LOCK, from, to);
        let said = tiny.build_alone(&["--locked"]).failed_with(2);
        assert!(said.contains(LOCK), "{said}");
    }
}

#[test]
fn a_store_is_carried_across_an_air_gap() {
    let tiny = fetched();
    tiny.build_alone(&["--offline"]).succeeded();
    let export = ["store", "export"].map(str::to_owned).to_vec();
    tiny.run(&[export, tiny.cluster()].concat(), &["--to", "carried.tar"])
        .succeeded();
    fs::rename(tiny.path("store"), tiny.path("old store")).unwrap();
    let import = ["store", "import", "carried.tar", "--store", "store"];
    let said = tiny.sandbox.run(&import).succeeded();
    assert!(said.contains("12 files, 12 of them new"), "{said}");
    tiny.build_alone(&["--offline", "--locked", "--out", "beyond/dist"])
        .succeeded();
    let beyond = tiny.path("beyond").join(RELEASE);
    assert_eq!(tiny::difference(&tiny.path(RELEASE), &beyond), "");
}

#[test]
fn what_is_no_whole_export_is_not_taken_in() {
    let tiny = Tiny::new();
    let import = |file: &str| {
        tiny.sandbox
            .run(&["store", "import", file, "--store", "store"])
    };
    let said = import("nowhere.tar").failed_with(2);
    assert!(said.contains("nowhere.tar"), "{said}");
    let said = import("demo.toml").failed_with(1);
    assert!(said.contains("demo.toml: is no tar archive"), "{said}");
}

#[test]
fn a_blob_that_was_altered_is_named_and_fetched_anew() {
    let tiny = Tiny::built();
    let blob = blob_of(&tiny, "patroni");
    let right = fs::read(&blob).unwrap();
    // Where the release still stood, no blob would be read.
    let alter = || {
        fs::remove_dir_all(tiny.path("dist")).unwrap();
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, [&right[1..], b"x"].concat()).unwrap();
    };
    alter();
    let said = tiny.build(&[]).succeeded();
    let name = blob.display().to_string();
    assert!(
        said.contains(&format!("warning: {name} was altered")),
        "{said}"
    );
    assert_eq!(fs::read(&blob).unwrap(), right);
    alter();
    let said = tiny.build(&["--offline"]).failed_with(3);
    assert!(
        said.contains(&name) && said.contains("patroni_3.0.2-1_all.deb"),
        "{said}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_the_worlds_fault() {
    let tiny = fetched();
    fs::write(tiny.path("full"), "a file").unwrap();
    let said = tiny
        .build_alone(&["--offline", "--out", "full/dist"])
        .failed_with(3);
    assert!(said.contains("full/dist"), "{said}");
    assert_eq!(fs::read_to_string(tiny.path("full")).unwrap(), "a file");
}

#[test]
fn a_build_that_fails_leaves_the_release_before_it() {
    let tiny = Tiny::built();
    tiny::copy(&tiny.path("dist"), &tiny.path("before"));
    // So many addresses that no seed can carry them: known only when bundles are written.
    let source = |n: u32| {
        format!(
            "\"https://{n:x}.example.org/{}\"",
            "z".repeat(n as usize % 7)
        )
    };
    let sources: Vec<_> = (0..3000).map(source).collect();
    tiny.spec(&format!(
        "\n[delivery]\nsources = [{}]\n",
        sources.join(", ")
    ));
    let said = tiny.build(&[]).failed_with(2);
    assert!(said.contains("name fewer sources"), "{said}");
    assert_eq!(
        tiny::difference(&tiny.path("before"), &tiny.path("dist")),
        ""
    );
}
