//! Locks that are not there, stale, of someone else, or edited by hand.

use std::fs;

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
    error: this is no lock: unknown field `installed`, expected one of `family`, `name`, `version`, `architecture`, `source`, `path`, `size`, `sha256`, `installed_size`, `roles`, `stanza`
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
