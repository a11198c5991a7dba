//! The operator's secrets: open to others, someone else's, in parts, expired.
//! What is wrong is said, what is secret is not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::{edit, refused};
use crate::support::Ran;
use crate::tiny::Tiny;

/// What `build` says, which then has changed nothing.
fn not_built(tiny: &Tiny) -> String {
    let said = refused(tiny, |tiny| tiny.build(&[]));
    // What is said before the secrets are opened is always the same.
    let (code, rest) = said.split_once('\n').unwrap();
    let error = rest.find("error: ").expect(&said);
    format!("{code}\n{}", &rest[error..])
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_others_may_read_is_not_used() {
    let tiny = Tiny::built();
    set_mode(&tiny.path("secrets"), 0o755);
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: `[ROOT]/secrets` holds secrets and others may use it (mode 0755): run `chmod 0700 [ROOT]/secrets`
    ");
}

#[test]
fn a_key_that_others_may_read_is_not_used() {
    let tiny = Tiny::built();
    set_mode(&tiny.path("secrets/ca.key"), 0o644);
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: `[ROOT]/secrets/ca.key` holds secrets and others may use it (mode 0644): run `chmod 0600 [ROOT]/secrets/ca.key`
    ");
    set_mode(&tiny.path("secrets/ca.key"), 0o600);
    set_mode(&tiny.path("secrets/nodes/db-2/etcd.key"), 0o640);
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: `[ROOT]/secrets/nodes/db-2/etcd.key` holds secrets and others may use it (mode 0640): run `chmod 0600 [ROOT]/secrets/nodes/db-2/etcd.key`
    ");
}

#[test]
fn a_file_that_is_no_plain_file_is_not_used() {
    let tiny = Tiny::built();
    fs::remove_file(tiny.path("secrets/ca.key")).unwrap();
    fs::create_dir(tiny.path("secrets/ca.key")).unwrap();
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: `[ROOT]/secrets/ca.key` must be a plain file, and is none
    hint: restore it from your copy of the folder
    ");
}

#[test]
fn a_node_that_is_missing_is_not_made_again_in_silence() {
    let tiny = Tiny::built();
    fs::remove_dir_all(tiny.path("secrets/nodes/db-2")).unwrap();
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: `[ROOT]/secrets/nodes/db-2` is missing, and this cluster was built with `db-2` before
    hint: restore it from your copy, or `mkdir -m 0700 [ROOT]/secrets/nodes/db-2` if db-2 is to get new keys
    ");
    // As the message says.
    fs::create_dir(tiny.path("secrets/nodes/db-2")).unwrap();
    set_mode(&tiny.path("secrets/nodes/db-2"), 0o700);
    tiny.build(&[]).succeeded();
}

#[test]
fn a_node_whose_key_is_missing_is_not_given_another_in_silence() {
    let tiny = Tiny::built();
    fs::remove_file(tiny.path("secrets/nodes/db-2/etcd.key")).unwrap();
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: `[ROOT]/secrets/nodes/db-2/etcd.key` is missing although `[ROOT]/secrets/nodes/db-2/etcd.pem` is there
    hint: restore it from your copy, or remove `[ROOT]/secrets/nodes/db-2/etcd.pem` too if this node is to get another key
    ");
}

#[test]
fn a_node_that_joins_is_given_keys() {
    let tiny = Tiny::built();
    let authority = fs::read(tiny.path("secrets/ca.key")).unwrap();
    tiny.spec("\n[[node]]\nname = \"db-4\"\naddress = \"10.0.0.14/24\"\nroles = [\"postgres\"]\n");
    tiny.build(&[]).succeeded();
    assert!(tiny.path("secrets/nodes/db-4/postgres.key").exists());
    assert_eq!(fs::read(tiny.path("secrets/ca.key")).unwrap(), authority);
}

#[test]
fn a_part_that_cannot_be_made_again_is_asked_for() {
    let tiny = Tiny::built();
    for part in ["ca.key", "signer.key", "passwords.json", "cluster.json"] {
        let path = tiny.path("secrets").join(part);
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let said = not_built(&tiny);
        let missing = format!("secrets/{part}` is missing although");
        assert!(
            said.starts_with("exit code 2\n") && said.contains(&missing),
            "{said}"
        );
        fs::write(&path, kept).unwrap();
        set_mode(&path, 0o600);
    }
    fs::remove_file(tiny.path("secrets/ca.key")).unwrap();
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: `[ROOT]/secrets/ca.key` is missing although `[ROOT]/secrets/ca.pem` is there
    hint: restore it from your copy, or move the whole folder away to begin a new cluster
    ");
}

#[test]
fn an_authority_that_is_lost_whole_is_not_replaced_in_silence() {
    let tiny = Tiny::built();
    for part in ["ca.key", "ca.pem"] {
        fs::remove_file(tiny.path("secrets").join(part)).unwrap();
    }
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: `[ROOT]/secrets/ca.key` is missing although `[ROOT]/secrets/cluster.json` is there
    hint: restore it from your copy, or move the whole folder away to begin a new cluster
    ");
}

#[test]
fn the_folder_of_another_cluster_is_not_used() {
    let tiny = Tiny::built();
    edit(&tiny, "demo.toml", "name = \"demo\"", "name = \"other\"");
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: `[ROOT]/secrets/cluster.json` belongs to cluster `demo`, not to `other`
    hint: name another folder: `--secrets DIR`
    ");
}

#[test]
fn a_key_of_another_authority_is_not_used() {
    let (tiny, other) = (Tiny::built(), Tiny::built());
    fs::copy(other.path("secrets/ca.key"), tiny.path("secrets/ca.key")).unwrap();
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: no certificate in `[ROOT]/secrets/ca.pem` belongs to the key in `[ROOT]/secrets/ca.key`
    hint: restore both from one copy of the folder
    ");
}

#[test]
fn what_cannot_be_read_is_named_and_not_shown() {
    let tiny = Tiny::built();
    for (part, text) in [
        ("passwords.json", "{\"sentinel\": 1"),
        ("ca.key", "sentinel"),
        ("ca.pem", "sentinel"),
        ("nodes/db-1/etcd.key", "sentinel"),
        ("nodes/db-1/etcd.pem", "sentinel"),
    ] {
        let path = tiny.path("secrets").join(part);
        let kept = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let said = not_built(&tiny);
        assert!(
            said.starts_with("exit code 2\n") && said.contains(part),
            "{said}"
        );
        assert!(!said.contains("sentinel"), "{said}");
        fs::write(&path, kept).unwrap();
    }
    fs::write(tiny.path("secrets/passwords.json"), "{\"sentinel\": 1").unwrap();
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: `[ROOT]/secrets/passwords.json` cannot be read: line 1, column 11
    hint: restore it from your copy of the folder
    ");
}

#[test]
fn a_certificate_that_is_none_is_named() {
    let tiny = Tiny::built();
    fs::write(tiny.path("secrets/nodes/db-1/etcd.pem"), "sentinel").unwrap();
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    error: `[ROOT]/secrets/nodes/db-1/etcd.pem` is no certificate in PEM: PEM preamble contains invalid data (NUL byte)
    hint: restore it from your copy of the folder
    ");
}

/// `build` on a machine whose clock says so.
fn build_on(tiny: &Tiny, day: &str) -> Ran {
    let verb = vec!["build".to_owned(), "--offline".to_owned()];
    let words = [verb, tiny.cluster(), tiny.making()].concat();
    let mut clock = Command::new("faketime");
    clock.arg(day);
    tiny.sandbox.run_by(clock, &words)
}

#[test]
fn an_authority_that_has_expired_issues_nothing() {
    let tiny = Tiny::built();
    let said = refused(&tiny, |tiny| build_on(tiny, "2099-01-01 00:00:00"));
    let error = said.find("error: ").expect(&said);
    let (before, after) = said[error..].split_once(" on ").expect(&said);
    let (_, after) = after.split_once('Z').unwrap();
    insta::assert_snapshot!(format!("{before} on [DATE]{after}"), @"
    error: the CA in `[ROOT]/secrets/ca.pem` expired on [DATE]: it cannot issue any more
    hint: if this machine's clock is right, move `[ROOT]/secrets/ca.pem` aside: the next build makes another for the same key, and every node then needs its new seed
    ");
    assert!(said.starts_with("exit code 2\n"), "{said}");
    // As the message says.
    fs::remove_file(tiny.path("secrets/ca.pem")).unwrap();
    assert_eq!(build_on(&tiny, "2099-01-01 00:00:00").code, 0);
}

#[test]
fn a_certificate_that_has_expired_is_listed_and_renewed() {
    let tiny = Tiny::built();
    let mut clock = Command::new("faketime");
    clock.arg("2000 days");
    let list = ["certs", "list", "--secrets", "secrets", "--library", "."];
    let list = [&list[..], &["--cluster", "demo.toml"]].concat();
    let list: Vec<_> = list.into_iter().map(str::to_owned).collect();
    let ran = tiny.sandbox.run_by(clock, &list);
    assert!(
        ran.code == 0 && ran.stdout.contains(" -1"),
        "{}",
        ran.stdout
    );
    assert_eq!(build_on(&tiny, "2000 days").code, 0);
}

#[test]
fn a_folder_that_is_not_there_lists_nothing() {
    let tiny = Tiny::new();
    let said = refused(&tiny, |tiny| {
        let list = vec!["certs".to_owned(), "list".to_owned()];
        let words = [list, tiny.cluster_alone()].concat();
        tiny.run(&words, &["--secrets", "secrets"])
    });
    insta::assert_snapshot!(said, @"
    exit code 2
    error: cannot open the folder of secrets secrets: there is no such file
    hint: `pgbundle build` makes it; `--secrets DIR` names another
    ");
}
