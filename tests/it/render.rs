//! What a plan becomes on each node, compared with the golden trees.
//!
//! `PGBUNDLE_GOLDEN=write` writes them anew; read the difference before committing it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pgbundle::base::Role;
use pgbundle::bundle::assignment::{Assignment, Stage};
use pgbundle::library::Library;
use pgbundle::plan::{self, Plan, RoleComponents};
use pgbundle::profile::Profile;
use pgbundle::render::{
    self, Cluster, EtcdSecrets, KeyPair, NodeSecretsInput, PostgresSecrets, ProxySecrets,
};
use pgbundle::spec::{self, Node};

use crate::support::{read_source, source};

const CLUSTER: Cluster<'static> = Cluster {
    id: "0123456789abcdef0123456789abcdef",
    etcd_token: "three-node-0123456789abcdef0123456789abcdef",
    ca: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
};

/// Values that YAML would read as something else, were they not quoted.
fn secrets() -> NodeSecretsInput<'static> {
    let pair = KeyPair {
        certificate: "certificate\n",
        key: "key\n",
    };
    NodeSecretsInput {
        etcd: Some(EtcdSecrets { tls: pair }),
        postgres: Some(PostgresSecrets {
            patroni: pair,
            postgres: pair,
            superuser: "12:30:45",
            replication: "0644",
            rewind: "on",
            rest: "1e3",
        }),
        proxy: Some(ProxySecrets {
            statistics: "sentinel",
        }),
    }
}

pub fn plan_of(spec_text: &str) -> Plan {
    plan_on(spec_text, built_in("debian12"))
}

/// A profile that the program carries.
pub fn built_in(name: &str) -> Profile {
    Library::new(Vec::new())
        .profile(name)
        .expect("the built-in profile is right")
}

pub fn plan_on(spec_text: &str, profile: Profile) -> Plan {
    let spec = spec::parse(spec_text).expect("the example is right");
    let texts: BTreeMap<Role, String> = Role::ALL
        .into_iter()
        .map(|role| (role, read_source(&format!("bundles/{role}/role.toml"))))
        .collect();
    let roles = RoleComponents::parse(|role| texts[&role].as_str()).expect("roles are right");
    plan::resolve(spec, profile, None, &roles).expect("the profile serves the example")
}

fn example() -> Plan {
    example_on("debian12")
}

/// The example as `profile` makes it, whichever the spec itself names.
pub fn example_on(profile: &str) -> Plan {
    plan_on(&read_source("clusters/three-node.toml"), built_in(profile))
}

/// A golden tree: of whom, and the folder with a tree for each node.
pub struct Golden {
    pub folder: &'static str,
    profile: &'static str,
    /// The files that the operator was given, and the major that they are of.
    given: Option<(u32, &'static [&'static str])>,
}

impl Golden {
    const fn of(profile: &'static str, folder: &'static str) -> Self {
        Self {
            folder,
            profile,
            given: None,
        }
    }

    const fn given(
        profile: &'static str,
        folder: &'static str,
        major: u32,
        files: &'static [&'static str],
    ) -> Self {
        Self {
            folder,
            profile,
            given: Some((major, files)),
        }
    }

    /// The profile with the packaging in force.
    pub fn profile(&self) -> Profile {
        let profile = built_in(self.profile);
        match self.given {
            None => profile,
            Some((major, files)) => profile.given(major, files.iter().copied()).unwrap(),
        }
    }

    fn plan(&self) -> Plan {
        let spec = read_source("clusters/three-node.toml");
        let spec = match self.given {
            None => spec,
            Some((major, _)) => spec.replace("major = 15", &format!("major = {major}")),
        };
        plan_on(&spec, self.profile())
    }
}

/// All of them.
pub const GOLDEN: [Golden; 6] = [
    Golden::of("debian12", "tests/golden/three-node"),
    Golden::of("centos7", "tests/golden/three-node-centos7"),
    Golden::given(
        "centos7-vmware",
        "tests/golden/three-node-centos7-vmware",
        15,
        &[
            "vmware-postgres15-15.4-1.el7.x86_64.rpm",
            "vmware-postgres15-pgbouncer-1.16.1-1.el7.x86_64.rpm",
        ],
    ),
    Golden::given(
        "centos7-vmware",
        "tests/golden/three-node-centos7-vmware-usr",
        13,
        &["vmware-postgres-13.3-0.el7.x86_64.rpm"],
    ),
    Golden::of("el8", "tests/golden/three-node-el8"),
    Golden::of("el9", "tests/golden/three-node-el9"),
];

fn rendered(plan: &Plan, node: &Node) -> Vec<render::Rendered> {
    node.roles
        .iter()
        .map(|role| render::assignment(plan, *role, node, &CLUSTER).expect("it renders"))
        .collect()
}

/// Everything of a node, by path below its golden folder.
pub fn tree(plan: &Plan, node: &Node) -> BTreeMap<String, Vec<u8>> {
    let mut tree = BTreeMap::new();
    for role in rendered(plan, node) {
        let name = format!("assignment-{}.json", role.assignment.role);
        let mut text = serde_json::to_vec_pretty(&role.assignment).unwrap();
        text.push(b'\n');
        tree.insert(name, text);
        for (path, content) in role.files {
            if let Some(other) = tree.insert(path.as_str()[1..].to_owned(), content.clone()) {
                assert_eq!(other, content, "two roles disagree on {path}");
            }
        }
    }
    for file in render::secret_files(plan, &secrets()).expect("secrets render") {
        let path = file.path.as_str()[1..].to_owned();
        let earlier = tree.insert(path, file.content.into_bytes());
        assert!(earlier.is_none(), "{} is both secret and not", file.path);
    }
    tree
}

pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn write(folder: &Path, tree: &BTreeMap<String, Vec<u8>>) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    for (name, content) in tree {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// The first line that differs, from both sides.
fn difference(golden: &[u8], now: &[u8]) -> String {
    let (golden, now) = (
        String::from_utf8_lossy(golden),
        String::from_utf8_lossy(now),
    );
    let (mut old, mut new) = (golden.lines(), now.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let show = |line: Option<&str>| line.unwrap_or("(end)").to_owned();
                return format!("  line {number}\n  - {}\n  + {}\n", show(a), show(b));
            }
        }
    }
    "  only the ends of lines differ\n".to_owned()
}

fn compare(folder: &Path, tree: &BTreeMap<String, Vec<u8>>) -> String {
    let mut report = String::new();
    for (name, content) in tree {
        match std::fs::read(folder.join(name)) {
            Ok(golden) if golden == *content => {}
            Ok(golden) => report += &format!("{name}:\n{}", difference(&golden, content)),
            Err(error) => report += &format!("{name}: {error}\n"),
        }
    }
    for path in files_below(folder) {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
        if !tree.contains_key(name) {
            report += &format!("{name}: no longer rendered\n");
        }
    }
    report
}

#[test]
fn three_nodes_are_rendered_as_in_the_golden_trees() {
    let write_anew = std::env::var_os("PGBUNDLE_GOLDEN").is_some_and(|value| value == "write");
    let mut report = String::new();
    for golden in GOLDEN {
        let plan = golden.plan();
        for node in &plan.spec.nodes {
            let folder = source(golden.folder).join(node.name.as_str());
            let tree = tree(&plan, node);
            if write_anew {
                write(&folder, &tree);
            }
            report += &compare(&folder, &tree);
        }
    }
    assert!(report.is_empty(), "rendered differently:\n{report}");
}

#[test]
fn what_is_secret_is_in_secret_files_alone() {
    let plan = example();
    let node = &plan.spec.nodes[0];
    for role in rendered(&plan, node) {
        for (path, content) in role.files {
            let text = String::from_utf8(content).unwrap();
            for secret in ["12:30:45", "sentinel"] {
                assert!(!text.contains(secret), "{path} holds {secret}");
            }
        }
    }
    for file in render::secret_files(&plan, &secrets()).unwrap() {
        let is_public = file.path.as_str().ends_with(".pem");
        let readable = file.access.mode.bits() & 0o007 != 0;
        assert_eq!(is_public, readable, "{}", file.path);
    }
}

#[test]
fn a_node_gets_no_more_secrets_than_its_roles_need() {
    let plan = example();
    let only_etcd = NodeSecretsInput {
        etcd: secrets().etcd,
        ..NodeSecretsInput::default()
    };
    let paths: Vec<String> = render::secret_files(&plan, &only_etcd)
        .unwrap()
        .into_iter()
        .map(|file| file.path.to_string())
        .collect();
    assert_eq!(
        paths,
        ["/etc/pgbundle/tls/etcd.key", "/etc/pgbundle/tls/etcd.pem"]
    );
}

#[test]
fn every_named_file_has_its_content_and_its_digest() {
    let plan = example();
    for node in &plan.spec.nodes {
        for role in rendered(&plan, node) {
            assert_eq!(role.assignment.files.len(), role.files.len());
            for file in &role.assignment.files {
                let content = &role.files[&file.path];
                assert_eq!(file.sha256, pgbundle::base::Sha256::of(content));
                if file.stage == Stage::BeforePackages {
                    assert_eq!(file.access.owner, "root", "{}", file.path);
                }
            }
            services_are_known(&role.assignment);
        }
    }
}

fn services_are_known(assignment: &Assignment) {
    let names: Vec<&str> = assignment
        .services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    let asked = assignment
        .files
        .iter()
        .flat_map(|file| &file.services)
        .chain(assignment.facts.iter().flat_map(|fact| &fact.services));
    for service in asked {
        assert!(names.contains(&service.as_str()), "{service} is no service");
    }
}

#[test]
fn without_a_vip_there_is_no_keepalived() {
    let text = read_source("clusters/three-node.toml");
    let without: String = text
        .replace("[vip]\n", "")
        .replace("address = \"192.168.60.110/24\"\n", "");
    let plan = plan_of(&without);
    let proxy = render::assignment(&plan, Role::Proxy, &plan.spec.nodes[0], &CLUSTER).unwrap();
    assert!(!proxy.assignment.packages.contains(&"keepalived".to_owned()));
    assert!(proxy.assignment.facts.is_empty());
    assert!(
        proxy
            .files
            .keys()
            .all(|path| !path.as_str().contains("keepalived"))
    );
}

#[test]
fn roles_on_different_nodes_find_each_other() {
    let text = read_source("clusters/three-node.toml");
    let all = "roles = [\"etcd\", \"postgres\", \"proxy\"]";
    let spread = text
        .replacen(all, "roles = [\"etcd\", \"proxy\"]", 1)
        .replacen(all, "roles = [\"etcd\", \"postgres\"]", 2);
    let plan = plan_of(&spread);
    let file = |node: usize, role, path: &str| {
        let rendered = render::assignment(&plan, role, &plan.spec.nodes[node], &CLUSTER).unwrap();
        String::from_utf8(rendered.files[&path.parse().unwrap()].clone()).unwrap()
    };
    let haproxy = file(0, Role::Proxy, "/etc/haproxy/haproxy.cfg");
    assert!(!haproxy.contains("server db-1"), "{haproxy}");
    assert!(haproxy.contains("server db-3 192.168.60.103:6432"));
    let keepalived = file(0, Role::Proxy, "/etc/keepalived/keepalived.conf");
    assert!(!keepalived.contains("unicast"), "{keepalived}");
    let patroni = file(1, Role::Postgres, "/etc/patroni/conf.d/10-cluster.yml");
    assert!(patroni.contains("- 192.168.60.101:2379"));
    assert!(!patroni.contains("replicator 192.168.60.101/32"));
    let bootstrap = file(1, Role::Postgres, "/etc/pgbundle/bootstrap.json");
    assert!(bootstrap.contains("https://192.168.60.103:8008/patroni"));
    assert!(!bootstrap.contains("https://192.168.60.101:8008"));
}

#[test]
fn time_servers_are_kept_by_every_role_before_all_else() {
    let timesyncd = "[Time]\nNTP=\nNTP=10.0.0.5 ntp.example\nFallbackNTP=\n";
    let chrony = "server 10.0.0.5 iburst\nserver ntp.example iburst\n";
    for (profile, package, unit, path, servers) in [
        (
            "debian12",
            "systemd-timesyncd",
            "systemd-timesyncd.service",
            "/etc/systemd/timesyncd.conf.d/pgbundle.conf",
            timesyncd,
        ),
        (
            "centos7",
            "chrony",
            "chronyd.service",
            "/etc/chrony.conf",
            chrony,
        ),
    ] {
        let text = read_source("clusters/three-node.toml");
        let without = example_on(profile);
        let time = "[time]\nservers = [\"10.0.0.5\", \"ntp.example\"]\n";
        let plan = plan_on(&format!("{text}\n{time}"), built_in(profile));
        for (with, was) in rendered(&plan, &plan.spec.nodes[0])
            .into_iter()
            .zip(rendered(&without, &without.spec.nodes[0]))
        {
            let first = &with.assignment.services[0];
            assert_eq!(first.unit, unit);
            let asks = serde_json::to_value(&first.health).unwrap();
            assert_eq!(asks["kind"], "clock-in-step");
            let keeper = asks["keeper"].as_str();
            assert_eq!(keeper, (profile == "centos7").then_some("chrony"));
            assert!(with.assignment.packages.contains(&package.to_owned()));
            services_are_known(&with.assignment);
            let settings = String::from_utf8_lossy(&with.files[&path.parse().unwrap()]);
            assert!(settings.contains(servers), "{settings}");
            let ca = with.assignment.files.iter();
            let ca: Vec<_> = ca
                .filter(|f| f.path.as_str() == "/etc/pgbundle/ca.pem")
                .collect();
            assert!(!ca[0].services.contains(&"time".to_owned()));
            assert!(!was.files.contains_key(&path.parse().unwrap()));
            assert!(!was.assignment.services.contains(first));
        }
    }
}
