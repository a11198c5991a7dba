//! Builds that are several at once, are told to end, or lose their reader.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::{refused, world::nothing_unfinished};
use crate::sample::accepts;
use crate::tiny::{self, PUBLIC, RELEASE, Tiny};

/// A build under way, started by another program where one is named.
fn begin(tiny: &Tiny, by: &[&str]) -> Child {
    let program = tiny.sandbox.command();
    let program = program.get_program().to_str().unwrap();
    let words = [by, &[program, "build"]].concat();
    let mut command = tiny.sandbox.clean(Command::new(words[0]));
    command.args(&words[1..]);
    command.args([tiny.cluster(), tiny.mirrors(), tiny.making()].concat());
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Nothing in any folder of the cluster is half-made.
fn nothing_half_made(tiny: &Tiny) {
    nothing_unfinished(&tiny.path(""));
}

#[test]
fn builds_at_once_make_one_release() {
    let tiny = Tiny::new();
    let builds: Vec<_> = (0..4).map(|_| begin(&tiny, &[])).collect();
    for build in builds {
        let output = build.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("generation 1"), "{said}");
    }
    tiny.verify(PUBLIC).succeeded();
    nothing_half_made(&tiny);
    // Whichever was last: it is what one build alone makes.
    let alone = tiny.path("alone").display().to_string();
    tiny.build(&["--out", &alone]).succeeded();
    let alone = tiny.path("alone").join(RELEASE.trim_start_matches("dist/"));
    assert_eq!(tiny::difference(&tiny.path(RELEASE), &alone), "");
}

#[test]
fn builds_at_once_replace_one_release() {
    let tiny = Tiny::built();
    tiny.spec("\n[postgres.parameters]\nmax_connections = 77\n");
    let builds: Vec<_> = (0..4).map(|_| begin(&tiny, &[])).collect();
    for build in builds {
        let output = build.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
    tiny.verify(PUBLIC).succeeded();
    nothing_half_made(&tiny);
}

/// Sends `signal` to a build once `dist` holds something; how it ended, and what was said.
fn signalled(tiny: &Tiny, mut build: Child, signal: &str) -> (ExitStatus, String) {
    let end = Instant::now() + Duration::from_secs(300);
    let is_begun = || {
        let names = fs::read_dir(tiny.path("dist")).ok()?;
        let mut names = names.filter_map(|name| name.ok()?.file_name().into_string().ok());
        names.find(|name| name.starts_with(".pgbundle-"))
    };
    while is_begun().is_none() {
        assert!(Instant::now() < end, "the build has written nothing");
        assert_eq!(build.try_wait().unwrap(), None, "the build was too quick");
    }
    accepts(Command::new("kill").args([signal, &build.id().to_string()]));
    let output = build.wait_with_output().unwrap();
    nothing_half_made(tiny);
    (output.status, String::from_utf8(output.stderr).unwrap())
}

/// What a build says at its end that `signal` ended.
fn ended_by(tiny: &Tiny, signal: &str, number: i32) -> String {
    let (status, said) = signalled(tiny, begin(tiny, &[]), signal);
    assert_eq!(status.signal(), Some(number), "{status}: {said}");
    said[said.find("error: ").expect(&said)..].to_owned()
}

#[test]
fn a_build_that_is_told_to_end_leaves_nothing() {
    let tiny = Tiny::with(&many_nodes());
    insta::assert_snapshot!(ended_by(&tiny, "-INT", 2), @"
    error: ended by SIGINT; nothing half-written is left
    hint: run the command again: it goes on where it stopped
    ");
    assert_eq!(tiny::tree(&tiny.path("dist")).len(), 1);
    insta::assert_snapshot!(ended_by(&tiny, "-TERM", 15), @"
    error: ended by SIGTERM; nothing half-written is left
    hint: run the command again: it goes on where it stopped
    ");
    tiny.build(&[]).succeeded();
}

#[test]
fn a_build_that_is_told_to_end_leaves_the_release_before_it() {
    let tiny = Tiny::with(&many_nodes());
    tiny.build(&[]).succeeded();
    tiny::copy(&tiny.path("dist"), &tiny.path("before"));
    // Where nothing changed, nothing would be written.
    tiny.spec(&(many_nodes() + "\n[postgres.parameters]\nmax_connections = 77\n"));
    ended_by(&tiny, "-HUP", 1);
    assert_eq!(
        tiny::difference(&tiny.path("before"), &tiny.path("dist")),
        ""
    );
}

#[test]
fn a_build_that_was_told_to_outlive_its_terminal_does() {
    let tiny = Tiny::with(&many_nodes());
    let (status, said) = signalled(&tiny, begin(&tiny, &["nohup"]), "-HUP");
    assert!(status.success(), "{status}: {said}");
    tiny.verify(PUBLIC).succeeded();
}

/// So many seeds that a build can be met in the middle.
fn many_nodes() -> String {
    let node = |n| {
        format!(
            "\n[[node]]\nname = \"db-{n}\"\naddress = \"10.0.0.{n}/24\"\nroles = [\"postgres\"]\n"
        )
    };
    (20..60).map(node).collect()
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let tiny = Tiny::new();
    for words in [
        &["plan", "--json", "--cluster", "demo.toml"][..],
        &["--help"],
    ] {
        let mut command = tiny.sandbox.command();
        command
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_told() {
    let tiny = Tiny::new();
    let said = refused(&tiny, |tiny| {
        let mut command = Command::new("sh");
        command.args(["-c", "\"$@\" >/dev/full", "sh"]);
        let words = ["plan", "--json", "--cluster", "demo.toml"].map(str::to_owned);
        tiny.sandbox.run_by(command, &words)
    });
    insta::assert_snapshot!(said, @"
    exit code 3
    error: cannot write to standard output: No space left on device (os error 28)
    hint: make room there, or name another place
    ");
}

#[test]
fn a_build_that_fails_leaves_the_release_before_it() {
    let tiny = Tiny::built();
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
    // The number that it would have had is used up.
    let left = ["secrets/cluster.json"];
    let said = super::refused_leaving(&tiny, &left, |tiny| tiny.build(&[]));
    insta::assert_snapshot!(said, @"
    exit code 2
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    lock     [ROOT]/demo.tiny-amd64.lock: 10 packages, [N] KiB, as of 2026-01-05T02:11:10Z
    secrets  [ROOT]/secrets
    error: the user-data of `db-1` has [N] bytes, [N] more than the 16384 that every platform takes: spread its roles over more nodes, or name fewer sources
    ");
}
