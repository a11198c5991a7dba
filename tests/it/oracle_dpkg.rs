//! dpkg's own code as the oracle for the order of versions: pairs from the
//! real index, what comes of altering them, and pairs from chance alone.
//!
//! `PGBUNDLE_VERSION_PAIRS` is their number, `PGBUNDLE_SEED` what they follow from.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pgbundle::repo::deb::deb822::stanzas;
use pgbundle::repo::deb::version::DebVersion;

use crate::chance::{self, Chance};
use crate::lock::{MachineMirror, profile, say, texts};
use crate::support::source;

/// What is hard in a version: its characters (deb-version(7)), some more often,
/// a few that no version may have, and whole pieces of common ones.
const PIECES: [&str; 44] = [
    "0",
    "1",
    "2",
    "9",
    "00",
    "01",
    "10",
    "11",
    "99",
    "007",
    "4294967296",
    "18446744073709551616",
    "2147483647",
    "2147483648",
    ".",
    ".",
    "~",
    "~",
    "~~",
    "+",
    "+",
    "-",
    "-",
    ":",
    "0:",
    "1:",
    "a",
    "b",
    "z",
    "A",
    "Z",
    "rc",
    "+b1",
    "~rc1",
    "+deb12u1",
    "~deb12u2",
    "-0",
    "-1",
    "-1.1",
    "+dfsg",
    "git",
    "_",
    "/",
    "é",
];

fn from_chance(chance: &mut Chance) -> String {
    let digit = ["", "0", "1", "1", "2", "1:1", "0:1"];
    let mut version = (*chance.one_of(&digit)).to_owned();
    for _ in 0..chance.below(7) {
        version += chance.one_of::<&str>(&PIECES);
    }
    version
}

/// One place altered: a piece put in, or a character taken out.
fn altered(version: &str, chance: &mut Chance) -> String {
    let characters: Vec<char> = version.chars().collect();
    let place = chance.below(characters.len() + 1);
    let (head, tail) = characters.split_at(place);
    let (head, tail): (String, String) = (head.iter().collect(), tail.iter().collect());
    match chance.below(3) {
        0 => format!("{head}{}", tail.chars().skip(1).collect::<String>()),
        _ => format!("{head}{}{tail}", chance.one_of::<&str>(&PIECES)),
    }
}

fn pair(real: &[String], chance: &mut Chance) -> (String, String) {
    if real.is_empty() || chance.below(4) == 0 {
        let one = from_chance(chance);
        let other = match chance.below(3) {
            0 => from_chance(chance),
            _ => altered(&one, chance),
        };
        return (one, other);
    }
    let one = chance.one_of(real).clone();
    let mut other = match chance.below(3) {
        0 => chance.one_of(real).clone(),
        _ => altered(&one, chance),
    };
    while chance.below(2) == 0 {
        other = altered(&other, chance);
    }
    (one, other)
}

/// Every version that the machine's indexes name, those in relations too.
fn real_versions() -> Result<Vec<String>, String> {
    let profile = profile();
    let indexes = MachineMirror::new(&profile)?.read(&profile);
    let mut versions = Vec::new();
    for text in texts(&indexes) {
        for stanza in stanzas(text) {
            versions.extend(stanza.field("Version").map(str::to_owned));
            let needs = stanza.field("Depends").unwrap_or_default();
            let bounds = needs
                .split("= ")
                .skip(1)
                .filter_map(|rest| rest.split(')').next());
            versions.extend(bounds.map(str::to_owned));
        }
    }
    versions.sort();
    versions.dedup();
    Ok(versions)
}

/// The program that answers as dpkg does; the reason where it cannot be made.
fn compiled(folder: &Path) -> Result<Command, String> {
    let program = folder.join("order");
    let output = Command::new("cc")
        .arg(source("tests/it/oracle_dpkg/order.c"))
        .arg("-o")
        .arg(&program)
        .args(["-ldpkg", "-lmd"])
        .output()
        .map_err(|error| format!("cc: {error}"))?;
    match output.status.success() {
        true => Ok(Command::new(program)),
        false => Err(format!(
            "{}(install gcc, libdpkg-dev and libmd-dev)",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn answers(mut oracle: Command, pairs: &[(String, String)]) -> Vec<String> {
    let mut child = oracle
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = String::new();
    for (one, other) in pairs {
        writeln!(input, "{one}\t{other}").unwrap();
    }
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn ours(one: &str, other: &str) -> &'static str {
    match (DebVersion::parse(one), DebVersion::parse(other)) {
        (Ok(one), Ok(other)) => match one.cmp(&other) {
            Ordering::Less => "<",
            Ordering::Equal => "=",
            Ordering::Greater => ">",
        },
        _ => "!",
    }
}

/// dpkg reads the epoch with strtol(3), which takes a sign; an epoch has none
/// (Debian policy 5.6.12), and we refuse it.
fn has_signed_epoch(version: &str) -> bool {
    version.starts_with(['+', '-']) && version.contains(':')
}

#[test]
fn orders_and_refuses_versions_as_dpkg_does() {
    let (seed, count) = (
        chance::seed(),
        chance::count("PGBUNDLE_VERSION_PAIRS", 100_000),
    );
    let again = format!("PGBUNDLE_SEED={seed} PGBUNDLE_VERSION_PAIRS={count}");
    let folder = tempfile::tempdir().unwrap();
    let found = compiled(folder.path()).and_then(|oracle| Ok((oracle, real_versions()?)));
    let (oracle, real) = match found {
        Ok(found) => found,
        Err(reason) if std::env::var_os("CI").is_none() => {
            return say(&format!("NOT COMPARED with dpkg: {reason}"));
        }
        Err(reason) => panic!("nothing to compare with dpkg: {reason}"),
    };
    let mut chance = Chance::new(seed);
    let pairs: Vec<_> = (0..count).map(|_| pair(&real, &mut chance)).collect();
    let answers = answers(oracle, &pairs);
    assert_eq!(answers.len(), pairs.len());
    let asked = pairs.iter().zip(&answers);
    let wrong = asked.filter(|((one, other), answer)| {
        let wanted = match has_signed_epoch(one) || has_signed_epoch(other) {
            true => "!",
            false => answer.as_str(),
        };
        ours(one, other) != wanted
    });
    let wrong: Vec<_> = wrong.take(20).collect();
    let refused = answers.iter().filter(|answer| *answer == "!").count();
    say(&format!(
        "{count} pairs of versions of {again}: {refused} with one that dpkg refuses, {} real versions",
        real.len()
    ));
    assert!(
        wrong.is_empty(),
        "dpkg says otherwise; again with {again}: {wrong:#?}"
    );
}
