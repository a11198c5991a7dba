//! How much memory the program takes does not grow with what it carries.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::process::Command;

use pgbundle::base::digest::Hashing;

use crate::sample::accepts;
use crate::tiny::{PUBLIC, RELEASE, Tiny};

/// Bytes of the file that is carried: four times what may be taken.
const FILE: u64 = 256 << 20;

/// What a build may take, in KiB.
const LIMIT: u64 = 64 << 10;

/// Runs a command and prints the most that it had in memory, in KiB (getrusage(2)).
const MEASURE: &str = "\
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
";

/// A cluster that carries a file which nothing makes smaller.
fn tiny() -> Tiny {
    let tiny = Tiny::new();
    let file = File::create(tiny.path("large.xz")).unwrap();
    let mut out = Hashing::new(BufWriter::new(file));
    let mut block = vec![0; 1 << 16];
    let mut state = 1u32;
    for byte in &mut block {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    for _ in 0..FILE / block.len() as u64 {
        out.write_all(&block).unwrap();
    }
    out.flush().unwrap();
    let (sha256, _) = out.finish();
    tiny.spec(&format!(
        "\n[[file]]\nname = \"large.xz\"\nversion = \"1\"\nfrom = \"large.xz\"\nsha256 = \"{sha256}\"\nroles = [\"etcd\"]\n"
    ));
    tiny
}

fn peak(tiny: &Tiny, verb: &str, more: &[&str]) -> u64 {
    let peak = accepts(
        Command::new("python3")
            .args([
                "-c",
                MEASURE,
                env!("CARGO_BIN_EXE_pgbundle"),
                verb,
                "--quiet",
            ])
            .args(tiny.cluster())
            .args(more),
    );
    peak.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{verb}: {peak}"))
}

#[test]
fn a_file_of_any_size_goes_through_in_pieces() {
    let tiny = tiny();
    let mirrors = tiny.mirrors();
    let mirrors: Vec<_> = mirrors.iter().map(String::as_str).collect();
    let making = tiny.making();
    let out = tiny.path("dist").display().to_string();
    let mut build: Vec<_> = making.iter().map(String::as_str).collect();
    build.extend(["--offline", "--out", &out]);
    build.extend(&mirrors);
    let on_media = [&build[..], &["--media"]].concat();
    for (what, peak) in [
        ("lock", peak(&tiny, "lock", &mirrors)),
        ("fetch", peak(&tiny, "fetch", &mirrors)),
        ("build", peak(&tiny, "build", &build)),
        ("build with nothing changed", peak(&tiny, "build", &build)),
        ("build for media", peak(&tiny, "build", &on_media)),
    ] {
        assert!(peak < LIMIT, "{what} took {peak} KiB of at most {LIMIT}");
    }
    let carried = tiny.path(&format!("{PUBLIC}/bundles/etcd.tar.gz"));
    assert!(fs::metadata(carried).unwrap().len() > FILE);
    let image = tiny.path(&format!("{RELEASE}/seeds/db-1/seed.iso"));
    assert!(fs::metadata(image).unwrap().len() > FILE);
}
