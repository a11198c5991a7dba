//! The place where all contenders run: a mirror in a folder, filled once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pgbundle::base::atomic::flush_file_system;
use pgbundle::lock::{Lock, text};

use crate::apt::Apt;
use crate::dnf::Dnf;

/// Where everything is. Each kind of run has a store of its own.
pub struct Bench {
    tool: PathBuf,
    /// The fresh lock, of which all else is made.
    pub lock: Lock,
    /// The spec, with its lock beside it.
    pub cluster: PathBuf,
    /// The store that has everything.
    pub store: PathBuf,
    /// apt, set up over the same mirror.
    pub apt: Apt,
    /// dnf, over the same packages carried over to rpm-md.
    pub dnf: Dnf,
    folder: tempfile::TempDir,
}

impl Bench {
    /// Locks and fetches over the machine's mirrors, and makes of what came a
    /// mirror in a folder.
    pub fn new() -> Self {
        let variable = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .unwrap_or_else(|| panic!("{name} is not set: run `make bench`"))
        };
        let (tool, spec) = (variable("BENCH_TOOL"), variable("BENCH_CLUSTER"));
        let store = variable("BENCH_STORE");
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder can be made");
        let cluster = folder.path().join("cluster.toml");
        fs::copy(&spec, &cluster).unwrap_or_else(|error| panic!("{}: {error}", spec.display()));
        for verb in ["lock", "fetch"] {
            finish(on_cluster(&tool, verb, &cluster, &store));
        }
        let lock = lock_beside(&cluster);
        fill_mirror(&folder.path().join("mirror"), &lock, &store);
        let apt = Apt::new(
            &folder.path().join("apt"),
            &folder.path().join("mirror"),
            &lock,
        );
        let dnf = Dnf::new(
            &folder.path().join("rpm"),
            &folder.path().join("mirror"),
            &lock,
            &cluster,
        );
        let bench = Self {
            tool,
            lock,
            cluster,
            store,
            apt,
            dnf,
            folder,
        };
        bench.build();
        bench
    }

    /// What all rows have in common, in words.
    pub fn terms(&self) -> String {
        let bytes: u64 = self.lock.packages.iter().map(|package| package.size).sum();
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
        format!(
            "{} packages, {} MiB, as of {}; {processors} processors; {} runs of each, in turn;\n\
             {};\n\
             times are medians, a ratio is the median of the ratios of each two runs",
            self.lock.packages.len(),
            bytes >> 20,
            self.lock.date,
            crate::row::RUNS,
            self.dnf.terms(),
        )
    }

    /// A path of the bench.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts on the disk what earlier runs wrote, so that no later one waits for it.
    pub fn quiet(&self) {
        flush_file_system(self.folder.path()).expect("the temporary folder can be flushed");
    }

    /// Nothing has to be prepared.
    pub fn nothing(&self) {}

    /// Takes the kept indexes away.
    pub fn forget_indexes(&self) {
        remove(&self.path("store of locks"));
    }

    /// Takes the release away, so that it has to be written.
    pub fn forget_release(&self) {
        remove(&self.path("dist"));
    }

    /// Puts the cold build on the disk before it is built again.
    pub fn settle(&self) {
        assert!(self.path("cold/dist").exists(), "a cold build came before");
    }

    /// `pgbundle lock` over the mirror in the folder.
    pub fn lock_command(&self) -> Command {
        self.over_mirror("lock", &self.cluster, "store of locks")
    }

    /// Locks; the answer is the one there was.
    pub fn lock(&self) {
        finish(self.lock_command());
    }

    /// `pgbundle build` from the store that has everything.
    pub fn build_command(&self) -> Command {
        let mut command = on_cluster(&self.tool, "build", &self.cluster, &self.store);
        command
            .args(["--offline", "--locked", "--out"])
            .arg(self.path("dist"));
        command.arg("--secrets").arg(self.path("secrets"));
        command
    }

    /// Builds the release.
    pub fn build(&self) {
        finish(self.build_command());
    }

    /// Builds with nothing there but the spec and the mirror.
    pub fn build_cold(&self) {
        remove(&self.path("cold"));
        fs::create_dir(self.path("cold")).expect("the temporary folder is writable");
        let spec = self.path("cold/cluster.toml");
        fs::copy(&self.cluster, spec).expect("the temporary folder is writable");
        self.build_again();
    }

    /// Builds what was built cold.
    pub fn build_again(&self) {
        let mut command = self.over_mirror("build", &self.path("cold/cluster.toml"), "cold/store");
        command.arg("--out").arg(self.path("cold/dist"));
        finish(command);
    }

    /// A verb on a cluster, with a store.
    pub fn verb(&self, verb: &str, cluster: &Path, store: &Path) -> Command {
        on_cluster(&self.tool, verb, cluster, store)
    }

    /// A verb over the mirror in the folder, with a store of the bench.
    pub fn over_mirror(&self, verb: &str, cluster: &Path, store: &str) -> Command {
        let mut command = self.verb(verb, cluster, &self.path(store));
        for source in sources(&self.lock) {
            let root = self.path("mirror").join(source);
            command
                .arg("--mirror")
                .arg(format!("{source}=file://{}", root.display()));
        }
        command
    }
}

fn on_cluster(tool: &Path, verb: &str, cluster: &Path, store: &Path) -> Command {
    let mut command = Command::new(tool);
    command.args([verb, "--quiet", "--cluster"]).arg(cluster);
    command.arg("--store").arg(store);
    command
}

fn lock_beside(cluster: &Path) -> Lock {
    let folder = cluster.parent().expect("a file has a folder");
    let mut entries = fs::read_dir(folder).expect("the folder is there").flatten();
    let lock = entries
        .find(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|suffix| suffix == "lock")
        })
        .expect("`lock` wrote a lock");
    let text = fs::read_to_string(lock.path()).expect("the lock is a text");
    text::read(&text).expect("the lock was written by this program")
}

/// The ids of the sources, each once.
pub fn sources(lock: &Lock) -> Vec<&str> {
    let mut sources: Vec<_> = lock
        .indexes
        .iter()
        .map(|index| index.source.as_str())
        .collect();
    sources.dedup();
    sources
}

fn fill_mirror(mirror: &Path, lock: &Lock, store: &Path) {
    let packages = lock
        .packages
        .iter()
        .map(|row| (&row.source, &row.path, row.sha256));
    let indexes = lock
        .indexes
        .iter()
        .map(|row| (&row.source, &row.path, row.sha256));
    for (source, path, sha256) in packages.chain(indexes) {
        let target = mirror.join(source).join(path);
        let digest = sha256.to_string();
        let blob = store.join("sha256").join(&digest[..2]).join(digest);
        fs::create_dir_all(target.parent().expect("a file has a folder"))
            .and_then(|()| fs::copy(&blob, &target))
            .unwrap_or_else(|error| panic!("{}: {error}", target.display()));
    }
}

/// Removes a folder, where it is there.
pub fn remove(folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).expect("what the bench made can be removed");
    }
}

/// Runs a command that has to succeed.
pub fn finish(mut command: Command) {
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
