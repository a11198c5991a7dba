//! rpm's own code as the oracle for the order of versions and for ranges that
//! overlap: versions of the real index, what comes of altering them, and
//! versions from chance alone.
//!
//! `PGBUNDLE_VERSION_PAIRS` is the number of pairs, `PGBUNDLE_SEED` what they follow from.

use std::cmp::Ordering;
use std::fmt::Write as _;

use pgbundle::repo::rpm::entry::{Entry, Sense};
use pgbundle::repo::rpm::evr::Evr;

use super::solv::{answers, missing};
use crate::chance::{self, Chance};
use crate::lock::say;
use crate::support::source;

/// What is hard in a version or a release; a hyphen and a colon part it.
const PIECES: [&str; 40] = [
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
    ".",
    ".",
    "..",
    "_",
    "+",
    "~",
    "~",
    "~~",
    "^",
    "^",
    "^~",
    "~^",
    "a",
    "b",
    "z",
    "A",
    "Z",
    "rc",
    "git",
    "beta",
    ".el7",
    ".el8_10",
    "~rc1",
    "^20240101",
    "P1",
    "%",
    "{",
    "é",
];

fn part(chance: &mut Chance) -> String {
    let pieces = 1 + chance.below(5);
    (0..pieces).map(|_| *chance.one_of(&PIECES)).collect()
}

fn from_chance(chance: &mut Chance) -> String {
    let epoch = chance.one_of(&["", "", "", "0:", "1:", "2:", "10:", "01:"]);
    let release = match chance.below(4) {
        0 => String::new(),
        _ => format!("-{}", part(chance)),
    };
    format!("{epoch}{}{release}", part(chance))
}

/// One place behind the epoch altered: a piece put in, or a character taken out.
fn altered(evr: &str, chance: &mut Chance) -> String {
    let (epoch, rest) = evr
        .rsplit_once(':')
        .map_or(("", evr), |_| evr.split_at(evr.find(':').unwrap() + 1));
    let characters: Vec<char> = rest.chars().collect();
    let place = chance.below(characters.len() + 1);
    let (head, tail) = characters.split_at(place);
    let (head, tail): (String, String) = (head.iter().collect(), tail.iter().collect());
    match chance.below(3) {
        0 => format!("{epoch}{head}{}", tail.chars().skip(1).collect::<String>()),
        _ => format!("{epoch}{head}{}{tail}", chance.one_of(&PIECES)),
    }
}

fn pair(chance: &mut Chance) -> (String, String) {
    let one = from_chance(chance);
    let mut other = match chance.below(3) {
        0 => from_chance(chance),
        _ => altered(&one, chance),
    };
    while chance.below(2) == 0 {
        other = altered(&other, chance);
    }
    (one, other)
}

/// Pairs of what both of us take for a version. rpm's parser alone tells an
/// empty release from none; in its ranges, and in metadata, they are the same.
fn pairs(chance: &mut Chance, count: usize) -> Vec<(String, String)> {
    let is_evr = |evr: &str| Evr::parse(evr).is_ok() && !evr.ends_with('-');
    let mut pairs = Vec::new();
    while pairs.len() < count {
        let (one, other) = pair(chance);
        if is_evr(&one) && is_evr(&other) {
            pairs.push((one, other));
        }
    }
    pairs
}

fn order(one: &str, other: &str) -> &'static str {
    let evr = |text| Evr::parse(text).expect("it was read before");
    match evr(one).cmp(&evr(other)) {
        Ordering::Less => "<",
        Ordering::Equal => "=",
        Ordering::Greater => ">",
    }
}

fn overlap(sign: &str, evr: &str, other_sign: &str, other: &str) -> &'static str {
    let entry = |sign, evr| Entry {
        name: "name".into(),
        range: Some((
            Sense::of_sign(sign).expect("a sign"),
            Evr::parse(evr).expect("it was read before"),
        )),
    };
    match entry(sign, evr).overlaps(&entry(other_sign, other)) {
        true => "yes",
        false => "no",
    }
}

#[test]
fn orders_versions_and_joins_ranges_as_rpm_does() {
    if !super::is_there(missing()) {
        return;
    }
    let count = chance::count("PGBUNDLE_VERSION_PAIRS", 100_000);
    let seed = chance::seed();
    let again = format!("PGBUNDLE_SEED={seed} PGBUNDLE_VERSION_PAIRS={count}");
    let mut chance = Chance::new(seed);
    let pairs = pairs(&mut chance, count);
    let (mut questions, mut ours) = (String::new(), Vec::new());
    let signs = ["<", "<=", "=", ">=", ">"];
    for (one, other) in &pairs {
        writeln!(questions, "order\t{one}\t{other}").unwrap();
        ours.push(order(one, other));
        let (sign, other_sign) = (chance.one_of(&signs), chance.one_of(&signs));
        writeln!(questions, "overlap\t{sign}\t{one}\t{other_sign}\t{other}").unwrap();
        ours.push(overlap(sign, one, other_sign, other));
    }
    let theirs = answers(&source("tests/it/oracle_rpm/order.py"), questions.clone());
    assert_eq!(theirs.len(), ours.len());
    let asked = questions.lines().zip(&theirs).zip(&ours);
    let wrong = asked.filter(|((_, theirs), ours)| theirs != ours);
    let wrong: Vec<_> = wrong.take(20).collect();
    let equal = theirs.iter().filter(|answer| *answer == "=").count();
    let joined = theirs.iter().filter(|answer| *answer == "yes").count();
    say(&format!(
        "{count} pairs of rpm versions of {again}: {equal} equal, {joined} ranges overlap"
    ));
    assert!(
        wrong.is_empty(),
        "rpm says otherwise; again with {again}: {wrong:#?}"
    );
}
