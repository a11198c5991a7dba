//! A small cluster to test with, and chance that is none.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Output};

use pgbundle::base::{Epoch, Role};
use pgbundle::bundle::manifest::{Family, OsRelease};
use pgbundle::identity::Identities;
use pgbundle::identity::random::{NoRandom, Random};
use pgbundle::plan::Plan;
use pgbundle::profile::Profile;
use pgbundle::spec::{Certificates, Node, Ports, Postgres, Spec, StaticNetwork, Synchronous, Vip};

/// Bytes that look random and are the same in each test.
pub struct Counted(pub u64);

impl Random for Counted {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoRandom> {
        for byte in bytes {
            // Knuth's MMIX generator: no secret depends on it.
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 33) as u8;
        }
        Ok(())
    }
}

pub fn day(day: i64) -> Epoch {
    let first: Epoch = "2026-11-21T00:00:00Z".parse().unwrap();
    first.plus_days(day)
}

pub fn open(folder: &Path, plan: &Plan, on: i64) -> Identities {
    let mut random = Counted(1);
    Identities::open_or_make(&folder.join("secrets"), plan, day(on), &mut random).unwrap()
}

pub fn node(name: &str, address: &str, roles: &[Role]) -> Node {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    Node {
        name: name.parse().unwrap(),
        address: address.parse().unwrap(),
        roles: roles.to_vec(),
        network: Some(StaticNetwork {
            mac: Some("52:54:00:12:34:56".to_owned()),
            gateway: Some(ip("10.0.0.1")),
            dns: vec![ip("10.0.0.2"), ip("10.0.0.3")],
        }),
    }
}

/// Three nodes with every role.
pub fn plan() -> Plan {
    let nodes = (1..=3).map(|n| node(&format!("db-{n}"), &format!("10.0.0.1{n}/24"), &Role::ALL));
    Plan {
        spec: spec(nodes.collect()),
        profile: profile(),
        architecture: "amd64".parse().unwrap(),
        postgres_major: 15,
        packages: Default::default(),
        given: vec![],
        wheel_roles: Vec::new(),
    }
}

fn spec(nodes: Vec<Node>) -> Spec {
    Spec {
        cluster: "demo".parse().unwrap(),
        profile: None,
        bases: vec![],
        postgres: Postgres {
            major: None,
            synchronous: Synchronous::On,
            parameters: Default::default(),
        },
        nodes,
        vip: Some(Vip {
            address: "10.0.0.100/24".parse().unwrap(),
            virtual_router_id: 100,
        }),
        ports: Ports {
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
        certificates: Certificates {
            ca_days: 3650,
            node_days: 825,
        },
        plain_files: vec![],
        vendor: vec![],
        places: Default::default(),
    }
}

pub fn debian() -> OsRelease {
    OsRelease {
        id: "debian".to_owned(),
        version: "12".to_owned(),
        release: None,
    }
}

fn profile() -> Profile {
    Profile {
        name: "debian12".to_owned(),
        extends: None,
        title: "Debian 12".to_owned(),
        family: Family::Deb,
        os: debian(),
        architectures: vec!["amd64".parse().unwrap()],
        postgres: pgbundle::profile::Postgres {
            majors: vec![15],
            default: 15,
            absent: Default::default(),
            locale: "C.UTF-8".to_owned(),
        },
        sources: vec![],
        bases: vec![],
        components: Default::default(),
        python: None,
        paths: Default::default(),
        disturbing_units: vec![],
        disabled_modules: vec![],
        dist: None,
        packagings: vec![],
        not_provided: vec![],
        limits: vec![],
    }
}

/// Runs a tool that judges what was made, and shows what it says if it refuses.
pub fn accepts(command: &mut Command) -> String {
    let output = run(command);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

pub fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| {
        panic!(
            "{command:?}: {error}; these tests need openssl, shellcheck, dash, busybox, curl, wget, \
             cloud-init, python3-yaml, python3-jsonschema, groff and faketime"
        )
    })
}
