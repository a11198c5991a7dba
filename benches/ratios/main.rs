//! `make bench`: this program beside what its users would use instead, as
//! ratios taken in one run, each beside its limit. It judges nothing: a row
//! over its limit is marked, and numbers of a busy machine are read beside
//! each other, not alone.
//!
//! Needs the network once, for a fresh lock and what it names, and then the
//! disk alone; `apt-get`, `dnf`, `tar`, `gzip` and `python3` on the machine.

mod apt;
mod bench;
#[path = "../../tests/it/oracle_rpm/carried.rs"]
#[expect(dead_code, reason = "the tests need a base carried over, too")]
mod carried;
mod dnf;
mod memory;
mod peers;
mod row;

use bench::Bench;
use row::{Pair, Row};

/// Every row of the table, in order.
const ROWS: [Row; 14] = [
    Row::Times(Pair {
        what: "lock, index compressed / apt-get -s",
        terms: "ours: store empty, InRelease and Packages.xz from a folder, the index kept unpacked for the next time; \
                apt's: lists unpacked, its binary cache current, as `apt-get update` leaves them; both: the same index, the same base, the spec's roots",
        prepare: Bench::forget_indexes,
        ours: Bench::lock,
        others: Bench::apt_with_cache,
        limit: Some(0.35),
    }),
    Row::Times(Pair {
        what: "lock, index kept unpacked / apt-get -s",
        terms: "ours: InRelease from a folder and verified, Packages from the store and digested again; the rest as above",
        prepare: Bench::nothing,
        ours: Bench::lock,
        others: Bench::apt_with_cache,
        limit: Some(0.15),
    }),
    Row::Times(Pair {
        what: "lock, index compressed / apt-get -s, no cache",
        terms: "the same, where apt too has to read the index: lists unpacked, no binary cache",
        prepare: Bench::forget_indexes,
        ours: Bench::lock,
        others: Bench::apt_without_cache,
        limit: None,
    }),
    Row::Times(Pair {
        what: "lock, index kept unpacked / apt-get -s, no cache",
        terms: "the same, with the index kept",
        prepare: Bench::nothing,
        ours: Bench::lock,
        others: Bench::apt_without_cache,
        limit: None,
    }),
    Row::Times(Pair {
        what: "build from a warm store / tar and gzip -6",
        terms: "ours: `build --offline --locked` into an empty folder, flushed to the disk; \
                theirs: for each role its packages through `tar | gzip -6`, not flushed",
        prepare: Bench::forget_release,
        ours: Bench::build,
        others: Bench::tar_gzip,
        limit: Some(0.05),
    }),
    Row::Times(Pair {
        what: "build from a warm store / read, hash, write",
        terms: "ours: as above; the other: each file of the release's `public/` read, digested once and written, flushed in the same way",
        prepare: Bench::forget_release,
        ours: Bench::build,
        others: Bench::copy_and_hash,
        limit: Some(1.15),
    }),
    Row::Times(Pair {
        what: "build with nothing changed / cold build",
        terms: "ours: `build` again, every file of the release digested again; \
                the other: `build` with neither lock, store, secrets nor release, all from a folder as mirror",
        prepare: Bench::settle,
        ours: Bench::build_again,
        others: Bench::build_cold,
        limit: Some(0.05),
    }),
    Row::Times(Pair {
        what: "rpm lock, index compressed / dnf install",
        terms: "ours: store empty, repomd.xml, its signature and primary.xml.gz from a folder, the index kept unpacked for the next time; \
                dnf's: cache empty, the same repository, no signature checked, its own cache made for the next time; \
                both: nothing installed, the spec's roots, up to the answer",
        prepare: Bench::forget_rpm_index,
        ours: Bench::rpm_lock,
        others: Bench::dnf_without_cache,
        limit: Some(0.5),
    }),
    Row::Times(Pair {
        what: "rpm lock, index kept unpacked / dnf install, cache",
        terms: "ours: repomd.xml from the folder and verified, primary.xml from the store and digested again; \
                dnf's: its binary cache current, as `dnf makecache` leaves it; the rest as above",
        prepare: Bench::nothing,
        ours: Bench::rpm_lock,
        others: Bench::dnf_with_cache,
        limit: None,
    }),
    Row::Memory {
        what: "peak memory of a build",
        measure: memory::of_a_build,
        limit: 64,
    },
    Row::Memory {
        what: "peak memory of a build that carries 2 GiB more",
        measure: memory::of_a_large_build,
        limit: 64,
    },
    Row::Memory {
        what: "peak memory of a lock, index compressed",
        measure: memory::of_a_lock,
        limit: 150,
    },
    Row::Memory {
        what: "peak memory of a lock, index kept unpacked",
        measure: memory::of_a_lock_again,
        limit: 150,
    },
    Row::Memory {
        what: "peak memory of an rpm lock, index compressed",
        measure: memory::of_an_rpm_lock,
        limit: 300,
    },
];

fn main() {
    let bench = Bench::new();
    println!("{}\n", bench.terms());
    println!("{}", row::HEADER);
    for row in &ROWS {
        println!("{}", row.taken(&bench));
    }
    println!("\nWhat is compared:");
    for (place, row) in ROWS.iter().enumerate() {
        if let Row::Times(pair) = row {
            println!("{:>3}. {}: {}", place + 1, pair.what, pair.terms);
        }
    }
}
