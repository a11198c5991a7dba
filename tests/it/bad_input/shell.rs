//! What a new user types: files that are not there, folders in place of files,
//! files of another kind, flags that mean nothing.

use std::fs;
use std::os::unix::fs::symlink;

use super::refused;
use crate::support::read_source;
use crate::tiny::Tiny;

/// What is said to these words.
fn said_to(tiny: &Tiny, words: &[&str]) -> String {
    refused(tiny, |tiny| tiny.sandbox.run(words))
}

/// A spec of the built-in profile, for what is wrong before a store is opened.
fn sandbox() -> Tiny {
    let tiny = Tiny::new();
    tiny.sandbox
        .write("cluster.toml", &read_source("clusters/three-node.toml"));
    tiny
}

/// `plan` of a spec of these bytes.
fn spec_of(bytes: &[u8]) -> String {
    let tiny = Tiny::new();
    fs::write(tiny.path("cluster.toml"), bytes).unwrap();
    said_to(&tiny, &["plan"])
}

#[test]
fn a_verb_or_flag_that_is_none_is_told_with_the_nearest() {
    let tiny = sandbox();
    insta::assert_snapshot!(said_to(&tiny, &["biuld"]), @"
    exit code 2
    error: unrecognized subcommand 'biuld'

      tip: a similar subcommand exists: 'build'

    Usage: pgbundle [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(said_to(&tiny, &["plan", "--clusters", "x"]), @"
    exit code 2
    error: unexpected argument '--clusters' found

      tip: a similar argument exists: '--cluster'

    Usage: pgbundle plan --cluster <FILE>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(said_to(&tiny, &["lock", "--mirror", "debian"]), @"
    exit code 2
    error: invalid value 'debian' for '--mirror <SOURCE=URL>': write SOURCE=URL, for example debian=https://mirror.example/debian

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(said_to(&tiny, &["lock", "--stall", "0"]), @"
    exit code 2
    error: invalid value '0' for '--stall <SECONDS>': 0 is not in 1..=65535

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(said_to(&tiny, &["plan", "--architecture", "A B"]), @"
    exit code 2
    error: invalid value 'A B' for '--architecture <NAME>': `A B` is not the name of an architecture (letters, digits, `_`)

    For more information, try '--help'.
    ");
}

#[test]
fn a_spec_that_is_not_there_or_no_file_is_named() {
    let tiny = Tiny::new();
    insta::assert_snapshot!(said_to(&tiny, &["plan"]), @"
    exit code 2
    error: cannot read the spec cluster.toml: there is no such file
    hint: `pgbundle init` writes one; `--cluster FILE` names another
    ");
    insta::assert_snapshot!(said_to(&tiny, &["plan", "-c", "profiles"]), @"
    exit code 2
    error: cannot read the spec profiles: it is a folder
    hint: `pgbundle init` writes one; `--cluster FILE` names another
    ");
    insta::assert_snapshot!(said_to(&tiny, &["plan", "-c", "demo.toml/x"]), @"
    exit code 2
    error: cannot read the spec demo.toml/x: a part of its path is no folder
    hint: `pgbundle init` writes one; `--cluster FILE` names another
    ");
}

#[test]
fn a_spec_that_leads_to_itself_is_named() {
    let tiny = Tiny::new();
    let link = tiny.path("cluster.toml");
    symlink("cluster.toml", &link).unwrap();
    let ran = tiny.sandbox.run(&["plan"]);
    insta::assert_snapshot!(super::told(&tiny, &ran), @"
    exit code 2
    error: cannot read the spec cluster.toml: Too many levels of symbolic links (os error 40)
    hint: `pgbundle init` writes one; `--cluster FILE` names another
    ");
}

#[test]
fn a_spec_without_a_word_is_empty() {
    insta::assert_snapshot!(spec_of(b""), @"
    exit code 2
    error: the spec cluster.toml is empty
    hint: `pgbundle init` writes one; `--cluster FILE` names another
    ");
    let tiny = Tiny::new();
    insta::assert_snapshot!(said_to(&tiny, &["plan", "-c", "/dev/null"]), @"
    exit code 2
    error: the spec /dev/null is empty
    hint: `pgbundle init` writes one; `--cluster FILE` names another
    ");
}

#[test]
fn a_spec_in_another_encoding_is_no_text() {
    let text = read_source("clusters/three-node.toml");
    let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes);
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf16).collect();
    insta::assert_snapshot!(spec_of(&utf16), @"
    exit code 2
    error: cannot read the spec cluster.toml: it is no text in UTF-8
    hint: save it as UTF-8
    ");
}

#[test]
fn a_spec_from_another_system_is_read_as_it_is_meant() {
    let tiny = sandbox();
    let text = read_source("clusters/three-node.toml");
    for text in [text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
        fs::write(tiny.path("cluster.toml"), text).unwrap();
        assert_eq!(tiny.sandbox.run(&["plan"]).code, 0);
    }
    let text = text
        .replace("major = 15", "major = 99")
        .replace('\n', "\r\n");
    insta::assert_snapshot!(spec_of(text.as_bytes()), @"
    exit code 2
    error: profile `debian12` has no PostgreSQL 99; it has 15
      --> cluster.toml:10:9
       |
    10 | major = 99
       |         ^^
    hint: choose one that it has, or a profile that has this one: see `pgbundle profiles`
    ");
}

#[test]
fn a_spec_without_end_is_not_read_to_its_end() {
    let tiny = Tiny::new();
    insta::assert_snapshot!(said_to(&tiny, &["plan", "-c", "/dev/zero"]), @"
    exit code 2
    error: cannot read the spec /dev/zero: it is far too large to be one
    hint: `pgbundle init` writes one; `--cluster FILE` names another
    ");
}

#[test]
fn faults_without_end_are_counted() {
    let many = "x = 1\n".repeat(100_000);
    let said = spec_of(many.as_bytes());
    assert_eq!(said.matches("error: ").count(), 21, "{said}");
    insta::assert_snapshot!(said.lines().last().unwrap(), @"error: cluster.toml has [N] more faults");
}

#[test]
fn a_store_that_nobody_named_is_asked_for() {
    let tiny = sandbox();
    let said = refused(&tiny, |tiny| {
        let mut command = tiny.sandbox.command();
        crate::support::ended(command.env_remove("HOME").arg("lock"))
    });
    insta::assert_snapshot!(said, @"
    exit code 2
    error: neither XDG_CACHE_HOME nor HOME says where the store is
    hint: name it: `--store DIR`
    ");
}

#[test]
fn a_store_that_is_a_file_is_named() {
    let tiny = sandbox();
    insta::assert_snapshot!(said_to(&tiny, &["lock", "--store", "demo.toml"]), @"
    exit code 2
    error: cannot create the folder demo.toml/sha256: Not a directory (os error 20)
    hint: name a folder: `--store DIR`
    ");
}

#[test]
fn a_mirror_of_a_source_that_there_is_not_is_named() {
    let tiny = Tiny::new();
    let said = refused(&tiny, |tiny| {
        tiny.ask("lock", &["--mirror", "tyni=https://mirror.example.org"])
    });
    insta::assert_snapshot!(said, @"
    exit code 2
    error: `--mirror tyni=…`: profile `tiny` has no source `tyni`; it has `tiny`
    hint: write the name of a source before the address
    ");
}

#[test]
fn a_list_of_mirrors_that_is_none_is_named() {
    let tiny = Tiny::new();
    let lock = |file: &str| refused(&tiny, |tiny| tiny.ask("lock", &["--mirrors", file]));
    insta::assert_snapshot!(lock("nowhere.toml"), @"
    exit code 2
    lock     reading the signed indexes of Tiny
    error: cannot read the mirrors in nowhere.toml: there is no such file
    hint: name a TOML file with a list of addresses a source: `--mirrors FILE`
    ");
    tiny.sandbox.write("mirrors.toml", "tiny = 1\n");
    insta::assert_snapshot!(lock("mirrors.toml"), @"
    exit code 2
    lock     reading the signed indexes of Tiny
    error: `tiny`: expected a list, found a whole number
     --> mirrors.toml:1:8
      |
    1 | tiny = 1
      |        ^
    ");
}

#[test]
fn authorities_that_are_none_are_named() {
    let tiny = Tiny::new();
    let lock = |file: &str| refused(&tiny, |tiny| tiny.ask("lock", &["--ca-file", file]));
    insta::assert_snapshot!(lock("nowhere.pem"), @"
    exit code 2
    lock     reading the signed indexes of Tiny
    error: cannot read nowhere.pem: No such file or directory (os error 2)
    hint: name a file of CA certificates in PEM: `--ca-file FILE`
    ");
    insta::assert_snapshot!(lock("demo.toml"), @"
    exit code 2
    lock     reading the signed indexes of Tiny
    error: demo.toml holds no certificate in PEM: no CERTIFICATE block
    hint: name a file of CA certificates in PEM: `--ca-file FILE`
    ");
}

#[test]
fn a_program_for_the_hosts_that_is_none_is_named() {
    let tiny = Tiny::new();
    let build = |file: &str| {
        let verb = vec!["build".to_owned()];
        let words = [verb, tiny.cluster(), tiny.mirrors()].concat();
        refused(&tiny, |tiny| tiny.run(&words, &["--node-program", file]))
    };
    insta::assert_snapshot!(build("nowhere"), @"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: cannot read the hosts' program nowhere: there is no such file
    hint: `make node` builds it; `--node-program FILE` names it
    ");
    insta::assert_snapshot!(build("demo.toml"), @"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: demo.toml is not a program (no ELF file)
    hint: name the static `pgbundle-node` that `make node` builds: `--node-program FILE`
    ");
    insta::assert_snapshot!(build("profiles"), @"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: cannot read the hosts' program profiles: it is a folder
    hint: `make node` builds it; `--node-program FILE` names it
    ");
}

#[test]
fn a_date_that_is_none_is_told_before_anything_is_fetched() {
    let tiny = Tiny::new();
    let said = refused(&tiny, |tiny| {
        let verb = vec!["build".to_owned()];
        let words = [verb, tiny.cluster(), tiny.mirrors(), tiny.making()].concat();
        let mut command = tiny.sandbox.command();
        command.env("SOURCE_DATE_EPOCH", "yesterday").args(words);
        crate::support::ended(&mut command)
    });
    insta::assert_snapshot!(said, @"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: SOURCE_DATE_EPOCH is not a number of seconds since 1970
    hint: unset it, or set it to such a number: `date +%s` prints one
    ");
}

#[test]
fn a_library_that_is_none_is_named() {
    let tiny = sandbox();
    insta::assert_snapshot!(said_to(&tiny, &["plan", "--library", "nowhere"]), @"
    exit code 2
    error: the library nowhere is no folder
    hint: name one that is: `--library DIR`
    ");
    insta::assert_snapshot!(said_to(&tiny, &["profiles", "--library", "demo.toml"]), @"
    exit code 2
    error: the library demo.toml is no folder
    hint: name one that is: `--library DIR`
    ");
}

#[test]
fn a_profile_that_is_wrong_is_shown_where_it_is_wrong() {
    let tiny = sandbox();
    tiny.sandbox.write("profiles/debian12.toml", "garbage\n");
    insta::assert_snapshot!(said_to(&tiny, &["plan"]), @"
    exit code 2
    error: this is not TOML: key with no value, expected `=`
     --> ./profiles/debian12.toml:1:7
      |
    1 | garbage
      |       ^
    hint: see https://toml.io for the syntax
    ");
    insta::assert_snapshot!(said_to(&tiny, &["plan", "--architecture", "sparc", "--profile", "tiny"]), @"
    exit code 2
    error: this is not TOML: key with no value, expected `=`
     --> ./profiles/debian12.toml:1:7
      |
    1 | garbage
      |       ^
    hint: see https://toml.io for the syntax
    ");
}

#[test]
fn a_list_of_packages_that_is_none_is_named() {
    let tiny = Tiny::new();
    let capture = |flag: &str, path: &str| said_to(&tiny, &["base", "capture", flag, path]);
    insta::assert_snapshot!(capture("--status", "demo.toml"), @"
    exit code 2
    error: demo.toml lists no installed package
    hint: it should be the status file of dpkg
    ");
    insta::assert_snapshot!(capture("--status", "profiles"), @"
    exit code 2
    error: cannot read the package list profiles: it is a folder
    hint: name the root folder of a Debian-like system with `--root`, or a copy of its /var/lib/dpkg/status with `--status`; an EL system is listed by its own rpm: see `pgbundle base query`
    ");
    insta::assert_snapshot!(capture("--root", "nowhere"), @"
    exit code 2
    error: cannot read the package list nowhere/var/lib/dpkg/status: there is no such file
    hint: name the root folder of a Debian-like system with `--root`, or a copy of its /var/lib/dpkg/status with `--status`; an EL system is listed by its own rpm: see `pgbundle base query`
    ");
    insta::assert_snapshot!(capture("--rpm", "demo.toml"), @"
    exit code 2
    error: demo.toml lists no installed package
    hint: run on the host what `pgbundle base query` prints, with its output into a file, and name that
    ");
    tiny.sandbox
        .write("answer", "Package: bash\nArchitecture: x86_64\n");
    insta::assert_snapshot!(capture("--rpm", "answer"), @"
    exit code 2
    error: answer: a package (`bash`) has no field `Version`
    hint: run on the host what `pgbundle base query` prints, with its output into a file, and name that
    ");
    insta::assert_snapshot!(capture("--rpm", "nowhere"), @"
    exit code 2
    error: cannot read rpm's answer nowhere: there is no such file
    hint: run on the host what `pgbundle base query` prints, with its output into a file, and name that
    ");
}

#[test]
fn a_spec_is_written_over_nothing_and_nowhere_else() {
    let tiny = Tiny::new();
    insta::assert_snapshot!(said_to(&tiny, &["init", "demo.toml"]), @"
    exit code 2
    error: demo.toml exists already and is left as it is
    hint: name another file: `pgbundle init other.toml`
    ");
    insta::assert_snapshot!(said_to(&tiny, &["init", "nowhere/cluster.toml"]), @"
    exit code 2
    error: cannot write nowhere/cluster.toml: its folder is not there
    hint: make the folder first, or name another file
    ");
    insta::assert_snapshot!(said_to(&tiny, &["init", "demo.toml/cluster.toml"]), @"
    exit code 2
    error: cannot write demo.toml/cluster.toml: its folder is not there
    hint: make the folder first, or name another file
    ");
}
