//! A row of the table: how it is taken, and how it is printed.

use std::time::{Duration, Instant};

use crate::bench::Bench;

/// Counted runs of each contender, after one that is not counted.
pub const RUNS: usize = 7;

/// What stands over the columns.
pub const HEADER: &str =
    "                                                     pgbundle     other   ratio   limit";

/// One row.
pub enum Row {
    /// Ours beside another's, in time.
    Times(Pair),
    /// The most memory that was taken, in MiB.
    Memory {
        /// What it says.
        what: &'static str,
        /// Takes it, in KiB.
        measure: fn(&Bench) -> u64,
        /// At most, in MiB.
        limit: u64,
    },
}

/// Two contenders for the same work, run in turn.
pub struct Pair {
    /// What the row says.
    pub what: &'static str,
    /// What exactly is compared.
    pub terms: &'static str,
    /// Runs before each of ours and is not counted.
    pub prepare: fn(&Bench),
    /// This program.
    pub ours: fn(&Bench),
    /// What would be used instead.
    pub others: fn(&Bench),
    /// The ratio, at most.
    pub limit: Option<f64>,
}

impl Row {
    /// Takes the row and writes it.
    pub fn taken(&self, bench: &Bench) -> String {
        match self {
            Self::Times(pair) => pair.taken(bench),
            Self::Memory {
                what,
                measure,
                limit,
            } => {
                let taken = measure(bench) as f64 / 1024.0;
                let mark = mark(taken > *limit as f64);
                format!("{what:<51} {taken:>7.1}M                   {limit:>6}M{mark}")
            }
        }
    }
}

impl Pair {
    fn taken(&self, bench: &Bench) -> String {
        let pairs: Vec<_> = (0..=RUNS).map(|_| self.once(bench)).skip(1).collect();
        let ours = median(pairs.iter().map(|pair| pair.0.as_secs_f64()));
        let others = median(pairs.iter().map(|pair| pair.1.as_secs_f64()));
        let ratio = median(
            pairs
                .iter()
                .map(|(ours, others)| ours.div_duration_f64(*others)),
        );
        let limit = self
            .limit
            .map_or("-".to_owned(), |limit| format!("{limit:.2}"));
        let mark = mark(self.limit.is_some_and(|limit| ratio > limit));
        let what = self.what;
        format!("{what:<51} {ours:>7.2}s {others:>8.2}s {ratio:>7.3} {limit:>7}{mark}")
    }

    // The other goes first: a build with nothing changed needs one before it.
    fn once(&self, bench: &Bench) -> (Duration, Duration) {
        bench.quiet();
        let others = timed(|| (self.others)(bench));
        (self.prepare)(bench);
        bench.quiet();
        (timed(|| (self.ours)(bench)), others)
    }
}

fn mark(is_over: bool) -> &'static str {
    if is_over { "  over" } else { "" }
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
