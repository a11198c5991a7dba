//! `make bench`: this program beside what its users would use instead, as
//! ratios taken in one run. It judges nothing: numbers of a busy machine are
//! read beside each other, not alone.
//!
//! Needs a cluster that was built once (`make bundle`): its lock and a store
//! that has everything.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pgbundle::base::digest::Hashing;
use pgbundle::lock::{Lock, text};

/// Counted runs of each contender, after one that is not counted.
const RUNS: usize = 5;

fn main() {
    let bench = Bench::new();
    println!(
        "{} packages, {} MiB; median of {RUNS} runs each, in turn\n",
        bench.lock.packages.len(),
        bench.bytes() >> 20
    );
    println!("{:<44} {:>9} {:>9} {:>7}", "", "pgbundle", "other", "ratio");
    bench.row(
        "build from a warm store / tar and gzip -6",
        Bench::build,
        Bench::tar_gzip,
    );
    bench.row(
        "build from a warm store / read, hash, write",
        Bench::build,
        Bench::copy_and_hash,
    );
    bench.row(
        "lock over the mirror / apt-get -s install",
        Bench::lock,
        Bench::apt,
    );
}

struct Bench {
    tool: PathBuf,
    cluster: PathBuf,
    lock: Lock,
    store: PathBuf,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let variable = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .unwrap_or_else(|| panic!("{name} is not set: run `make bench`"))
        };
        let cluster = variable("BENCH_CLUSTER");
        let lock_path = variable("BENCH_LOCK");
        let found = fs::read_to_string(&lock_path).unwrap_or_else(|error| {
            panic!("{}: {error}; run `make bundle` first", lock_path.display())
        });
        Self {
            tool: variable("BENCH_TOOL"),
            cluster,
            lock: text::read(&found).expect("the lock was written by this program"),
            store: variable("BENCH_STORE"),
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    fn bytes(&self) -> u64 {
        self.lock.packages.iter().map(|package| package.size).sum()
    }

    fn row(&self, what: &str, ours: fn(&Self), other: fn(&Self)) {
        ours(self);
        other(self);
        let pairs: Vec<_> = (0..RUNS)
            .map(|_| (timed(|| ours(self)), timed(|| other(self))))
            .collect();
        let ours = median(pairs.iter().map(|pair| pair.0).collect());
        let other = median(pairs.iter().map(|pair| pair.1).collect());
        let ratio = ours.as_secs_f64() / other.as_secs_f64();
        println!(
            "{what:<44} {:>8.2}s {:>8.2}s {ratio:>7.2}",
            ours.as_secs_f64(),
            other.as_secs_f64()
        );
    }

    fn tool(&self, arguments: &[&str]) {
        let mut command = Command::new(&self.tool);
        command
            .args(arguments)
            .arg("--quiet")
            .arg("--cluster")
            .arg(&self.cluster)
            .arg("--store")
            .arg(&self.store);
        if arguments[0] == "build" {
            command.arg("--out").arg(self.folder.path().join("dist"));
            command
                .arg("--secrets")
                .arg(self.folder.path().join("secrets"));
        }
        finish(&mut command);
    }

    fn build(&self) {
        self.tool(&["build", "--offline", "--locked"]);
    }

    /// Writes the lock where it lies already: the same archive gives the same lock.
    fn lock(&self) {
        self.tool(&["lock"]);
    }

    fn blobs(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.lock.packages.iter().map(|package| {
            let digest = package.sha256.to_string();
            self.store.join("sha256").join(&digest[..2]).join(digest)
        })
    }

    fn tar_gzip(&self) {
        let out = File::create(self.folder.path().join("peer.tar.gz"))
            .expect("the temporary folder is writable");
        let mut tar = Command::new("tar")
            .arg("-cP")
            .args(self.blobs())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tar is installed");
        let input = tar.stdout.take().expect("stdout is a pipe");
        finish(Command::new("gzip").arg("-6").stdin(input).stdout(out));
        assert!(tar.wait().expect("tar was started").success());
    }

    fn copy_and_hash(&self) {
        let mut out = File::create(self.folder.path().join("copy"))
            .expect("the temporary folder is writable");
        for blob in self.blobs() {
            copy(&blob, &mut out);
        }
        out.sync_all().expect("the temporary folder is writable");
    }

    fn apt(&self) {
        let names = self
            .lock
            .packages
            .iter()
            .map(|package| package.name.as_str());
        finish(
            Command::new("apt-get")
                .args(["-s", "-qq", "--no-install-recommends", "install"])
                .args(names)
                .stdout(Stdio::null()),
        );
    }
}

fn copy(from: &Path, to: &mut impl Write) {
    let mut file = File::open(from)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make bundle` first", from.display()));
    let mut hashing = Hashing::new(to);
    std::io::copy(&mut file, &mut hashing).expect("the temporary folder is writable");
    std::hint::black_box(hashing.finish());
}

fn finish(command: &mut Command) {
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
