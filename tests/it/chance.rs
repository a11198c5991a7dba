//! Chance that can be repeated: a seed from `PGBUNDLE_SEED`, else a fresh one.

use std::hash::{BuildHasher, RandomState};

/// Numbers that look random and follow from a seed (SplitMix64, Steele and others, 2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

/// The seed of this run: from the environment, else drawn.
pub fn seed() -> u64 {
    match std::env::var("PGBUNDLE_SEED") {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("PGBUNDLE_SEED is `{text}`, not a number below 2^64")),
        Err(_) => RandomState::new().hash_one("pgbundle"),
    }
}

/// How many times: from the environment, else `default`.
pub fn count(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is `{text}`, not a number")),
        Err(_) => default,
    }
}

impl Chance {
    /// The numbers that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from zero up to, and without, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "there is no number below zero");
        (self.next() % end as u64) as usize
    }

    /// One of them.
    pub fn one_of<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[self.below(things.len())]
    }
}
