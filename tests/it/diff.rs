//! `pgbundle diff`: what hosts do when they get another release.

use serde_json::{Value, json};

use crate::support::Ran;
use crate::tiny::{PUBLIC, Tiny};

/// A cluster that has been built, its release put aside as `old`.
fn aside() -> Tiny {
    let tiny = Tiny::built();
    let renamed = std::fs::rename(tiny.path(PUBLIC), tiny.path("old"));
    renamed.unwrap();
    tiny
}

fn diff(tiny: &Tiny, more: &[&str]) -> Ran {
    let named = ["diff", "old", PUBLIC, "--secrets", "secrets"];
    tiny.sandbox.run(&[&named[..], more].concat())
}

#[test]
fn a_release_does_not_differ_from_itself() {
    let tiny = aside();
    tiny.build(&[]).succeeded();
    let told = diff(&tiny, &[]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(
        told.stdout.contains("No package and no file differs"),
        "{}",
        told.stdout
    );
}

#[test]
fn newer_packages_restart_the_services_that_are_made_of_them() {
    let tiny = aside();
    let newer = [
        ("haproxy", "2.6.12-2"),
        ("libtiny", "1.3"),
        ("postgresql-15", "15.15-0"),
    ];
    tiny.archive.publish_newer(&tiny.path("mirror"), &newer);
    tiny.ask("lock", &[]).succeeded();
    tiny.build(&[]).succeeded();
    let told = diff(&tiny, &[]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    insta::assert_snapshot!(told.stdout);
}

#[test]
fn a_changed_file_is_named_with_the_services_that_take_it_up() {
    let tiny = aside();
    tiny.spec("[ports]\nread_write = 5500\n");
    tiny.build(&[]).succeeded();
    let told: Value = serde_json::from_str(&diff(&tiny, &["--json"]).stdout).unwrap();
    assert_eq!(told["generations"], json!([1, 2]));
    assert_eq!(told["packages"], json!([]));
    let host = &told["nodes"]["db-1"];
    assert_eq!(host["files"]["/etc/haproxy/haproxy.cfg"]["is"], "other");
    let reload = json!({"act": "reload", "because_of": ["/etc/haproxy/haproxy.cfg"]});
    assert_eq!(host["units"]["haproxy.service"], reload);
    assert_eq!(told["nodes"].get("db-3"), None, "it has no proxy");
}

#[test]
fn a_role_that_moves_is_started_here_and_left_there() {
    let tiny = aside();
    let spec = std::fs::read_to_string(tiny.path("demo.toml")).unwrap();
    let moved = spec.replacen(
        "roles = [\"etcd\", \"postgres\", \"proxy\"]",
        "roles = [\"etcd\", \"postgres\"]",
        1,
    );
    let moved = moved.replace("roles = [\"etcd\"]", "roles = [\"etcd\", \"proxy\"]");
    tiny.sandbox.write("demo.toml", &moved);
    tiny.build(&[]).succeeded();
    let told: Value = serde_json::from_str(&diff(&tiny, &["--json"]).stdout).unwrap();
    let act = |node: &str| told["nodes"][node]["units"]["keepalived.service"]["act"].clone();
    assert_eq!([act("db-1"), act("db-3")], [json!("leave"), json!("start")]);
    let file = &told["nodes"]["db-1"]["files"]["/etc/keepalived/keepalived.conf"];
    assert_eq!(file["is"], "gone");
}

#[test]
fn releases_that_cannot_be_compared_are_refused() {
    let (tiny, other) = (aside(), Tiny::built());
    tiny.build(&[]).succeeded();
    let foreign = other.path(PUBLIC).display().to_string();
    let of_another = tiny.sandbox.run(&["diff", "old", &foreign]).failed_with(1);
    assert!(of_another.contains("signed"), "{of_another}");
    let missing = tiny.sandbox.run(&["diff", "old", "nowhere"]).failed_with(2);
    assert!(missing.contains("there is no such file"), "{missing}");
    let bundle = tiny.path("old").join("bundles/etcd.tar.gz");
    let mut bytes = std::fs::read(&bundle).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    diff(&tiny, &[]).failed_with(1);
}
