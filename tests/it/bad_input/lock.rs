//! Locks that are not there, stale, of someone else, or edited by hand.

use std::fs;

use pgbundle::base::Sha256;
use pgbundle::lock::request;

use super::{edit, refused};
use crate::tiny::{LOCK, Tiny};

/// What a build says that must take the lock as it is.
fn not_built(tiny: &Tiny) -> String {
    refused(tiny, |tiny| tiny.build_alone(&["--locked"]))
}

/// What it says of a good lock in which one text is another.
fn edited(from: &str, to: &str) -> String {
    let tiny = Tiny::fetched();
    edit(&tiny, LOCK, from, to);
    not_built(&tiny)
}

#[test]
fn nothing_is_locked_where_that_is_forbidden() {
    let tiny = Tiny::new();
    insta::assert_snapshot!(refused(&tiny, |tiny| tiny.build(&["--locked"])), @"
    exit code 1
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: there is no lock [ROOT]/demo.tiny-amd64.lock
    hint: `pgbundle lock` makes it
    ");
    let offline = refused(&tiny, |tiny| tiny.build(&["--offline"]));
    assert_eq!(offline, not_built(&tiny));
}

#[test]
fn a_lock_that_is_stale_says_what_is_new() {
    let tiny = Tiny::fetched();
    tiny.profile("\n[components.haproxy]\npackages = [\"haproxy\", \"libtiny\"]\n");
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 1
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: the lock [ROOT]/demo.tiny-amd64.lock does not cover the plan:
             new since the lock was made: the package libtiny of role proxy is asked for
    hint: `pgbundle lock` makes it anew
    ");
    for verb in [&["lock", "--check"][..], &["fetch"]] {
        let said = refused(&tiny, |tiny| tiny.ask(verb[0], &verb[1..]));
        assert!(said.starts_with("exit code 1"), "{said}");
    }
}

#[test]
fn what_was_asked_cannot_be_edited() {
    insta::assert_snapshot!(edited("the package haproxy of", "the package haproxy2 of"), @r#"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: `request` is not the digest of `asked`
     --> [ROOT]/demo.tiny-amd64.lock:7:1
      |
    7 | request = "[SHA256]"
      | ^^^^^^^^^^
    hint: it was edited or merged by hand, or is another version's: `pgbundle lock` makes it again
    "#);
}

#[test]
fn rows_cannot_change_their_order() {
    insta::assert_snapshot!(edited("name = \"etcd-client\"", "name = \"zetcd-client\""), @r#"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: the packages are not sorted, or one stands there twice, at `etcd-server`
      --> [ROOT]/demo.tiny-amd64.lock:59:8
       |
    59 | name = "etcd-server"
       |        ^^^^^^^^^^^^^
    hint: it was edited or merged by hand, or is another version's: `pgbundle lock` makes it again
    "#);
}

#[test]
fn a_lock_of_a_newer_format_is_not_guessed_at() {
    insta::assert_snapshot!(edited("version = 1", "version = 2"), @"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: this is no lock: this file has format 2; this program reads format 1
     --> [ROOT]/demo.tiny-amd64.lock:3:11
      |
    3 | version = 2
      |           ^
    hint: it was edited or merged by hand, or is another version's: `pgbundle lock` makes it again
    ");
}

#[test]
fn a_key_that_no_lock_has_is_refused() {
    insta::assert_snapshot!(edited("installed_size", "installed"), @"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: this is no lock: unknown field `installed`, expected one of `family`, `name`, `version`, `architecture`, `source`, `path`, `size`, `sha256`, `installed_size`, `by_digest`, `roles`, `stanza`
      --> [ROOT]/demo.tiny-amd64.lock:43:1
       |
    43 | installed = 8192
       | ^^^^^^^^^
    hint: it was edited or merged by hand, or is another version's: `pgbundle lock` makes it again
    ");
}

#[test]
fn a_row_and_its_stanza_are_of_one_package() {
    insta::assert_snapshot!(edited("\"3.4.23-1\"", "\"3.4.24-1\""), @r#"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: the package `etcd-client` and the `Version` of its stanza contradict each other
      --> [ROOT]/demo.tiny-amd64.lock:36:1
       |
    36 | name = "etcd-client"
       | ^^^^^^^^^^^^^^^^^^^^
    hint: it was edited or merged by hand, or is another version's: `pgbundle lock` makes it again
    "#);
    insta::assert_snapshot!(edited("_1.2~rc1-3_amd64.deb\"", "_1.3_amd64.deb\""), @r#"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: the package `libtiny` and the `Filename` of its stanza contradict each other
       --> [ROOT]/demo.tiny-amd64.lock:131:1
        |
    131 | name = "libtiny"
        | ^^^^^^^^^^^^^^^^
    hint: it was edited or merged by hand, or is another version's: `pgbundle lock` makes it again
    "#);
}

#[test]
fn a_lock_that_was_merged_halfway_shows_where() {
    insta::assert_snapshot!(edited("[[index]]", "<<<<<<< HEAD\n[[index]]"), @"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: [ROOT]/demo.tiny-amd64.lock: this is no lock: key with no value, expected `=`
    hint: it was edited or merged by hand, or is another version's: `pgbundle lock` makes it again
    ");
}

#[test]
fn a_lock_that_is_no_file_is_the_worlds_fault() {
    let tiny = Tiny::fetched();
    fs::remove_file(tiny.path(LOCK)).unwrap();
    fs::create_dir(tiny.path(LOCK)).unwrap();
    insta::assert_snapshot!(not_built(&tiny), @"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: cannot read the lock [ROOT]/demo.tiny-amd64.lock: it is a folder
    ");
}

/// What a build says that has the archive's key at hand.
fn not_proved(tiny: &Tiny) -> String {
    let flags = ["--offline", "--locked"];
    let said = refused(tiny, |tiny| tiny.build(&flags));
    let error = said.find("error: ").expect(&said);
    said[error..].to_owned()
}

/// Replaces a text wherever the lock has it: in the row and in its stanza alike.
fn edit_alike(tiny: &Tiny, from: &str, to: &str) {
    let text = fs::read_to_string(tiny.path(LOCK)).unwrap();
    assert!(text.matches(from).count() > 1, "{text}");
    fs::write(tiny.path(LOCK), text.replace(from, to)).unwrap();
}

#[test]
fn a_row_and_its_stanza_edited_alike_are_not_what_was_signed() {
    let tiny = Tiny::fetched();
    let blob = tiny.blob("patroni");
    let digest = blob.file_name().unwrap().to_str().unwrap();
    // Another file of the same size, which the store has under its own digest.
    let mut other = fs::read(&blob).unwrap();
    *other.last_mut().unwrap() ^= 1;
    let forged = Sha256::of(&other).to_string();
    tiny.put(&other);
    edit_alike(&tiny, digest, &forged);
    insta::assert_snapshot!(not_proved(&tiny), @r#"
    error: the signed indexes have no package `patroni` as the lock has it
       --> [ROOT]/demo.tiny-amd64.lock:154:8
        |
    154 | name = "patroni"
        |        ^^^^^^^^^
    hint: it was edited by hand: `pgbundle lock` makes it again
    "#);
    // The list of packages says so, whether or not a key is at hand.
    let said = refused(&tiny, |tiny| tiny.build_alone(&["--offline", "--locked"]));
    assert!(
        said.contains("no package `patroni` as the lock has it"),
        "{said}"
    );
}

#[test]
fn a_lock_that_was_proved_is_proved_again_once_it_is_edited() {
    let tiny = Tiny::built();
    tiny.build(&["--locked"]).succeeded();
    edit_alike(&tiny, "15.14-0", "15.15-0");
    let said = not_proved(&tiny);
    assert!(said.contains("no package `postgresql-15`"), "{said}");
}

#[test]
fn a_version_edited_alike_is_not_what_was_signed() {
    let tiny = Tiny::fetched();
    edit_alike(&tiny, "15.14-0", "15.15-0");
    insta::assert_snapshot!(not_proved(&tiny), @r#"
    error: the signed indexes have no package `postgresql-15` as the lock has it
       --> [ROOT]/demo.tiny-amd64.lock:202:8
        |
    202 | name = "postgresql-15"
        |        ^^^^^^^^^^^^^^^
    hint: it was edited by hand: `pgbundle lock` makes it again
    "#);
}

#[test]
fn a_list_of_packages_that_the_signed_index_does_not_name_is_refused() {
    let tiny = Tiny::fetched();
    let lock = fs::read_to_string(tiny.path(LOCK)).unwrap();
    let (_, list) = lock.split_once("Packages.xz\"\n").unwrap();
    let rows = list.split("\n[[").next().unwrap();
    let forged = tiny.put(b"Package: patroni\n");
    let other = format!("size = 17\nsha256 = \"{forged}\"\n");
    edit(&tiny, LOCK, rows, &other);
    insta::assert_snapshot!(not_proved(&tiny), @r#"
    error: `dists/one/main/binary-amd64/Packages.xz` is not the list that the signed index of source `tiny` names
      --> [ROOT]/demo.tiny-amd64.lock:30:8
       |
    30 | path = "dists/one/main/binary-amd64/Packages.xz"
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    hint: it was edited by hand: `pgbundle lock` makes it again
    "#);
}

#[test]
fn an_index_that_another_key_signed_is_refused_although_the_lock_names_it() {
    let (tiny, other) = (Tiny::fetched(), Tiny::fetched());
    // The other archive's lock, with our key's name in it everywhere.
    let lock = fs::read_to_string(other.path(LOCK)).unwrap();
    let lock = lock.replace(&other.archive.fingerprint(), &tiny.archive.fingerprint());
    let table: toml::Table = lock.parse().unwrap();
    let asked = table["asked"].as_array().unwrap().iter();
    let asked: Vec<_> = asked
        .map(|line| line.as_str().unwrap().to_owned())
        .collect();
    let request = request::digest(&asked).to_string();
    let lock = lock.replace(table["request"].as_str().unwrap(), &request);
    fs::write(tiny.path(LOCK), lock).unwrap();
    fs::remove_dir_all(tiny.path("store")).unwrap();
    crate::tiny::copy(&other.path("store"), &tiny.path("store"));
    insta::assert_snapshot!(not_proved(&tiny), @r#"
    error: dists/one/InRelease: no signature by a pinned key is good: it is signed by [ANOTHER KEY], which no pinned certificate at hand has: where the distribution has announced a new key, pin it in a profile of your own
      --> [ROOT]/demo.tiny-amd64.lock:23:8
       |
    23 | path = "dists/one/InRelease"
       |        ^^^^^^^^^^^^^^^^^^^^^
    hint: it was edited by hand: `pgbundle lock` makes it again
    "#);
}

#[test]
fn a_date_that_no_index_has_is_refused() {
    let tiny = Tiny::fetched();
    edit(&tiny, LOCK, "date = \"2026-01-05T", "date = \"2026-01-06T");
    insta::assert_snapshot!(not_proved(&tiny), @r#"
    error: the newest of the signed indexes is of 2026-01-05T02:11:10Z, the lock says 2026-01-06T02:11:10Z
     --> [ROOT]/demo.tiny-amd64.lock:6:8
      |
    6 | date = "2026-01-06T02:11:10Z"
      |        ^^^^^^^^^^^^^^^^^^^^^^
    hint: it was edited by hand: `pgbundle lock` makes it again
    "#);
}

#[test]
fn a_signature_that_nobody_can_check_is_told() {
    let tiny = Tiny::fetched();
    let said = tiny.build_alone(&["--offline", "--locked"]).succeeded();
    let warning = said.lines().find(|line| line.starts_with("warning: "));
    insta::assert_snapshot!(tiny.settled(warning.expect(&said)), @"warning: no certificate is at hand to check again who signed dists/one/InRelease of tiny; name a folder that has it: `--keys DIR`");
    let said = tiny.build(&["--offline", "--locked"]).succeeded();
    assert!(!said.contains("warning: "), "{said}");
}
