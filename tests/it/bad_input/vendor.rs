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
    insta::assert_snapshot!(build(&example("")), @r#"
    exit code 2
    error: no repository has the PostgreSQL 15 of `centos7-vmware`: you bring its RPM, and clusters/three-node.toml names no folder for it
             expected: vmware-postgres15-15.*.el7.x86_64.rpm with vmware-postgres15-pgbouncer-*.el7.x86_64.rpm
    hint: put it into clusters/vendor/ and write into clusters/three-node.toml:
    [[vendor]]
    path = "vendor/"
    "#);
    let sandbox = example("\n[[vendor]]\npath = \"../vendor\"\n");
    insta::assert_snapshot!(build(&sandbox), @"
    exit code 2
    error: no repository has the PostgreSQL 15 of `centos7-vmware`: you bring its RPM, and it is not in clusters/../vendor
             expected: vmware-postgres15-15.*.el7.x86_64.rpm with vmware-postgres15-pgbouncer-*.el7.x86_64.rpm
    hint: put it into clusters/../vendor, under the name that the vendor gave it
    ");
    sandbox.write("vendor/vmware-postgres15-15.1-1.el8.x86_64.rpm", "");
    sandbox.write("vendor/vmware-postgres15-clients-15.1-1.el7.x86_64.rpm", "");
    insta::assert_snapshot!(build(&sandbox), @"
    exit code 2
    error: no repository has the PostgreSQL 15 of `centos7-vmware`: you bring its RPM, and it is not in clusters/../vendor
             expected: vmware-postgres15-15.*.el7.x86_64.rpm with vmware-postgres15-pgbouncer-*.el7.x86_64.rpm
             there is: vmware-postgres15-15.1-1.el8.x86_64.rpm, which is made for EL 8
             there is: vmware-postgres15-clients-15.1-1.el7.x86_64.rpm
    hint: put it into clusters/../vendor, under the name that the vendor gave it
    ");
    sandbox.write("vendor/vmware-postgres15-15.1-1.el7.x86_64.rpm", "");
    insta::assert_snapshot!(build(&sandbox), @"
    exit code 2
    error: vmware-postgres15-15.1-1.el7.x86_64.rpm is there, and what belongs to it is not: expected vmware-postgres15-pgbouncer-*.el7.x86_64.rpm
    hint: put it into clusters/../vendor, under the name that the vendor gave it
    ");
    sandbox.write("vendor/vmware-postgres15-15.2-1.el7.x86_64.rpm", "");
    insta::assert_snapshot!(build(&sandbox), @"
    exit code 2
    error: in clusters/../vendor: vmware-postgres15-15.1-1.el7.x86_64.rpm and vmware-postgres15-15.2-1.el7.x86_64.rpm are both the server's RPM: leave one of them
    hint: a cluster has one server: take the other file out of the folder
    ");
    let spec = read_source("clusters/three-node.toml").replace("major = 15", "major = 13");
    sandbox.write("clusters/three-node.toml", &spec);
    insta::assert_snapshot!(build(&sandbox), @r#"
    exit code 2
    error: no repository has the PostgreSQL 13 of `centos7-vmware`: you bring its RPM, and clusters/three-node.toml names no folder for it
             expected: vmware-postgres13-13.*.el7.x86_64.rpm with vmware-postgres13-pgbouncer-*.el7.x86_64.rpm
                   or: vmware-postgres-13.*.el7.x86_64.rpm
    hint: put it into clusters/vendor/ and write into clusters/three-node.toml:
    [[vendor]]
    path = "vendor/"
    "#);
    sandbox.write(
        "clusters/three-node.toml",
        &format!("{spec}\n[[vendor]]\npath = \"three-node.toml\"\n"),
    );
    insta::assert_snapshot!(build(&sandbox), @"
    exit code 2
    error: cannot read the folder of the vendor's RPMs clusters/three-node.toml: a part of its path is no folder
    hint: `[[vendor]]` in the spec names it: give it the path of a folder
    ");
}

#[test]
fn rpms_are_nothing_to_debian() {
    let sandbox = example("\n[[vendor]]\npath = \"vendor\"\n");
    let cluster = ["--cluster", "clusters/three-node.toml"];
    let ran = sandbox.run(&[&["plan"][..], &cluster].concat());
    insta::assert_snapshot!(format!("exit code {}\n{}", ran.code, ran.stderr), @r#"
    exit code 2
    error: profile `debian12` installs no RPMs, and `[[vendor]]` brings some
      --> clusters/three-node.toml:42:8
       |
    42 | path = "vendor"
       |        ^^^^^^^^
    hint: leave `[[vendor]]` out, or name a profile whose hosts have rpm: see `pgbundle profiles`
    "#);
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
    insta::assert_snapshot!(lock(&tiny), @"
    exit code 2
    lock     reading the signed indexes of Tiny EL
    error: vendor/acme-postgres15-pgbouncer-1.16.1-1.el7.x86_64.rpm: the package in it is acme-postgres15-pgbouncer-1.16.1-1.el8.x86_64
    hint: give the file the name of its package, with `.rpm` behind it
    ");
    put(&tiny, &pgbouncer().file_name(), &pgbouncer().unsigned());
    let companion = |release, architecture| Package {
        name: "acme-tools",
        ..other(release, architecture)
    };
    let el8 = companion("1.el8", "x86_64");
    put(&tiny, &el8.file_name(), &el8.unsigned());
    insta::assert_snapshot!(lock(&tiny), @"
    exit code 2
    lock     reading the signed indexes of Tiny EL
    error: vendor/acme-tools-1.16.1-1.el8.x86_64.rpm: it is made for EL 8, the hosts run EL 7
    hint: ask the vendor for the file that is made for these hosts
    ");
    fs::remove_file(tiny.path("vendor").join(el8.file_name())).unwrap();
    let arm = companion("1.el7", "aarch64");
    put(&tiny, &arm.file_name(), &arm.unsigned());
    insta::assert_snapshot!(lock(&tiny), @"
    exit code 2
    lock     reading the signed indexes of Tiny EL
    error: vendor/acme-tools-1.16.1-1.el7.aarch64.rpm: it is made for aarch64, the hosts are x86_64
    hint: ask the vendor for the file that is made for these hosts
    ");
}

#[test]
fn two_packages_of_one_name_are_one_too_many() {
    let tiny = given(&[server(), pgbouncer()]);
    let newer = Package {
        version: "1.17.0",
        ..pgbouncer()
    };
    put(&tiny, &newer.file_name(), &newer.unsigned());
    insta::assert_snapshot!(lock(&tiny), @"
    exit code 2
    lock     reading the signed indexes of Tiny EL
    error: acme-postgres15-pgbouncer-1.16.1-1.el7.x86_64.rpm and acme-postgres15-pgbouncer-1.17.0-1.el7.x86_64.rpm are both the package acme-postgres15-pgbouncer
    hint: a cluster has one of them: take the other file out of its folder
    ");
}

#[test]
fn a_file_that_is_no_package_or_half_of_one_is_refused() {
    let tiny = given(&[server()]);
    put(
        &tiny,
        &pgbouncer().file_name(),
        b"<html>please log in</html>",
    );
    insta::assert_snapshot!(lock(&tiny), @"
    exit code 2
    lock     reading the signed indexes of Tiny EL
    error: vendor/acme-postgres15-pgbouncer-1.16.1-1.el7.x86_64.rpm: the file cannot be read: failed to fill whole buffer
    hint: copy it again from where you were given it
    ");
    let whole = pgbouncer().unsigned();
    put(&tiny, &pgbouncer().file_name(), &whole[..whole.len() / 2]);
    insta::assert_snapshot!(lock(&tiny), @"
    exit code 2
    lock     reading the signed indexes of Tiny EL
    error: vendor/acme-postgres15-pgbouncer-1.16.1-1.el7.x86_64.rpm: the package's header: it cannot be read: unexpected end of file
    hint: copy it again from where you were given it
    ");
    put(&tiny, &pgbouncer().file_name(), &whole[..whole.len() - 1]);
    insta::assert_snapshot!(lock(&tiny), @"
    exit code 2
    lock     reading the signed indexes of Tiny EL
    error: vendor/acme-postgres15-pgbouncer-1.16.1-1.el7.x86_64.rpm: its own digests are of another payload: it is damaged
    hint: copy it again from where you were given it
    ");
}

#[test]
fn a_package_that_was_altered_after_a_known_key_signed_it_is_refused() {
    let tiny = given(&[pgbouncer()]);
    let mut signed = server().signed(&NEW, moment_signed(), Signing::NOW);
    *signed.last_mut().unwrap() ^= 1;
    put(&tiny, &server().file_name(), &signed);
    insta::assert_snapshot!(lock(&tiny), @"
    exit code 2
    lock     reading the signed indexes of Tiny EL
    error: vendor/acme-postgres15-15.2-1.el7.x86_64.rpm: its payload is not the one whose digest its signed header has
    hint: it is not as its packager signed it: copy it again from where you were given it
    ");
}

#[test]
fn what_a_given_package_needs_and_nobody_has_is_named() {
    let tiny = given(&[pgbouncer()]);
    let needing = Package {
        requires: vec![("libssl.so.10()(64bit)", 0, "")],
        ..server()
    };
    put(&tiny, &needing.file_name(), &needing.unsigned());
    insta::assert_snapshot!(lock(&tiny), @"
    exit code 1
    lock     reading the signed indexes of Tiny EL
    error: on the base `tiny-el`: `acme-postgres15` is asked for
             acme-postgres15 15.2-1.el7.x86_64 needs `libssl.so.10()(64bit)`: nothing provides libssl.so.10()(64bit)
    hint: the spec, the profile and the base image do not fit together as the archive stands now: see to the packages that the profile asks for, or name a mirror that has them
    ");
}

#[test]
fn a_file_that_two_packages_of_one_host_bring_is_found_before_a_host_does() {
    let server = Package {
        files: vec![("/usr/lib64/libtiny.so.1", "a library of the vendor's")],
        ..server()
    };
    let tiny = given(&[server, pgbouncer()]);
    tiny.lock().succeeded();
    let left = ["profiles"];
    let fetch = || tiny.ask(&["fetch"]).0;
    let said = refused_by(&tiny.path(""), &left, fetch, |text| tiny.settled(text));
    insta::assert_snapshot!(said, @"
    exit code 1
    lock     demo.tiny-el-x86_64.lock: 8 packages, [N] KiB, as of 2026-01-05T02:11:10Z
    fetch    13 files, [N] KiB, of which [N] KiB are not in the store yet
    error: acme-postgres15 of source `vendor` and libtiny of source `base` both bring /usr/lib64/libtiny.so.1, and not the same: rpm would not install them on db-1
    hint: their packagers did not mean them for one host: take one of them from another source, or leave out what needs it
    ");
}
