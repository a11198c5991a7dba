//! Locking against Debian's real, signed indexes as this machine's apt has
//! them; `oracle_apt` holds the closures against apt's.
//!
//! What is missing on a machine is said in the test's output; the test then
//! proves nothing and says that too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use pgbundle::base::{Architecture, Epoch, Role};
use pgbundle::bundle::manifest::{Family, OsRelease};
use pgbundle::lock::indexes::Upstream;
use pgbundle::lock::{Lock, pin, text};
use pgbundle::plan::Plan;
use pgbundle::profile::{AptArchive, Profile, Repository, Source};
use pgbundle::repo::BaseList;
use pgbundle::repo::index::Indexes;
use pgbundle::repo::mirror::Mirrors;
use pgbundle::repo::transport::Folder;
use pgbundle::spec;

const LISTS: &str = "/var/lib/apt/lists";
const PROFILE: &str = include_str!("../../profiles/debian12.toml");
const BASES: [(&str, &str); 1] = [(
    "debian12-minbase",
    include_str!("../../profiles/bases/debian12-minbase.deb822"),
)];

pub const ROOTS: [(Role, &[&str]); 3] = [
    (Role::Etcd, &["etcd-client", "etcd-server"]),
    (
        Role::Postgres,
        &["patroni", "pgbouncer", "postgresql-15", "python3-etcd"],
    ),
    (Role::Proxy, &["haproxy", "keepalived"]),
];

/// Straight to standard error: what a passing test prints is not shown otherwise.
pub fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}

/// A mirror of folders, filled from what apt fetched for this machine.
pub struct MachineMirror {
    folder: tempfile::TempDir,
    at: Epoch,
}

impl MachineMirror {
    pub fn new(profile: &Profile) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut at = None;
        for source in &profile.sources {
            for suite in &source.apt().expect("an apt archive").suites {
                let date = copy_suite(&folder.path().join(&source.id), suite)?;
                at = at.max(Some(date));
            }
        }
        let at = at.ok_or("the profile names no suite")?;
        Ok(Self { folder, at })
    }

    pub fn read(&self, profile: &Profile) -> Indexes {
        let url = |id: &str| format!("file:{}", self.folder.path().join(id).display());
        let explicit = profile
            .sources
            .iter()
            .map(|s| (Some(s.id.clone()), url(&s.id)));
        let mirrors = Mirrors {
            explicit: explicit.collect(),
            machine: vec![],
        };
        let upstream = Upstream {
            profile,
            architecture: &amd64(),
            mirrors: &mirrors,
            keys: None,
            transport: &Folder,
            at: self.at,
            passed_over: &|_, _| {},
        };
        upstream.read().unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The package indexes as texts.
pub fn texts(indexes: &Indexes) -> Vec<&str> {
    let texts = indexes.texts().into_iter();
    texts.map(|text| text.bytes().as_str()).collect()
}

fn copy_suite(root: &Path, suite: &str) -> Result<Epoch, String> {
    let inrelease = list_file(&format!("_dists_{suite}_InRelease"))?;
    let packages = list_file(&format!("_dists_{suite}_main_binary-amd64_Packages"))?;
    let folder = root.join("dists").join(suite).join("main/binary-amd64");
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let signed = fs::read_to_string(inrelease).map_err(|e| e.to_string())?;
    fs::write(root.join("dists").join(suite).join("InRelease"), &signed)
        .map_err(|e| e.to_string())?;
    let helper = Command::new("/usr/lib/apt/apt-helper")
        .arg("cat-file")
        .arg(&packages)
        .output();
    let plain = helper.map_err(|e| format!("apt-helper: {e}"))?.stdout;
    fs::write(folder.join("Packages"), plain).map_err(|e| e.to_string())?;
    date(&signed).ok_or_else(|| format!("the InRelease of {suite} has no date"))
}

/// The lists may be old: they are judged at the newest date that they carry.
fn date(signed: &str) -> Option<Epoch> {
    let line = signed
        .lines()
        .find_map(|line| line.strip_prefix("Date: "))?;
    let rfc2822 = &time::format_description::well_known::Rfc2822;
    let date = time::OffsetDateTime::parse(&line.replace("UTC", "+0000"), rfc2822).ok()?;
    Epoch::from_seconds(date.unix_timestamp()).ok()
}

fn list_file(ending: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(LISTS).map_err(|e| format!("{LISTS}: {e}"))?;
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    let matches = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let plain = [".lz4", ".gz", ".xz", ""]
            .iter()
            .find_map(|s| name.strip_suffix(s).filter(|n| n.ends_with(ending)));
        plain.is_some()
    };
    let found = paths.iter().find(matches).cloned();
    found.ok_or_else(|| {
        format!("{LISTS} has no file ending in {ending} (run `apt-get update` on a Debian 12)")
    })
}

fn amd64() -> Architecture {
    "amd64".parse().unwrap()
}

pub fn profile() -> Profile {
    let table: toml::Table = PROFILE.parse().unwrap();
    let texts = |value: &toml::Value| -> Vec<String> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect()
    };
    let source = |source: &toml::Value| Source {
        id: source["id"].as_str().unwrap().to_owned(),
        keys: texts(&source["keys"]),
        mirrors: texts(&source["mirrors"]),
        kind: Repository::Apt(AptArchive {
            suites: texts(&source["suites"]),
            components: texts(&source["components"]),
            origin: source["origin"].as_str().unwrap().to_owned(),
            codenames: texts(&source["codenames"]),
        }),
    };
    Profile {
        name: "debian12".to_owned(),
        extends: None,
        title: String::new(),
        family: Family::Deb,
        os: OsRelease {
            id: "debian".to_owned(),
            version: "12".to_owned(),
            release: None,
        },
        architectures: vec![amd64()],
        postgres: pgbundle::profile::Postgres {
            majors: vec![15],
            default: 15,
            absent: Default::default(),
            locale: "C.UTF-8".to_owned(),
        },
        sources: table["source"]
            .as_array()
            .unwrap()
            .iter()
            .map(source)
            .collect(),
        bases: vec![],
        components: BTreeMap::new(),
        python: None,
        paths: BTreeMap::new(),
        disturbing_units: vec![],
        disabled_modules: vec![],
        dist: None,
        packagings: vec![],
        not_provided: vec![],
        limits: vec![],
    }
}

pub fn plan(profile: Profile) -> Plan {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Plan {
        spec: spec(),
        profile,
        architecture: amd64(),
        postgres_major: 15,
        packages: ROOTS
            .iter()
            .map(|(role, roots)| (*role, names(roots)))
            .collect(),
        given: vec![],
        wheel_roles: Vec::new(),
    }
}

fn spec() -> spec::Spec {
    spec::Spec {
        cluster: "three-node".parse().unwrap(),
        profile: None,
        bases: vec![],
        postgres: spec::Postgres {
            major: None,
            synchronous: spec::Synchronous::On,
            parameters: BTreeMap::new(),
        },
        nodes: vec![],
        vip: None,
        ports: spec::Ports {
            postgres: 5432,
            pgbouncer: 6432,
            patroni: 8008,
            etcd_client: 2379,
            etcd_peer: 2380,
            read_write: 5000,
            replicas: 5001,
            synchronous: 5002,
            asynchronous: 5003,
            statistics: 7000,
        },
        time_servers: vec![],
        delivery: vec![],
        certificates: spec::Certificates {
            ca_days: 3650,
            node_days: 365,
        },
        plain_files: vec![],
        vendor: vec![],
        places: Default::default(),
    }
}

pub fn bases() -> Vec<BaseList> {
    BASES
        .iter()
        .map(|(name, text)| BaseList::new(*name, *text))
        .collect()
}

/// The lock of the real archive, or why this machine has none.
fn real_lock() -> Result<(MachineMirror, Plan, Lock), String> {
    let profile = profile();
    let mirror = MachineMirror::new(&profile)?;
    let started = Instant::now();
    let indexes = mirror.read(&profile);
    let read = started.elapsed();
    let plan = plan(profile);
    let (lock, warnings) = pin::make(&plan, &bases(), &indexes, &BTreeMap::new(), &[])
        .unwrap_or_else(|error| panic!("{error}"));
    say(&format!(
        "indexes read and verified in {read:?}, locked {} packages in {:?} (dates up to {})",
        lock.packages.len(),
        started.elapsed() - read,
        lock.date
    ));
    for warning in warnings {
        say(&format!("warning: {warning}"));
    }
    Ok((mirror, plan, lock))
}

#[test]
fn writes_one_text_and_reads_it_back() {
    let (mirror, plan, lock) = match real_lock() {
        Ok(all) => all,
        Err(reason) => return say(&format!("NOT TESTED on the real archive: {reason}")),
    };
    let written = text::write(&lock);
    assert_eq!(text::read(&written).unwrap(), lock);
    let indexes = mirror.read(&plan.profile);
    let (again, _) = pin::make(&plan, &bases(), &indexes, &BTreeMap::new(), &[]).unwrap();
    assert_eq!(
        text::write(&again),
        written,
        "the same inputs give the same bytes"
    );
    assert!(!written.contains("file:"), "a lock names no mirror");
    let covered = lock.cover(&plan, &bases()).unwrap();
    assert_eq!(covered.wants().len(), lock.packages.len());
    for (role, roots) in ROOTS {
        let names: BTreeSet<_> = covered.packages(role).map(|p| p.name.as_str()).collect();
        assert!(
            roots.iter().all(|root| names.contains(root)),
            "{role} has its roots"
        );
        assert_eq!(
            names.contains("postgresql-15"),
            role == Role::Postgres,
            "{role}"
        );
    }
}
