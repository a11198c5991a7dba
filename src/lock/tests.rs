//! Locks of a hand-made archive: slices, companions, several bases, the text
//! and what it refuses, and what a plan that moved on is told.

use std::collections::BTreeMap;

use super::cover::Gap;
use super::pin::{PinError, make};
use super::*;
use crate::base::digest::Digested;
use crate::bundle::manifest::OsRelease;
use crate::plan::Plan;
use crate::profile::{AptArchive, Profile, Repository, Source};
use crate::repo::BaseList;
use crate::repo::deb::index::VerifiedIndex;
use crate::repo::index::{Evidence, Indexes};
use crate::spec;

fn archive(lines: &[&str]) -> VerifiedIndex {
    let stanza = |line: &&str| {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        let fields: String = parts.map(|field| format!("{field}\n")).collect();
        let digest = Sha256::of(line.as_bytes());
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\n{fields}\
             Filename: pool/main/{name}_{version}.deb\nSize: 7\nInstalled-Size: 2\nSHA256: {digest}\n\
             Description: it's ''' \\ \"all\"\n\n"
        )
    };
    VerifiedIndex {
        source: "example".to_owned(),
        date: "2026-11-20T02:11:10Z".parse().unwrap(),
        key: "0123".to_owned(),
        evidence: vec![Evidence {
            path: "dists/one/InRelease".to_owned(),
            size: 6,
            sha256: Sha256::of(b"signed"),
            content: None,
        }],
        packages: vec![Digested::of(lines.iter().map(stanza).collect())],
    }
}

fn base(name: &str, lines: &[&str]) -> BaseList {
    BaseList::new(name, archive(lines).packages[0].bytes())
}

fn plan(roots: &[(Role, &[&str])]) -> Plan {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Plan {
        spec: empty_spec(),
        profile: profile(),
        architecture: "amd64".parse().unwrap(),
        postgres_major: 15,
        packages: roots
            .iter()
            .map(|(role, roots)| (*role, names(roots)))
            .collect(),
        given: Vec::new(),
        wheel_roles: Vec::new(),
    }
}

fn profile() -> Profile {
    Profile {
        name: "example".to_owned(),
        extends: None,
        title: String::new(),
        family: Family::Deb,
        os: OsRelease {
            id: "example".to_owned(),
            version: "1".to_owned(),
            release: None,
        },
        architectures: vec!["amd64".parse().unwrap()],
        postgres: crate::profile::Postgres {
            majors: vec![15],
            default: 15,
            absent: Default::default(),
            locale: "C.UTF-8".to_owned(),
        },
        sources: vec![Source {
            id: "example".to_owned(),
            keys: vec!["0123".to_owned()],
            mirrors: vec![],
            kind: Repository::Apt(AptArchive {
                suites: vec!["one".to_owned()],
                components: vec!["main".to_owned()],
                origin: "Example".to_owned(),
                codenames: vec!["one".to_owned()],
            }),
        }],
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

fn empty_spec() -> spec::Spec {
    spec::Spec {
        cluster: "c".parse().unwrap(),
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
            postgres: 1,
            pgbouncer: 2,
            patroni: 3,
            etcd_client: 4,
            etcd_peer: 5,
            read_write: 6,
            replicas: 7,
            synchronous: 8,
            asynchronous: 9,
            statistics: 10,
        },
        time_servers: vec![],
        delivery: vec![],
        certificates: spec::Certificates {
            ca_days: 2,
            node_days: 1,
        },
        plain_files: vec![],
        vendor: vec![],
        places: Default::default(),
    }
}

fn lock(plan: &Plan, bases: &[BaseList], archive_lines: &[&str]) -> Result<Lock, PinError> {
    let indexes = Indexes::Apt(vec![archive(archive_lines)]);
    let (lock, warnings) = make(plan, bases, &indexes, &BTreeMap::new(), &[])?;
    assert_eq!(warnings, []);
    Ok(lock)
}

fn rows(lock: &Lock) -> Vec<String> {
    let row = |p: &LockedPackage| format!("{} {} {:?}", p.name, p.version, p.roles);
    lock.packages.iter().map(row).collect()
}

const ARCHIVE: [&str; 5] = [
    "etcd 3; Depends: common",
    "haproxy 2; Depends: common, perl",
    "common 1",
    "perl 5; Depends: perl-base (= 5)",
    "perl-base 5",
];
const ROOTS: [(Role, &[&str]); 2] = [(Role::Etcd, &["etcd"]), (Role::Proxy, &["haproxy"])];

#[test]
fn slices_by_role_and_brings_companions_of_the_base() {
    let lock = lock(&plan(&ROOTS), &[base("b", &["perl-base 5"])], &ARCHIVE).unwrap();
    assert_eq!(
        rows(&lock),
        [
            "common 1 [Etcd, Proxy]",
            "etcd 3 [Etcd]",
            "haproxy 2 [Proxy]",
            "perl 5 [Proxy]",
            "perl-base 5 [Proxy]"
        ]
    );
    assert!(
        lock.packages[0]
            .stanza
            .contains("\nFilename: pool/common_1.deb\n")
    );
    assert_eq!(lock.packages[0].path, "pool/main/common_1.deb");
    assert_eq!(lock.packages[0].installed_size, 2048);
}

#[test]
fn unites_the_closures_of_several_bases() {
    let bases = [
        base("new", &["perl-base 5", "common 1"]),
        base("old", &["perl-base 4"]),
    ];
    let both = lock(&plan(&ROOTS), &bases, &ARCHIVE).unwrap();
    assert_eq!(both.packages.len(), 5);
    let newer = base("newer", &["perl-base 6"]);
    let why = lock(&plan(&ROOTS), &[newer], &ARCHIVE).unwrap_err();
    assert!(matches!(why, PinError::Solve { .. }));
    let why = std::error::Error::source(&why).unwrap().to_string();
    assert!(
        why.contains("perl 5 needs `perl-base (= 5)`") && why.contains("downgraded"),
        "{why}"
    );
}

#[test]
fn writes_one_text_reads_it_back_and_refuses_edits() {
    let lock = lock(&plan(&ROOTS), &[base("b", &[])], &ARCHIVE).unwrap();
    let written = text::write(&lock);
    assert_eq!(text::read(&written).unwrap(), lock);
    assert_eq!(text::write(&text::read(&written).unwrap()), written);
    let edits = [
        ("asked for", "asked fOr", "not the digest of `asked`"),
        ("name = \"common\"", "name = \"zommon\"", "not sorted"),
        (
            "[\"etcd\", \"proxy\"]",
            "[\"proxy\", \"etcd\"]",
            "not sorted",
        ),
        ("size = 7", "size = 7\nextra = 1", "unknown field `extra`"),
        ("version = 1", "version = 2", "this program reads format 1"),
        ("size = 7", "size = 8", "the `Size` of its stanza"),
    ];
    for (from, to, reason) in edits {
        assert!(written.contains(from), "{from}");
        let why = text::read(&written.replacen(from, to, 1))
            .unwrap_err()
            .to_string();
        assert!(why.contains(reason), "{why}");
    }
}

#[test]
fn covers_what_it_was_made_for_and_says_what_else_is_asked() {
    let (asked, bases) = (plan(&ROOTS), [base("b", &[])]);
    let lock = lock(&asked, &bases, &ARCHIVE).unwrap();
    let covered = lock.cover(&asked, &bases).unwrap();
    assert_eq!(covered.wants().len(), 5);
    assert_eq!(covered.packages(Role::Etcd).count(), 2);
    let more = plan(&[(Role::Etcd, &["etcd", "etcd-client"]), (Role::Proxy, &[])]);
    let changed = [base("b", &["common 1"])];
    let gaps = lock.cover(&more, &changed).unwrap_err();
    assert_eq!(gaps.len(), 3, "{gaps:?}");
    assert!(gaps.contains(&Gap::New(
        "the package etcd-client of role etcd is asked for".to_owned()
    )));
    assert!(gaps.contains(&Gap::Dropped(
        "the package haproxy of role proxy is asked for".to_owned()
    )));
    assert!(
        gaps[0]
            .to_string()
            .starts_with("changed since the lock was made: the base b is sha256 ")
    );
}

#[test]
fn refuses_to_lock_without_a_base() {
    assert!(matches!(
        lock(&plan(&ROOTS), &[], &ARCHIVE),
        Err(PinError::NoBase)
    ));
}
