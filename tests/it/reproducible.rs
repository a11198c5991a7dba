//! The same spec, lock, program and secrets give the same bytes, whoever
//! builds them, where, when and with which settings.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::plain_files;
use crate::sample::{accepts, run};
use crate::tiny::{self, RELEASE, Tiny};

/// A builder's surroundings: its umask and what its environment says.
struct Builder {
    name: &'static str,
    umask: &'static str,
    environment: &'static [(&'static str, &'static str)],
}

const BUILDERS: [Builder; 2] = [
    Builder {
        name: "open",
        umask: "022",
        environment: &[
            ("TZ", "Pacific/Kiritimati"),
            ("LC_ALL", "C"),
            ("USER", "ann"),
        ],
    },
    Builder {
        name: "closed",
        umask: "077",
        environment: &[
            ("TZ", "America/Anchorage"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("LANG", "de_DE.UTF-8"),
            ("USER", "bob"),
            ("LOGNAME", "bob"),
            ("NO_COLOR", "1"),
            ("TMPDIR", "/var/tmp"),
        ],
    },
];

/// Builds with copied secrets, from a folder of the builder's own.
fn release_by(tiny: &Tiny, builder: &Builder) -> PathBuf {
    let home = tiny.path(&format!("home of {}", builder.name));
    fs::create_dir(&home).unwrap();
    tiny::copy(&tiny.path("secrets"), &home.join("keys"));
    let arguments = [tiny.cluster(), tiny.node_program()].concat();
    let script = format!("umask {}; exec \"$@\"", builder.umask);
    accepts(
        Command::new("sh")
            .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_pgbundle"), "build"])
            .args(arguments)
            .args(["--offline", "--secrets", "keys", "--out", "made here/dist"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &home)
            .envs(builder.environment.iter().copied())
            .current_dir(&home),
    );
    home.join("made here").join(RELEASE)
}

#[test]
fn who_builds_where_and_with_which_settings_is_not_in_the_bytes() {
    let tiny = plain_files::tiny();
    tiny.build(&[]).succeeded();
    for builder in BUILDERS {
        let made = release_by(&tiny, &builder);
        let difference = tiny::difference(&tiny.path(RELEASE), &made);
        assert_eq!(difference, "", "built by {}", builder.name);
    }
}

#[test]
fn bundles_on_the_media_are_the_same_each_time_too() {
    let tiny = Tiny::new();
    tiny.build(&["--media"]).succeeded();
    tiny.build_alone(&["--offline", "--media", "--out", "again/dist"])
        .succeeded();
    let again = tiny.path("again").join(RELEASE);
    assert_eq!(tiny::difference(&tiny.path(RELEASE), &again), "");
}

/// The program on another day.
fn on_day(tiny: &Tiny, day: &str, arguments: &[String]) -> String {
    let output = run(Command::new("faketime")
        .args(["-f", day, env!("CARGO_BIN_EXE_pgbundle")])
        .args(arguments)
        .current_dir(tiny.path("")));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_day_of_the_build_is_not_in_the_bytes() {
    let tiny = Tiny::built();
    let list = words(&[
        "certs",
        "list",
        "--json",
        "-c",
        "demo.toml",
        "--secrets",
        "secrets",
    ]);
    let days_left = |day| {
        let listed: Vec<Value> = serde_json::from_str(&on_day(&tiny, day, &list)).unwrap();
        listed[0]["days_left"].as_i64().unwrap()
    };
    assert_eq!(
        days_left("+0d") - days_left("+30d"),
        30,
        "the clock is another"
    );
    let build = [
        words(&["build", "--offline", "--out", "later/dist"]),
        tiny.cluster(),
        tiny.making(),
    ];
    on_day(&tiny, "+30d", &build.concat());
    let later = tiny.path("later").join(RELEASE);
    assert_eq!(tiny::difference(&tiny.path(RELEASE), &later), "");
}

#[test]
fn a_lock_is_made_the_same_by_everyone() {
    let tiny = plain_files::tiny();
    let lock = tiny.path("demo.tiny-amd64.lock");
    tiny.ask("lock", &[]).succeeded();
    let first = fs::read_to_string(&lock).unwrap();
    fs::remove_file(&lock).unwrap();
    fs::remove_dir_all(tiny.path("store")).unwrap();
    let arguments = [words(&["lock"]), tiny.cluster(), tiny.mirrors()].concat();
    on_day(&tiny, "+30d", &arguments);
    assert_eq!(fs::read_to_string(&lock).unwrap(), first);
    let root = tiny.path("").display().to_string();
    assert!(!first.contains(&root), "a lock names no place");
}
