//! The most memory that the program takes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

use pgbundle::base::digest::Hashing;

use crate::bench::{Bench, finish};

/// Runs a command and prints the most that it had in memory, in KiB (getrusage(2)).
const MEASURE: &str = "\
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
";

/// The file that a large build carries, in bytes.
const LARGE: u64 = 2 << 30;

/// Of a build from the store that has everything.
pub fn of_a_build(bench: &Bench) -> u64 {
    bench.forget_release();
    peak(bench.build_command())
}

/// Of a build whose spec has a file of 2 GiB more, locked before.
pub fn of_a_large_build(bench: &Bench) -> u64 {
    let cluster = bench.path("large.toml");
    let text = std::fs::read_to_string(&bench.cluster).expect("the spec is a text");
    let file = format!(
        "\n[[file]]\nname = \"large.xz\"\nversion = \"1\"\nfrom = \"large.xz\"\n\
         sha256 = \"{}\"\nroles = [\"etcd\"]\n",
        large(bench)
    );
    std::fs::write(&cluster, text + &file).expect("the temporary folder is writable");
    for verb in ["lock", "fetch"] {
        finish(bench.over_mirror(verb, &cluster, "large store"));
    }
    let mut build = bench.over_mirror("build", &cluster, "large store");
    build
        .args(["--offline", "--locked", "--out"])
        .arg(bench.path("large dist"));
    build.arg("--secrets").arg(bench.path("secrets"));
    peak(build)
}

fn large(bench: &Bench) -> String {
    let file = File::create(bench.path("large.xz")).expect("the temporary folder is writable");
    let mut out = Hashing::new(BufWriter::new(file));
    let block: Vec<_> = (0..1u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for _ in 0..LARGE / block.len() as u64 {
        out.write_all(&block).expect("the disk has room");
    }
    out.flush().expect("the disk has room");
    out.finish().0.to_string()
}

/// Of a lock that unpacks the index.
pub fn of_a_lock(bench: &Bench) -> u64 {
    bench.forget_indexes();
    peak(bench.lock_command())
}

/// Of a lock that finds it unpacked.
pub fn of_a_lock_again(bench: &Bench) -> u64 {
    bench.lock();
    peak(bench.lock_command())
}

/// Of a lock over an rpm-md repository, which unpacks its index.
pub fn of_an_rpm_lock(bench: &Bench) -> u64 {
    bench.forget_rpm_index();
    peak(bench.rpm_lock_command())
}

fn peak(command: Command) -> u64 {
    let mut measure = Command::new("python3");
    measure
        .args(["-c", MEASURE])
        .arg(command.get_program())
        .args(command.get_args());
    let output = measure
        .stderr(Stdio::inherit())
        .output()
        .expect("python3 is installed");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.trim().parse().expect("it prints a number")
}
