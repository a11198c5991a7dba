//! dnf over the same rpm-md repository: Debian's own packages carried over, as
//! the tests beside libsolv carry them, signed, gzipped, with nothing installed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use pgbundle::lock::Lock;
use pgbundle::repo::deb::package::PackageSet;
use pgbundle::repo::rpm::repodata;
use pgbundle::repo::unpack::Compression;
use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::SerializeInto;
use sequoia_openpgp::serialize::stream::{Message, Signer};

use crate::bench::{Bench, finish, remove};
use crate::carried;

/// What dnf says when it has solved and was told to go no further.
const SOLVED: &str = "Operation aborted.";

/// The profile, but for what the example cluster asks for and for the key.
const PROFILE: &str = r#"version = 1
name = "carried"
title = "Debian carried over"
family = "rpm"
os = { id = "carried", version = "1" }
architectures = ["x86_64"]

[postgres]
majors = [15]
default = 15

[components.etcd]
packages = ["etcd-server", "etcd-client"]
[components.postgresql]
packages = ["postgresql-{major}"]
[components.patroni]
packages = ["patroni", "python3-etcd"]
[components.pgbouncer]
packages = ["pgbouncer"]
[components.haproxy]
packages = ["haproxy"]
[components.keepalived]
packages = ["keepalived"]

[[source]]
id = "carried"
keys = ["KEY"]
metadata = "signed"
mirrors = []

[[base]]
name = "carried"
file = "bases/carried.rpms"
"#;

/// What the profile's components come to.
const ROOTS: [&str; 8] = [
    "etcd-server",
    "etcd-client",
    "postgresql-15",
    "patroni",
    "python3-etcd",
    "pgbouncer",
    "haproxy",
    "keepalived",
];

/// Nothing that any package of the repository needs or knows of.
const BASE: &str = "Package: carried-base\nVersion: 0:1-1\nArchitecture: noarch\n";

/// The repository, and the two that read it.
pub struct Dnf {
    folder: PathBuf,
    packages: usize,
}

impl Dnf {
    /// Carries over what the lock's indexes list, and publishes it in `folder`.
    pub fn new(folder: &Path, mirror: &Path, lock: &Lock, cluster: &Path) -> Self {
        let is_there = Command::new("dnf").arg("--version").output();
        assert!(
            is_there.is_ok_and(|answer| answer.status.success()),
            "dnf is missing: install it (Debian's package is `dnf`)"
        );
        let texts = lists(mirror, lock);
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let listed = PackageSet::read(&texts, "amd64").expect("the index was locked from");
        let virtuals = carried::virtuals(listed.all());
        // The same version may be listed by two suites.
        let elements: BTreeSet<_> = carried::carry(listed.all(), &virtuals)
            .iter()
            .map(carried::Carried::element)
            .collect();
        let dnf = Self {
            folder: folder.to_owned(),
            packages: elements.len(),
        };
        let files = repodata::write(elements.iter().map(String::as_str), lock.date)
            .expect("what is carried over are packages");
        let key = key();
        for file in &files {
            dnf.write(&format!("repository/{}", file.path), &file.bytes);
        }
        let repomd = files.last().expect("repomd.xml is the last");
        dnf.write(
            &format!("repository/{}.asc", repomd.path),
            &detached(&repomd.bytes, &key),
        );
        let armored = key
            .armored()
            .to_vec()
            .expect("a certificate can be written");
        dnf.write("keys/RPM-GPG-KEY-carried", &armored);
        let profile = PROFILE.replace("KEY", &key.fingerprint().to_hex());
        dnf.write("library/profiles/carried.toml", profile.as_bytes());
        dnf.write("library/profiles/bases/carried.rpms", BASE.as_bytes());
        let spec = fs::read(cluster).expect("the spec is there");
        dnf.write("cluster.toml", &spec);
        fs::create_dir(dnf.folder.join("log")).expect("the temporary folder is writable");
        dnf
    }

    /// What is published, in words.
    pub fn terms(&self) -> String {
        let parts = fs::read_dir(self.folder.join("repository/repodata"));
        let mut sizes = String::new();
        for part in parts.expect("it was published").flatten() {
            let name = part.file_name().display().to_string();
            if let Some((_, kind)) = name.split_once('-') {
                let size = part.metadata().expect("it was published").len();
                write!(
                    sizes,
                    ", {kind} {:.1} MiB",
                    size as f64 / f64::from(1 << 20)
                )
                .expect("a text");
            }
        }
        format!("rpm-md: {} packages{sizes}", self.packages)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder"))
            .and_then(|()| fs::write(&path, bytes))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    fn url(&self) -> String {
        format!("file://{}", self.folder.join("repository").display())
    }

    // Weak dependencies are left out and the newest is taken, as in a lock;
    // what is downloaded does not expire.
    fn install(&self) {
        let mut dnf = Command::new("dnf");
        dnf.env("LC_ALL", "C.UTF-8").stderr(Stdio::inherit());
        dnf.arg("--installroot").arg(self.folder.join("root"));
        dnf.arg(format!("--repofrompath=carried,{}", self.url()));
        dnf.args(["--repo=carried", "--nogpgcheck", "--releasever=1"]);
        for (setting, name) in [
            ("reposdir", "none"),
            ("cachedir", "cache"),
            ("logdir", "log"),
            ("pluginpath", "none"),
        ] {
            dnf.arg(format!(
                "--setopt={setting}={}",
                self.folder.join(name).display()
            ));
        }
        dnf.args([
            "--setopt=install_weak_deps=False",
            "--setopt=module_platform_id=platform:el9",
            "--setopt=best=True",
            "--setopt=carried.metadata_expire=never",
            "--assumeno",
            "install",
        ]);
        let answer = dnf.args(ROOTS).output().expect("dnf is installed");
        let said = [answer.stdout, answer.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(SOLVED), "{dnf:?}: {said}");
    }
}

impl Bench {
    /// `dnf install`, with nothing of the repository taken in before.
    pub fn dnf_without_cache(&self) {
        remove(&self.path("rpm/cache"));
        self.dnf.install();
    }

    /// `dnf install`, as after `dnf makecache`.
    pub fn dnf_with_cache(&self) {
        self.dnf.install();
    }

    /// Takes away what was kept of the repository.
    pub fn forget_rpm_index(&self) {
        remove(&self.path("rpm/store"));
    }

    /// `pgbundle lock` over that repository.
    pub fn rpm_lock_command(&self) -> Command {
        let mut lock = self.verb(
            "lock",
            &self.path("rpm/cluster.toml"),
            &self.path("rpm/store"),
        );
        lock.args(["--profile", "carried", "--library"]);
        lock.arg(self.path("rpm/library"));
        lock.arg("--keys").arg(self.path("rpm/keys"));
        lock.arg("--mirror");
        lock.arg(format!("carried={}", self.dnf.url()));
        lock
    }

    /// Locks over that repository.
    pub fn rpm_lock(&self) {
        finish(self.rpm_lock_command());
    }
}

/// The lists of packages that a lock was made from.
fn lists(mirror: &Path, lock: &Lock) -> Vec<String> {
    let lists = lock
        .indexes
        .iter()
        .filter(|row| row.path.contains("/Packages"));
    lists
        .map(|row| {
            let path = mirror.join(&row.source).join(&row.path);
            let file = fs::File::open(&path).expect("the mirror was filled");
            let packed = Compression::of(&row.path).reader(file);
            std::io::read_to_string(packed.expect("it was locked from"))
                .expect("it was locked from")
        })
        .collect()
}

fn key() -> Cert {
    let builder = CertBuilder::general_purpose(["Carried <carried@example.org>"]);
    builder.generate().expect("a key can be made").0
}

fn detached(bytes: &[u8], key: &Cert) -> Vec<u8> {
    let policy = StandardPolicy::new();
    let keys = key.keys().with_policy(&policy, SystemTime::now());
    let pair = keys.secret().for_signing().next().expect("it signs");
    let pair = pair.key().clone().into_keypair().expect("it is open");
    let mut out = Vec::new();
    let signer = Signer::new(Message::new(&mut out), pair).expect("a signer");
    let mut message = signer.detached().build().expect("a signer");
    message.write_all(bytes).expect("memory");
    message.finalize().expect("memory");
    out
}
