//! A vendor's RPM that is not there, is not for these hosts, or is there twice.

use std::fs;

use crate::rpm_tiny::{NEW, TinyEl, moment_signed};
use crate::rpm_writing::{Package, Signing};
use crate::support::{Sandbox, read_source};
use crate::vendor::{given, pgbouncer, put, server};

use super::refused_by;

/// What is said of a lock that cannot be made, by a run that leaves nothing behind.
fn lock(tiny: &TinyEl) -> String {
    refused_by(
        &tiny.path(""),
        // The profile names the mirror, which is another one each time.
        &["profiles"],
        || tiny.lock(),
        |text| tiny.settled(text),
    )
}

/// The example that the program is made with, on the profile of VMware's PostgreSQL.
fn example(more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let spec = read_source("clusters/three-node.toml");
    sandbox.write("clusters/three-node.toml", &format!("{spec}{more}"));
    sandbox
}

fn build(sandbox: &Sandbox) -> String {
    let cluster = ["--cluster", "clusters/three-node.toml"];
    let profile = ["--profile", "centos7-vmware"];
    let build = [&["build"][..], &cluster, &profile].concat();
    let ran = sandbox.run(&build);
    assert!(!sandbox.path("dist").exists());
    format!("exit code {}\n{}", ran.code, ran.stderr)
}

#[test]
fn which_file_is_missing_and_where_it_belongs() {
    insta::assert_snapshot!(build(&example("")), @"");
    let sandbox = example("\n[[vendor]]\npath = \"../vendor\"\n");
    insta::assert_snapshot!(build(&sandbox), @"");
    sandbox.write("vendor/vmware-postgres15-15.1-1.el8.x86_64.rpm", "");
    sandbox.write("vendor/vmware-postgres15-clients-15.1-1.el7.x86_64.rpm", "");
    insta::assert_snapshot!(build(&sandbox), @"");
    sandbox.write("vendor/vmware-postgres15-15.1-1.el7.x86_64.rpm", "");
    insta::assert_snapshot!(build(&sandbox), @"");
    sandbox.write("vendor/vmware-postgres15-15.2-1.el7.x86_64.rpm", "");
    insta::assert_snapshot!(build(&sandbox), @"");
    let spec = read_source("clusters/three-node.toml").replace("major = 15", "major = 13");
    sandbox.write("clusters/three-node.toml", &spec);
    insta::assert_snapshot!(build(&sandbox), @"");
    sandbox.write("clusters/three-node.toml", &format!("{spec}\n[[vendor]]\npath = \"three-node.toml\"\n"));
    insta::assert_snapshot!(build(&sandbox), @"");
}

#[test]
fn rpms_are_nothing_to_debian() {
    let sandbox = example("\n[[vendor]]\npath = \"vendor\"\n");
    let cluster = ["--cluster", "clusters/three-node.toml"];
    let ran = sandbox.run(&[&["plan"][..], &cluster].concat());
    insta::assert_snapshot!(format!("exit code {}\n{}", ran.code, ran.stderr), @"");
}

#[test]
fn a_package_for_other_hosts_is_refused() {
    let tiny = given(&[server()]);
    let other = |release, architecture| Package {
        release,
        architecture,
        ..pgbouncer()
    };
    // Its name says otherwise.
    let el8 = other("1.el8", "x86_64");
    put(&tiny, &pgbouncer().file_name(), &el8.unsigned());
    insta::assert_snapshot!(lock(&tiny), @"");
    put(&tiny, &pgbouncer().file_name(), &pgbouncer().unsigned());
    let companion = |release, architecture| Package {
        name: "acme-tools",
        ..other(release, architecture)
    };
    let el8 = companion("1.el8", "x86_64");
    put(&tiny, &el8.file_name(), &el8.unsigned());
    insta::assert_snapshot!(lock(&tiny), @"");
    fs::remove_file(tiny.path("vendor").join(el8.file_name())).unwrap();
    let arm = companion("1.el7", "aarch64");
    put(&tiny, &arm.file_name(), &arm.unsigned());
    insta::assert_snapshot!(lock(&tiny), @"");
}

#[test]
fn two_packages_of_one_name_are_one_too_many() {
    let tiny = given(&[server(), pgbouncer()]);
    let newer = Package {
        version: "1.17.0",
        ..pgbouncer()
    };
    put(&tiny, &newer.file_name(), &newer.unsigned());
    insta::assert_snapshot!(lock(&tiny), @"");
}

#[test]
fn a_file_that_is_no_package_or_half_of_one_is_refused() {
    let tiny = given(&[server()]);
    put(&tiny, &pgbouncer().file_name(), b"<html>please log in</html>");
    insta::assert_snapshot!(lock(&tiny), @"");
    let whole = pgbouncer().unsigned();
    put(&tiny, &pgbouncer().file_name(), &whole[..whole.len() / 2]);
    insta::assert_snapshot!(lock(&tiny), @"");
}

#[test]
fn a_package_that_was_altered_after_a_known_key_signed_it_is_refused() {
    let tiny = given(&[pgbouncer()]);
    let mut signed = server().signed(&NEW, moment_signed(), Signing::NOW);
    *signed.last_mut().unwrap() ^= 1;
    put(&tiny, &server().file_name(), &signed);
    insta::assert_snapshot!(lock(&tiny), @"");
}

#[test]
fn what_a_given_package_needs_and_nobody_has_is_named() {
    let tiny = given(&[pgbouncer()]);
    let needing = Package {
        requires: vec![("libssl.so.10()(64bit)", 0, "")],
        ..server()
    };
    put(&tiny, &needing.file_name(), &needing.unsigned());
    insta::assert_snapshot!(lock(&tiny), @"");
}
