//! Plain files: from the spec through lock, store, bundle and bill of
//! materials to their place on a node.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pgbundle::base::Sha256;
use pgbundle::bundle::assignment::Assignment;
use pgbundle::node::host::Host;
use pgbundle::node::system::{Answer, Call, CallFault, System};
use pgbundle::node::{files, step, steps, up};
use serde_json::Value;

use crate::sample::accepts;
use crate::tiny::{PUBLIC, RELEASE, Tiny};

const TOOL: &[u8] = b"#!/bin/sh\necho tool\n";
const EXTRAS: &[u8] = b"\x1f\x8b no archive, and nobody looks";

/// A cluster with a program and an archive beside its packages.
pub fn tiny() -> Tiny {
    let tiny = Tiny::with(&spec());
    fs::create_dir(tiny.path("files")).unwrap();
    fs::write(tiny.path("files/tool-2.0.bin"), TOOL).unwrap();
    fs::write(tiny.path("files/extras.tar.gz"), EXTRAS).unwrap();
    tiny
}

fn spec() -> String {
    format!(
        r#"
[[file]]
name = "tool"
version = "2.0"
from = "files/tool-2.0.bin"
sha256 = "{}"
install = "/usr/local/bin/tool"
mode = "0750"
roles = ["etcd"]

[[file]]
name = "extras.tar.gz"
version = "1"
from = "files/extras.tar.gz"
sha256 = "{}"
install = "/opt/extras/extras.tar.gz"
mode = "0644"
roles = ["etcd", "proxy"]

[[file]]
name = "only-carried"
version = "1"
from = "files/extras.tar.gz"
sha256 = "{}"
roles = ["postgres"]
"#,
        Sha256::of(TOOL),
        Sha256::of(EXTRAS),
        Sha256::of(EXTRAS)
    )
}

#[test]
fn a_bundle_carries_plain_files_by_name_and_bills_them() {
    let tiny = tiny();
    tiny.build(&[]).succeeded();
    tiny.verify(PUBLIC).succeeded();
    let carried = |role: &str| {
        let listed = accepts(
            Command::new("tar")
                .arg("tzf")
                .arg(tiny.path(&format!("{PUBLIC}/bundles/{role}.tar.gz"))),
        );
        let names = listed
            .lines()
            .filter_map(|name| name.strip_prefix("packages/files/"));
        names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let billed = |role: &str| {
        let text = fs::read(tiny.path(&format!("{PUBLIC}/sbom.{role}.json"))).unwrap();
        let bill: Value = serde_json::from_slice(&text).unwrap();
        let all = bill["components"].as_array().unwrap().clone();
        let files = all
            .into_iter()
            .filter(|component| component["type"] == "file");
        let names = files.map(|file| file["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    for (role, names) in [
        ("etcd", vec!["extras.tar.gz", "tool"]),
        ("postgres", vec!["only-carried"]),
        ("proxy", vec!["extras.tar.gz"]),
    ] {
        assert_eq!(carried(role), names, "{role}");
        assert_eq!(billed(role), names, "{role}");
    }
}

#[test]
fn a_plain_file_that_the_store_lost_is_fetched_from_where_the_spec_has_it() {
    let tiny = tiny();
    tiny.ask("lock", &[]).succeeded();
    fs::remove_dir_all(tiny.path("store")).unwrap();
    tiny.ask("fetch", &[]).succeeded();
    fs::write(tiny.path("files/tool-2.0.bin"), "another tool").unwrap();
    tiny.build(&["--locked"]).succeeded();
    fs::remove_dir_all(tiny.path("store")).unwrap();
    let said = tiny.build(&["--locked"]).failed_with(3);
    assert!(
        said.contains("files/tool-2.0.bin is 12 bytes long, not 20"),
        "{said}"
    );
}

#[test]
fn a_plain_file_that_is_not_what_the_spec_says_is_not_locked() {
    let tiny = tiny();
    fs::write(tiny.path("files/tool-2.0.bin"), "another tool").unwrap();
    let said = tiny.ask("lock", &[]).failed_with(2);
    let found = Sha256::of(b"another tool").to_string();
    assert!(said.contains("`tool`") && said.contains(&found), "{said}");
    fs::remove_file(tiny.path("files/tool-2.0.bin")).unwrap();
    let said = tiny.ask("lock", &[]).failed_with(3);
    assert!(said.contains("files/tool-2.0.bin is not there"), "{said}");
}

#[test]
fn a_plain_file_takes_no_other_files_place() {
    let tiny = tiny();
    let spec = spec().replace("/usr/local/bin/tool", "/etc/systemd/system/etcd.service");
    tiny.spec(&spec);
    let said = tiny.build(&[]).failed_with(2);
    assert!(
        said.contains(
            "the plain file `tool` would be installed at /etc/systemd/system/etcd.service"
        ),
        "{said}"
    );
    assert!(!tiny.path(RELEASE).exists());
}

/// Answers every call with nothing; these steps need no answer.
struct Silent;

impl System for Silent {
    fn ask(&self, _: &Call) -> Result<Answer, CallFault> {
        Ok(Answer {
            status: Some(0),
            ..Answer::default()
        })
    }
}

/// A host with the seed that the build made for `node`, and the release in `/srv`.
fn host(tiny: &Tiny, node: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let seed = root.path().join("var/lib/pgbundle/seed");
    fs::create_dir_all(&seed).unwrap();
    let user_data = tiny.path(&format!("{RELEASE}/seeds/{node}/user-data"));
    fs::write(seed.join("identity.json"), identity_in(&user_data)).unwrap();
    fs::create_dir(root.path().join("srv")).unwrap();
    crate::tiny::copy(&tiny.path(PUBLIC), &root.path().join("srv/public"));
    // Whoever runs the tests is everyone on this host.
    let me = root.path().metadata().unwrap();
    let accounts = |number: u32| {
        let line = |name: &str| format!("{name}:x:{number}:{number}::/:\n");
        ["root", "etcd"].map(line).concat()
    };
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/passwd"), accounts(me.uid())).unwrap();
    let groups = accounts(me.gid());
    fs::write(root.path().join("etc/group"), groups).unwrap();
    root
}

/// The identity as the seed's script unpacks it.
fn identity_in(user_data: &Path) -> Vec<u8> {
    let text = fs::read_to_string(user_data).unwrap();
    let rest = text
        .split_once("base64 -d <<'END'")
        .expect("a seed plants an identity")
        .1;
    let packed = rest
        .split_once("\n")
        .unwrap()
        .1
        .split_once("END")
        .unwrap()
        .0;
    let mut unpack = Command::new("sh")
        .args(["-c", "base64 -di | gzip -d"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = unpack.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, packed.as_bytes()).unwrap();
    drop(stdin);
    unpack.wait_with_output().unwrap().stdout
}

#[test]
fn a_node_installs_its_plain_files_with_their_modes() {
    let tiny = tiny();
    let delivery = "\n[delivery]\nsources = [\"folder:/srv/public\"]\n";
    tiny.spec(&(spec() + delivery));
    tiny.build(&[]).succeeded();
    let root = host(&tiny, "db-3");
    let host = Host {
        root: root.path().to_owned(),
        system: &Silent,
    };
    let mut context = up::context(&host, Some(Duration::ZERO));
    for step in steps::all().iter().take(2) {
        step::run(step, &mut context).unwrap();
    }
    let identity = context.identity.as_ref().unwrap();
    let installed = |path: &str| {
        let path = root.path().join(path);
        let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
        (fs::read(path).unwrap(), mode)
    };
    files::install_all(&host, identity, &context.bundles).unwrap();
    assert_eq!(installed("usr/local/bin/tool"), (TOOL.to_vec(), 0o750));
    assert_eq!(
        installed("opt/extras/extras.tar.gz"),
        (EXTRAS.to_vec(), 0o644)
    );
    assert_eq!(
        files::differences(&host, identity, &context.bundles).unwrap(),
        Vec::<String>::new()
    );
    fs::write(root.path().join("usr/local/bin/tool"), "altered").unwrap();
    let differences = files::differences(&host, identity, &context.bundles).unwrap();
    assert_eq!(differences, ["`/usr/local/bin/tool` has other content"]);
    assert_eq!(
        files::install_all(&host, identity, &context.bundles).unwrap(),
        1
    );
    assert_eq!(installed("usr/local/bin/tool"), (TOOL.to_vec(), 0o750));
}

#[test]
fn an_assignment_tells_plain_files_from_rendered_ones() {
    let tiny = tiny();
    tiny.build(&[]).succeeded();
    let text = accepts(
        Command::new("tar")
            .arg("xzOf")
            .arg(tiny.path(&format!("{PUBLIC}/bundles/etcd.tar.gz")))
            .arg("cluster/nodes/db-3/assignment.json"),
    );
    let assignment: Assignment = serde_json::from_str(&text).unwrap();
    let plain: Vec<_> = assignment
        .files
        .iter()
        .filter_map(|file| file.plain.as_ref())
        .collect();
    let plain: Vec<_> = plain.iter().map(|path| path.as_str()).collect();
    assert_eq!(
        plain,
        ["packages/files/extras.tar.gz", "packages/files/tool"]
    );
    assert!(
        text.contains("etcd.service") && !text.contains("null"),
        "{text}"
    );
}
