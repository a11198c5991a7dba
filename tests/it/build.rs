//! From a spec to a release by the program itself: lock, fetch, build, verify,
//! inspect and the list of certificates.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::sample::accepts;
use crate::tiny::{self, PUBLIC, RELEASE, Tiny};

/// Every file and folder of a release, with its mode.
const EXPECTED: &str = "\
0755 
0755 public
0644 public/RUNBOOK.md
0755 public/bundles
0644 public/bundles/etcd.tar.gz
0644 public/bundles/postgres.tar.gz
0644 public/bundles/proxy.tar.gz
0644 public/ca.pem
0755 public/evidence
0755 public/evidence/tiny
0755 public/evidence/tiny/dists
0755 public/evidence/tiny/dists/one
0644 public/evidence/tiny/dists/one/InRelease
0755 public/evidence/tiny/dists/one/main
0755 public/evidence/tiny/dists/one/main/binary-amd64
0644 public/evidence/tiny/dists/one/main/binary-amd64/Packages.xz
0644 public/manifest.json
0644 public/manifest.sig
0755 public/pgbundle-node
0644 public/sbom.etcd.json
0644 public/sbom.postgres.json
0644 public/sbom.proxy.json
0644 public/signer.pub
0700 seeds
0700 seeds/db-1
0600 seeds/db-1/meta-data
0600 seeds/db-1/network-config
0600 seeds/db-1/seed.iso
0600 seeds/db-1/user-data
0700 seeds/db-2
0600 seeds/db-2/meta-data
0600 seeds/db-2/network-config
0600 seeds/db-2/seed.iso
0600 seeds/db-2/user-data
0700 seeds/db-3
0600 seeds/db-3/meta-data
0600 seeds/db-3/network-config
0600 seeds/db-3/seed.iso
0600 seeds/db-3/user-data
";

#[test]
fn each_verb_does_its_part_on_the_way_to_a_release() {
    let tiny = Tiny::new();
    let locked = tiny.ask("lock", &[]).succeeded();
    assert!(locked.contains("10 packages"), "{locked}");
    tiny.ask("lock", &["--check"]).succeeded();
    let fetched = tiny.ask("fetch", &[]).succeeded();
    assert!(fetched.contains("12 files are in the store"), "{fetched}");
    let built = tiny.build_alone(&["--offline", "--locked"]).succeeded();
    assert!(built.contains("generation 1"), "{built}");
    let verified = tiny.verify(PUBLIC).succeeded();
    assert!(verified.contains("bundles/proxy.tar.gz and every file in it"));
    assert!(!verified.contains("warning"), "{verified}");
    for role in ["etcd", "postgres", "proxy"] {
        tiny.verify(&format!("{PUBLIC}/bundles/{role}.tar.gz"))
            .succeeded();
    }
}

#[test]
fn a_release_has_these_files_with_these_modes_and_no_others() {
    let tiny = Tiny::built();
    let rows = tiny::tree(&tiny.path(RELEASE));
    let rows: String = rows
        .iter()
        .map(|(name, entry)| format!("{:04o} {name}\n", entry.mode))
        .collect();
    assert_eq!(rows, EXPECTED);
    let dist = fs::read_dir(tiny.path("dist")).unwrap();
    assert_eq!(dist.count(), 1, "nothing half-made is left");
}

#[test]
fn a_bundle_is_a_plain_archive_that_begins_with_what_proves_it() {
    let tiny = Tiny::built();
    let listed = accepts(
        Command::new("tar")
            .arg("tzf")
            .arg(tiny.path(&format!("{PUBLIC}/bundles/etcd.tar.gz"))),
    );
    let names: Vec<_> = listed.lines().collect();
    assert_eq!(names[..2], ["manifest.json", "manifest.sig"]);
    let rest: Vec<_> = names[2..]
        .iter()
        .filter(|name| !name.contains("/files/") && !name.ends_with('/'))
        .collect();
    let expected = [
        "cluster/ca.pem",
        "cluster/nodes/db-1/assignment.json",
        "cluster/nodes/db-2/assignment.json",
        "cluster/nodes/db-3/assignment.json",
        "packages/Packages",
        "packages/pool/etcd-client_3.4.23-1_amd64.deb",
        "packages/pool/etcd-server_3.4.23-1_amd64.deb",
        "packages/pool/libtiny_1.2~rc1-3_amd64.deb",
    ];
    assert!(rest.iter().copied().eq(expected.iter()), "{rest:?}");
}

#[test]
fn anyone_can_check_a_signature_with_openssl() {
    let tiny = Tiny::built();
    let public = tiny.path(PUBLIC);
    let accepted = |document: &str, signature: &str| {
        accepts(
            Command::new("openssl")
                .args(["dgst", "-sha256", "-verify", "signer.pub", "-signature"])
                .args([signature, document])
                .current_dir(&public),
        );
    };
    accepted("manifest.json", "manifest.sig");
    let out = tiny.path("unpacked");
    fs::create_dir(&out).unwrap();
    accepts(
        Command::new("tar")
            .arg("xzf")
            .arg(public.join("bundles/proxy.tar.gz"))
            .current_dir(&out),
    );
    let inner = |name: &str| out.join(name).display().to_string();
    accepted(&inner("manifest.json"), &inner("manifest.sig"));
}

/// One field of each row.
fn column(rows: &Value, field: &str) -> Vec<Value> {
    let rows = rows.as_array().expect("a list").iter();
    rows.map(|row| row[field].clone()).collect()
}

#[test]
fn what_was_made_tells_what_it_is() {
    let tiny = Tiny::built();
    let inspect = |path: &str| {
        let ran = tiny.sandbox.run(&["inspect", path, "--json"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        serde_json::from_str::<Value>(&ran.stdout).expect("--json prints JSON")
    };
    let release = inspect(PUBLIC);
    assert_eq!(release["cluster"], "demo");
    assert_eq!(release["date"], "2026-01-05T02:11:10Z");
    let roles = column(&release["bundles"], "role");
    assert_eq!(roles, ["etcd", "postgres", "proxy"]);
    let bundle = inspect(&format!("{PUBLIC}/bundles/proxy.tar.gz"));
    let names = column(&bundle["package_list"], "name");
    assert_eq!(names, ["haproxy", "keepalived", "libtiny"]);
}

#[test]
fn certificates_are_listed_once_there_are_any() {
    let tiny = Tiny::built();
    let arguments = [
        "certs",
        "list",
        "--json",
        "--library",
        ".",
        "--cluster",
        "demo.toml",
        "--secrets",
        "secrets",
    ];
    let ran = tiny.sandbox.run(&arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let listed: Vec<Value> = serde_json::from_str(&ran.stdout).expect("--json prints JSON");
    let row = |row: &Value| format!("{} {}", row["node"], row["purpose"]).replace('"', "");
    let rows: Vec<_> = listed.iter().map(row).collect();
    let mut expected = vec!["null ca".to_owned()];
    for node in ["db-1", "db-2"] {
        expected.extend(["etcd", "patroni", "postgres"].map(|what| format!("{node} {what}")));
    }
    expected.push("db-3 etcd".to_owned());
    assert_eq!(rows, expected);
    assert!(
        listed
            .iter()
            .all(|row| row["days_left"].as_i64() > Some(1820))
    );
}

#[test]
fn the_same_content_keeps_its_generation_and_other_content_gets_the_next() {
    let tiny = Tiny::built();
    assert!(tiny.build(&[]).succeeded().contains("generation 1"));
    fs::write(tiny.path("node"), b"\x7fELF another program").unwrap();
    assert!(tiny.build(&[]).succeeded().contains("generation 2"));
    let old = [
        "verify",
        PUBLIC,
        "--secrets",
        "secrets",
        "--generation",
        "3",
    ];
    let said = tiny.sandbox.run(&old).failed_with(1);
    assert!(said.contains("generation 2 is below 3"), "{said}");
}
