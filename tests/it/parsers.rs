//! Every reader of bytes from outside, with the seeds of the fuzz targets,
//! with what comes of altering them, and with noise: what must hold of each
//! stands in `fuzz/src`.
//!
//! `PGBUNDLE_PARSER_CASES` is the number of altered inputs a reader,
//! `PGBUNDLE_SEED` what they follow from.

use std::fs;
use std::panic::catch_unwind;

use crate::chance::{self, Chance};
use crate::lock::say;
use crate::support::source;

#[path = "../../fuzz/src/lib.rs"]
mod holds;

/// A reader, what must hold of it, and the folders with examples for it.
type Reader = (&'static str, fn(&[u8]) -> bool, &'static [&'static str]);

const READERS: [Reader; 17] = [
    ("in_release", holds::in_release::holds, &[]),
    ("packages", holds::packages::holds, &["profiles/bases"]),
    ("closure", holds::closure::holds, &[]),
    ("unpack", holds::unpack::holds, &[]),
    ("repomd", holds::repomd::holds, &[]),
    ("primary", holds::primary::holds, &[]),
    ("modules", holds::modules::holds, &[]),
    ("requirement", holds::requirement::holds, &[]),
    (
        "spec",
        holds::spec::holds,
        &["clusters", "tests/spec/invalid"],
    ),
    ("profile", holds::profile::holds, &["profiles"]),
    ("lock", holds::lock::holds, &[]),
    ("manifest", holds::manifest::holds, &[]),
    ("assignment", holds::assignment::holds, &[]),
    ("identity", holds::identity::holds, &[]),
    ("untar", holds::untar::holds, &[]),
    ("http", holds::http::holds, &[]),
    ("rpm_file", holds::rpm_file::holds, &[]),
];

fn examples((name, _, folders): &Reader) -> Vec<(String, Vec<u8>)> {
    let own = format!("fuzz/seeds/{name}");
    let mut examples = Vec::new();
    for folder in std::iter::once(own.as_str()).chain(folders.iter().copied()) {
        let Ok(entries) = fs::read_dir(source(folder)) else {
            continue;
        };
        let files = entries.map(|entry| entry.unwrap().path());
        for file in files.filter(|path| path.is_file()) {
            examples.push((file.display().to_string(), fs::read(&file).unwrap()));
        }
    }
    examples.sort();
    examples
}

#[test]
fn hold_for_every_example_and_some_are_accepted() {
    for reader in &READERS {
        let (name, holds, _) = reader;
        let accepted = examples(reader)
            .iter()
            .filter(|(_, bytes)| holds(bytes))
            .count();
        assert!(accepted > 0, "no example is one that {name} accepts");
    }
}

#[test]
fn hold_for_altered_examples_and_noise() {
    let (seed, cases) = (chance::seed(), chance::count("PGBUNDLE_PARSER_CASES", 300));
    say(&format!(
        "altered examples of PGBUNDLE_SEED={seed} PGBUNDLE_PARSER_CASES={cases}"
    ));
    for reader in &READERS {
        let (name, holds, _) = reader;
        let mut chance = Chance::new(seed);
        let examples: Vec<_> = examples(reader)
            .into_iter()
            .map(|(_, bytes)| bytes)
            .collect();
        for _ in 0..cases {
            let bytes = match chance.below(16) {
                0 => noise(&mut chance),
                _ => altered(&examples, &mut chance),
            };
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let held = catch_unwind(|| holds(&bytes));
            assert!(
                held.is_ok(),
                "{name} does not hold for {shown:?}, PGBUNDLE_SEED={seed}"
            );
        }
    }
}

fn noise(chance: &mut Chance) -> Vec<u8> {
    (0..chance.below(200))
        .map(|_| chance.below(256) as u8)
        .collect()
}

/// Some pieces replaced, taken out, doubled, or put in from another example.
fn altered(examples: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = chance.one_of(examples).clone();
    for _ in 0..1 + chance.below(4) {
        let (start, end) = range(&bytes, chance);
        let piece = match chance.below(5) {
            0 => vec![],
            1 => vec![chance.below(256) as u8; end - start],
            2 => bytes[start..end].repeat(2),
            3 => {
                let other = chance.one_of(examples);
                let (start, end) = range(other, chance);
                other[start..end].to_vec()
            }
            _ => chance.one_of(&HARD).to_vec(),
        };
        bytes.splice(start..end, piece);
    }
    bytes
}

/// What readers stumble over.
const HARD: [&[u8]; 12] = [
    b"../",
    b"/",
    b"\0",
    b"\n\n",
    b"\xff",
    b"18446744073709551616",
    b"-1",
    b"\"",
    b"'",
    b"{",
    b"|",
    b"\xc3\xa9",
];

fn range(bytes: &[u8], chance: &mut Chance) -> (usize, usize) {
    let start = chance.below(bytes.len() + 1);
    let longest = (bytes.len() - start).min(1 + chance.below(40));
    (start, start + chance.below(longest + 1))
}
