//! The node program against real etcd processes on loopback, with mTLS: how a
//! member starts first, late, rebuilt and with a stale disk, and what is left
//! of a bootstrap that was cut off.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pgbundle::base::Sha256;
use pgbundle::bundle::manifest::{Layer, Manifest, ManifestFile};
use pgbundle::bundle::seal;
use pgbundle::bundle::sign::SigningKey;
use pgbundle::node::anew;
use pgbundle::node::etcd_start::{self, Start};
use pgbundle::node::guard::Remembered;
use pgbundle::node::host::Host;
use pgbundle::node::initdb;
use pgbundle::node::stop::Stop;
use pgbundle::node::system::{Answer, Call, CallFault, Real, System};
use pgbundle::node::{step, steps, unfinished, unit_waits, up};
use serde_json::{Value, json};

const DATA: &str = "var/lib/etcd/main";

/// A member with a root folder of its own, as if it were a host.
struct Member {
    name: &'static str,
    root: PathBuf,
    peer: u16,
    client: u16,
    process: Option<Child>,
}

struct Cluster {
    members: Vec<Member>,
    _folder: tempfile::TempDir,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Member {
    fn host(&self) -> Host<'static> {
        Host {
            root: self.root.clone(),
            system: &Real,
        }
    }

    fn prepare(&self) -> Result<Start, Stop> {
        etcd_start::prepare(&self.host())
    }

    /// Again after each failure: etcd takes no new member until the others
    /// have been connected for five seconds (etcd: `HealthInterval`).
    fn prepare_as_systemd_does(&self) -> Start {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            match self.prepare() {
                Ok(start) => return start,
                Err(stop) => assert!(stop.exit_code() == 3 && Instant::now() < end, "{stop}"),
            }
            thread::sleep(Duration::from_secs(1));
        }
    }

    fn file(&self, path: &str) -> String {
        self.root.join(path).display().to_string()
    }

    fn start(&mut self) {
        self.process = Some(spawned(self));
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// As a host that was made anew: no data and no marker.
    fn rebuild(&mut self) {
        self.kill();
        fs::remove_dir_all(self.root.join("var/lib/etcd")).unwrap();
        fs::create_dir_all(self.root.join(DATA)).unwrap();
    }

    fn etcdctl(&self, words: &[&str]) -> (bool, String) {
        let output = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .arg(format!("--endpoints=https://127.0.0.1:{}", self.client))
            .arg(format!("--cacert={}", self.file("tls/ca.pem")))
            .arg(format!("--cert={}", self.file("tls/node.pem")))
            .arg(format!("--key={}", self.file("tls/node.key")))
            .args(["--dial-timeout=1s", "--command-timeout=2s"])
            .args(words)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    }

    fn wait_until_healthy(&self) {
        let end = Instant::now() + Duration::from_secs(40);
        while !self.etcdctl(&["endpoint", "health"]).0 {
            let log = fs::read_to_string(self.root.join("etcd.log")).unwrap_or_default();
            assert!(Instant::now() < end, "{} is not healthy:\n{log}", self.name);
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn listed(&self) -> Vec<Value> {
        let (ok, list) = self.etcdctl(&["member", "list", "-w", "json"]);
        assert!(ok);
        serde_json::from_str::<Value>(&list).unwrap()["members"]
            .as_array()
            .unwrap()
            .clone()
    }
}

/// Starts etcd as its unit would: the decision's environment and our own.
fn spawned(member: &Member) -> Child {
    let decided = fs::read_to_string(member.root.join("run/pgbundle/etcd-start.env")).unwrap();
    let peer = format!("https://127.0.0.1:{}", member.peer);
    let client = format!("https://127.0.0.1:{}", member.client);
    let mut command = Command::new("etcd");
    for line in decided.lines() {
        let (name, value) = line.split_once('=').unwrap();
        command.env(name, value);
    }
    for kind in ["", "PEER_"] {
        command
            .env(format!("ETCD_{kind}CERT_FILE"), member.file("tls/node.pem"))
            .env(format!("ETCD_{kind}KEY_FILE"), member.file("tls/node.key"))
            .env(
                format!("ETCD_{kind}TRUSTED_CA_FILE"),
                member.file("tls/ca.pem"),
            )
            .env(format!("ETCD_{kind}CLIENT_CERT_AUTH"), "true");
    }
    let log = fs::File::create(member.root.join("etcd.log")).unwrap();
    command
        .env("ETCD_NAME", member.name)
        .env("ETCD_DATA_DIR", member.file(DATA))
        .env("ETCD_INITIAL_CLUSTER_TOKEN", "test")
        .env("ETCD_LISTEN_PEER_URLS", &peer)
        .env("ETCD_INITIAL_ADVERTISE_PEER_URLS", &peer)
        .env("ETCD_LISTEN_CLIENT_URLS", &client)
        .env("ETCD_ADVERTISE_CLIENT_URLS", &client)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Cluster {
    /// Three hosts with settings, certificates and identities; none runs.
    fn of_three() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ca, certificate, key) = certificates();
        let ports: Vec<TcpListener> = (0..6)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let port = |n: usize| ports[n].local_addr().unwrap().port();
        let names = ["a", "b", "c"];
        let members: Vec<Value> = (0..3)
            .map(|n| {
                json!({
                    "name": names[n],
                    "peer_url": format!("https://127.0.0.1:{}", port(n)),
                    "client_url": format!("https://127.0.0.1:{}", port(n + 3)),
                })
            })
            .collect();
        let tls =
            json!({ "ca": "/tls/ca.pem", "certificate": "/tls/node.pem", "key": "/tls/node.key" });
        let hosts = (0..3).map(|n| {
            let root = folder.path().join(names[n]);
            write(&root, "tls/ca.pem", &ca);
            write(&root, "tls/node.pem", &certificate);
            write(&root, "tls/node.key", &key);
            write(&root, "var/lib/pgbundle/identity.json", &identity(names[n]));
            let settings = json!({
                "format": 1, "cluster_id": CLUSTER_ID, "name": names[n],
                "data_directory": format!("/{DATA}"), "members": members, "tls": tls,
            });
            write(&root, "etc/pgbundle/etcd.json", &settings.to_string());
            fs::create_dir_all(root.join(DATA)).unwrap();
            Member {
                name: names[n],
                root,
                peer: port(n),
                client: port(n + 3),
                process: None,
            }
        });
        Self {
            members: hosts.collect(),
            _folder: folder,
        }
    }

    fn start(&mut self, n: usize) -> Start {
        let start = self.members[n].prepare_as_systemd_does();
        self.members[n].start();
        start
    }

    /// Members without data meet; each starts as soon as it has decided, as its unit does.
    fn meet(&mut self, names: &[&str]) -> Vec<Start> {
        let members = self.members.iter_mut();
        let members = members.filter(|member| names.contains(&member.name));
        thread::scope(|scope| {
            let meeting: Vec<_> = members
                .map(|member| {
                    scope.spawn(|| {
                        let start = member.prepare_as_systemd_does();
                        member.start();
                        start
                    })
                })
                .collect();
            let starts = meeting.into_iter().map(|member| member.join().unwrap());
            starts.collect()
        })
    }

    /// The first two, as when the third host is never powered on.
    fn form_without_the_third(&mut self) {
        let starts = self.meet(&["a", "b"]);
        assert!(
            starts.iter().all(|start| start.state == "new"),
            "{starts:?}"
        );
        self.members[0].wait_until_healthy();
    }
}

const CLUSTER_ID: &str = "00112233445566778899aabbccddeeff";

fn identity(node: &str) -> String {
    json!({
        "format": 1, "cluster": "demo", "cluster_id": CLUSTER_ID, "node": node,
        "address": "127.0.0.1/8", "roles": ["etcd"], "profile": "debian12", "architecture": "amd64",
        "os": {"id": "debian", "version": "12"}, "generation": 1, "date": "2026-11-01T00:00:00Z",
        "valid_from": "2026-10-31T00:00:00Z", "expires": "2036-11-01T00:00:00Z", "signer": "key",
        "node_program": {"path": "pgbundle-node", "size": 1, "sha256": "0".repeat(64)},
        "bundles": [], "sources": [], "secrets": []
    })
    .to_string()
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn certificates() -> (String, String, String) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(rcgen::DnType::CommonName, "test CA");
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut node = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    node.extended_key_usages = vec![
        rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        rcgen::ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let pem = node.signed_by(&key, &issuer).unwrap().pem();
    (ca_pem, pem, key.serialize_pem())
}

#[test]
fn a_member_that_comes_late_joins() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    let late = cluster.start(2);
    assert_eq!(late.state, "new");
    assert!(late.reason.contains("never served"), "{late:?}");
    cluster.members[2].wait_until_healthy();
    assert!(
        cluster.members[0]
            .listed()
            .iter()
            .all(|member| member.get("clientURLs").is_some())
    );
    // Stopped and started again, it goes on from its own log.
    cluster.members[2].kill();
    assert_eq!(cluster.start(2).state, "existing");
    cluster.members[2].wait_until_healthy();
}

#[test]
fn a_member_that_was_rebuilt_is_replaced_but_never_at_the_price_of_the_quorum() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    cluster.start(2);
    cluster.members[2].wait_until_healthy();
    assert!(cluster.members[0].etcdctl(&["put", "kept", "yes"]).0);
    let stale = cluster.members[2].root.join("stale");
    cluster.members[2].kill();
    fs::rename(cluster.members[2].root.join(DATA), &stale).unwrap();
    cluster.members[2].rebuild();

    // With only one of three alive, removing one would lose the quorum for good.
    cluster.members[1].kill();
    let refused = cluster.members[2].prepare().unwrap_err();
    assert_eq!(refused.exit_code(), 3, "{refused}");
    assert_eq!(cluster.members[0].listed().len(), 3);

    cluster.start(1);
    cluster.members[1].wait_until_healthy();
    let replaced = cluster.start(2);
    assert_eq!(replaced.state, "existing");
    assert!(
        replaced.reason.contains("removed and added"),
        "{replaced:?}"
    );
    cluster.members[2].wait_until_healthy();
    assert_eq!(
        cluster.members[2]
            .etcdctl(&["get", "--print-value-only", "kept"])
            .1,
        "yes"
    );
    assert_eq!(cluster.members[0].listed().len(), 3);
    assert!(
        cluster.members[0]
            .etcdctl(&["get", "--prefix", "/pgbundle-node/"])
            .1
            .is_empty()
    );

    // The disk from before its removal comes back.
    cluster.members[2].kill();
    fs::remove_dir_all(cluster.members[2].root.join(DATA)).unwrap();
    fs::rename(&stale, cluster.members[2].root.join(DATA)).unwrap();
    let refused = cluster.members[2].prepare().unwrap_err();
    assert!(refused.to_string().contains("was removed"), "{refused}");
    assert_eq!(refused.exit_code(), 1);
}

#[test]
fn a_disk_of_another_cluster_is_refused_and_a_lost_one_does_not_start_anew_in_silence() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    let mut other = Cluster::of_three();
    other.form_without_the_third();
    other.members[0].kill();
    let foreign = other.members[0].root.join(DATA);
    let third = &cluster.members[2];
    fs::remove_dir_all(third.root.join(DATA)).unwrap();
    fs::rename(foreign, third.root.join(DATA)).unwrap();
    let unmarked = third.prepare().unwrap_err().to_string();
    assert!(unmarked.contains("did not write"), "{unmarked}");
    let marker = json!({
        "cluster": "demo", "cluster_id": CLUSTER_ID, "node": "c", "generation": 1, "state": "holds-data"
    });
    write(
        &third.root,
        &format!("{DATA}.pgbundle.json"),
        &marker.to_string(),
    );
    let foreign = third.prepare().unwrap_err().to_string();
    assert!(foreign.contains("of etcd cluster"), "{foreign}");

    fs::remove_dir_all(third.root.join(DATA)).unwrap();
    cluster.members[0].kill();
    cluster.members[1].kill();
    let silent = cluster.members[2].prepare().unwrap_err();
    assert_eq!(silent.exit_code(), 3);
    let said = silent.to_string();
    assert!(said.contains("data was on this host"), "{said}");
}

/// What `status` would show beside the data folder of a member.
fn shown(member: &Member) -> String {
    fs::read_to_string(member.root.join(format!("{DATA}.waits.json"))).unwrap_or_default()
}

#[test]
fn a_host_without_data_starts_nothing_alone() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    cluster.start(2);
    cluster.members[2].wait_until_healthy();

    // Rebuilt, with no marker, and cut off from the others, which have their data.
    cluster.members.iter_mut().for_each(Member::kill);
    cluster.members[2].rebuild();
    thread::scope(|scope| {
        let third = &cluster.members[2];
        let alone = scope.spawn(|| third.prepare());
        let end = Instant::now() + Duration::from_secs(10);
        while !shown(third).contains("1 of 3 members are known to have no data") {
            assert!(Instant::now() < end, "it says nothing: {}", shown(third));
            thread::sleep(Duration::from_millis(100));
        }
        assert!(!alone.is_finished(), "it waits");
        // One that knows it returns, without a quorum.
        cluster.members[0].prepare().unwrap();
        let mut first = spawned(&cluster.members[0]);
        let told = alone.join().unwrap().unwrap_err();
        first.kill().unwrap();
        first.wait().unwrap();
        assert_eq!(told.exit_code(), 3);
        assert!(told.to_string().contains("has no quorum"), "{told}");
    });
    assert!(!cluster.members[2].root.join(DATA).join("member").exists());

    // With a quorum it is replaced.
    cluster.start(0);
    cluster.start(1);
    let replaced = cluster.start(2);
    assert!(
        replaced.reason.contains("removed and added"),
        "{replaced:?}"
    );
    cluster.members[2].wait_until_healthy();
}

#[test]
fn all_lost_is_begun_again_by_the_operators_word_alone() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    cluster.start(2);
    cluster.members[2].wait_until_healthy();
    let word = |cluster: &Cluster| anew::allow(&cluster.members[0].host(), "demo");
    let refused = word(&cluster).unwrap_err();
    assert!(
        refused.to_string().contains("nothing to allow"),
        "{refused}"
    );

    // Its own marker is gone, too; what PostgreSQL's says of this host is enough.
    let lose = |member: &mut Member| {
        member.rebuild();
        write(
            &member.root,
            "etc/pgbundle/bootstrap.json",
            &bootstrap(member).to_string(),
        );
        let full = json!({
            "cluster": "demo", "cluster_id": CLUSTER_ID, "node": member.name, "generation": 1, "state": "holds-data"
        });
        write(&member.root, "pg/main.pgbundle.json", &full.to_string());
    };
    cluster.members.iter_mut().for_each(lose);
    for member in &cluster.members {
        let waits = member.prepare().unwrap_err();
        assert_eq!(waits.exit_code(), 3, "{waits}");
        assert!(
            shown(member).contains("allow-new-etcd demo"),
            "{}",
            shown(member)
        );
    }
    let other = anew::allow(&cluster.members[0].host(), "another").unwrap_err();
    assert_eq!(other.exit_code(), 2);

    word(&cluster).unwrap();
    let first = cluster.start(0);
    assert!(first.reason.contains("the operator"), "{first:?}");
    assert_eq!(shown(&cluster.members[0]), "");
    cluster.members[0].wait_until_healthy();
    for n in [1, 2] {
        assert_eq!(cluster.start(n).state, "existing");
        cluster.members[n].wait_until_healthy();
    }
    assert_eq!(cluster.members[0].listed().len(), 3);
    // The word counted once.
    cluster.members[0].kill();
    let again = cluster.start(0);
    assert!(again.once.is_empty(), "{again:?}");
}

#[test]
fn patroni_is_not_started_over_data_before_etcd_remembers_the_cluster_or_the_operator_says_so() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    let member = &cluster.members[0];
    let settings = bootstrap(member).to_string();
    write(&member.root, "etc/pgbundle/bootstrap.json", &settings);
    let full = json!({
        "cluster": "demo", "cluster_id": CLUSTER_ID, "node": "a", "generation": 1, "state": "holds-data"
    });
    write(&member.root, "pg/main.pgbundle.json", &full.to_string());
    // Who has data sets this key before anybody leads: it is no history.
    assert!(
        member
            .etcdctl(&["put", "/pgbundle/demo/initialize", "7301"])
            .0
    );
    let waits_until = |what: &dyn Fn()| {
        thread::scope(|scope| {
            let waiting = scope.spawn(|| anew::wait_for_history(&member.host()));
            let note = member.root.join("pg/main.waits.json");
            let end = Instant::now() + Duration::from_secs(20);
            while !fs::read_to_string(&note).is_ok_and(|said| said.contains("allow-new-etcd demo"))
            {
                assert!(Instant::now() < end, "nothing is said");
                thread::sleep(Duration::from_millis(100));
            }
            assert!(!waiting.is_finished());
            what();
            waiting.join().unwrap().unwrap();
            assert!(!note.exists());
        });
    };
    waits_until(&|| {
        anew::allow(&member.host(), "demo").unwrap();
    });
    // The word counted once; from now on etcd tells.
    waits_until(&|| assert!(member.etcdctl(&["put", "/pgbundle/demo/config", "{}"]).0));
    anew::wait_for_history(&member.host()).unwrap();
}

#[test]
fn a_majority_lost_is_begun_again_from_the_disk_that_is_left() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    cluster.start(2);
    cluster.members[2].wait_until_healthy();
    // etcd takes what its disk knows to be committed, which the very last entry may not be.
    for key in ["kept", "last"] {
        assert!(cluster.members[0].etcdctl(&["put", key, "yes"]).0);
    }
    cluster.members.iter_mut().for_each(Member::kill);
    for member in &cluster.members[1..] {
        fs::remove_dir_all(member.root.join(DATA).join("member")).unwrap();
        // As `up` leaves it once etcd has served.
        let full = json!({
            "cluster": "demo", "cluster_id": CLUSTER_ID, "node": member.name, "generation": 1, "state": "holds-data"
        });
        let path = format!("{DATA}.pgbundle.json");
        write(&member.root, &path, &full.to_string());
        assert_eq!(member.prepare().unwrap_err().exit_code(), 3);
    }
    anew::allow(&cluster.members[0].host(), "demo").unwrap();
    cluster.start(0);
    cluster.members[0].wait_until_healthy();
    for n in [1, 2] {
        assert_eq!(cluster.start(n).state, "existing");
        cluster.members[n].wait_until_healthy();
    }
    let kept = cluster.members[2].etcdctl(&["get", "--print-value-only", "kept"]);
    assert_eq!(kept.1, "yes");
}

/// Where this machine's etcd answers in JSON; 3.4 does at the path of 3.3, too,
/// and at that of its successors.
fn gateways() -> &'static [&'static str] {
    let told = Command::new("etcd").arg("--version").output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let version = told.split_whitespace().nth(2).unwrap();
    match version.rsplit_once('.').unwrap().0 {
        "3.3" => &["/v3beta"],
        "3.4" => &["/v3beta", "/v3"],
        _ => &["/v3"],
    }
}

/// The settings of `initdb`; the first etcd of the list is never there.
fn bootstrap(member: &Member) -> Value {
    json!({
        "format": 1, "cluster": "demo", "cluster_id": CLUSTER_ID, "name": "a",
        "data_directory": "/pg/main", "initdb": "/bin/false", "arguments": [], "peers": [],
        "etcd": ["https://127.0.0.1:1", format!("https://127.0.0.1:{}", member.client)],
        "etcd_gateway": gateways().last(),
        "initialize_key": "/pgbundle/demo/initialize",
        "tls": { "ca": "/tls/ca.pem", "certificate": "/tls/node.pem", "key": "/tls/node.key" },
    })
}

/// A node whose first start was cut off, with an etcd that answers.
struct CutOff<'c> {
    member: &'c Member,
}

impl CutOff<'_> {
    const KEY: &'static str = "/pgbundle/demo/initialize";
    const HISTORY: u64 = 7_301;

    fn settings(&self, peers: &Value) {
        self.settings_through(gateways()[0], peers);
    }

    fn settings_through(&self, gateway: &str, peers: &Value) {
        let mut settings = bootstrap(self.member);
        settings["peers"] = peers.clone();
        settings["etcd_gateway"] = gateway.into();
        let path = "etc/pgbundle/bootstrap.json";
        write(&self.member.root, path, &settings.to_string());
    }

    /// What is on the disk; `key` is the number of the key that the node held.
    fn left(&self, state: &str, key: Option<&str>) {
        let marker = json!({
            "cluster": "demo", "cluster_id": CLUSTER_ID, "node": "a", "generation": 1,
            "state": state, "initialize": key,
        });
        let root = &self.member.root;
        write(root, "pg/main.pgbundle.json", &marker.to_string());
        write(root, "pg/main/PG_VERSION", "15\n");
        let control = root.join("pg/main/global/pg_control");
        fs::create_dir_all(control.parent().unwrap()).unwrap();
        fs::write(control, Self::HISTORY.to_ne_bytes()).unwrap();
    }

    /// Puts the key and gives its number.
    fn key(&self, value: &str) -> String {
        self.member.etcdctl(&["del", Self::KEY]);
        assert!(self.member.etcdctl(&["put", Self::KEY, value]).0);
        let found = self.member.etcdctl(&["get", Self::KEY, "-w", "json"]).1;
        let found: Value = serde_json::from_str(&found).unwrap();
        found["kvs"][0]["create_revision"].to_string()
    }

    fn has_key(&self) -> bool {
        !self.member.etcdctl(&["get", Self::KEY]).1.is_empty()
    }

    fn marked(&self) -> String {
        unfinished::mark(&self.member.host()).unwrap()
    }

    fn refused(&self) -> String {
        let stop = unfinished::mark(&self.member.host()).unwrap_err();
        let held_back = unit_waits::held_back(&self.member.host()).unwrap();
        assert!(
            held_back[0].of.contains(&stop.reasons()[0]),
            "{held_back:?}"
        );
        assert!(self.has_data(), "nothing was touched");
        stop.to_string()
    }

    fn has_data(&self) -> bool {
        self.member.root.join("pg/main/PG_VERSION").exists()
    }

    fn state(&self) -> String {
        let marker = fs::read_to_string(self.member.root.join("pg/main.pgbundle.json")).unwrap();
        let marker: Value = serde_json::from_str(&marker).unwrap();
        marker["state"].as_str().unwrap().to_owned()
    }

    fn outlived(&self) -> std::process::Child {
        let folder = self.member.root.join("pg/main");
        let outlived = Command::new("sleep").arg("60").current_dir(folder).spawn();
        let outlived = outlived.unwrap();
        let lock = format!("{}\n", outlived.id());
        write(&self.member.root, "pg/main/postmaster.pid", &lock);
        outlived
    }
}

fn silent_peer() -> Value {
    json!([{"name": "b", "address": "127.0.0.1", "url": "https://127.0.0.1:1/patroni"}])
}

#[test]
fn a_first_start_that_was_cut_off_is_put_aside_without_asking_anybody() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    let node = CutOff {
        member: &cluster.members[0],
    };
    // Its own key: the others would wait for it for ever.
    let gateways = gateways().iter().cycle();
    for (state, gateway) in ["beginning", "formed"].into_iter().zip(gateways) {
        node.settings_through(gateway, &silent_peer());
        let own = node.key("");
        node.left(state, Some(&own));
        let mut outlived = node.outlived();
        assert!(node.refused().contains("outlived Patroni"));
        outlived.kill().unwrap();
        outlived.wait().unwrap();
        assert!(node.marked().contains("may begin again"), "{state}");
        assert!(!node.has_data() && !node.has_key(), "{state}");
        assert_eq!(node.state(), "empty");
    }
    // Cut off before initdb, while it waited for leave.
    let own = node.key("");
    node.left("empty", Some(&own));
    fs::remove_dir_all(node.member.root.join("pg/main")).unwrap();
    assert!(node.marked().contains("nothing was ever here"));
    assert!(!node.has_key());
    // Another's key stays; what was never served goes all the same.
    node.key("");
    node.left("beginning", Some("1"));
    assert!(node.marked().contains("may begin again"));
    assert!(node.has_key() && !node.has_data());
    // The cluster was formed by another meanwhile.
    node.key("7302");
    node.left("beginning", Some("1"));
    assert!(node.marked().contains("may begin again"));
    assert!(node.has_key() && !node.has_data());
}

#[test]
fn a_first_start_that_was_ended_is_kept_and_never_set_against_another() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    let node = CutOff {
        member: &cluster.members[0],
    };
    node.settings(&silent_peer());
    for state in ["beginning", "formed"] {
        node.key("7301");
        node.left(state, Some("1"));
        assert!(node.marked().contains("completed"), "{state}");
        assert_eq!(node.state(), "holds-data");
        assert_eq!(unit_waits::held_back(&node.member.host()).unwrap(), []);
    }
    node.key("7302");
    node.left("formed", Some("1"));
    assert!(node.refused().contains("another history"));
    // etcd was lost: what was served from here may be all that there is.
    node.member.etcdctl(&["del", CutOff::KEY]);
    assert!(node.refused().contains("b does not answer"));
    node.settings(&json!([]));
    assert!(node.marked().contains("goes on with it"));
    assert_eq!(node.state(), "holds-data");
    assert!(node.has_data());
}

#[test]
fn from_the_last_command_of_a_bootstrap_on_somebody_may_be_served() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    let node = CutOff {
        member: &cluster.members[0],
    };
    node.settings(&silent_peer());
    let finish = |command: &str| initdb::finish(&node.member.host(), &[command.to_owned()]);
    let own = node.key("");
    node.left("beginning", Some(&own));
    assert!(finish("false").is_err());
    assert_eq!(node.state(), "beginning");
    finish("true").unwrap();
    assert_eq!(node.state(), "formed");
    // Whoever calls it at another time is stopped.
    assert!(finish("true").is_err());
}

#[test]
fn a_copy_that_was_cut_off_is_copied_again() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    let node = CutOff {
        member: &cluster.members[0],
    };
    node.settings(&silent_peer());
    let root = &node.member.root;
    let label = || write(root, "pg/main/backup_label", "START WAL LOCATION\n");
    for state in ["empty", "holds-data"] {
        node.left(state, None);
        label();
        fs::write(root.join("pg/main/global/pg_control"), "").unwrap();
        assert!(node.marked().contains("copied again"), "{state}");
        assert!(!node.has_data());
        assert_eq!(node.state(), state);
        assert!(root.join("pg/main.unfinished-copy/PG_VERSION").exists());
        // Whole to look at, but never started: only a leader has all of it for sure.
        node.left(state, None);
        label();
        assert!(node.refused().contains("there is none yet"), "{state}");
        assert!(
            node.member
                .etcdctl(&["put", "/pgbundle/demo/leader", "b"])
                .0
        );
        assert!(node.marked().contains("copied again"), "{state}");
        node.member.etcdctl(&["del", "/pgbundle/demo/leader"]);
    }
    // PostgreSQL was started on it.
    node.left("empty", None);
    assert!(node.marked().contains("holds data of this cluster now"));
    assert_eq!(node.state(), "holds-data");
}

#[test]
fn the_guard_reads_from_etcd_whether_the_cluster_was_formed() {
    let mut cluster = Cluster::of_three();
    cluster.form_without_the_third();
    let member = &cluster.members[0];
    let settings = serde_json::from_value(bootstrap(member)).unwrap();
    let after = |key: &str| {
        assert!(member.etcdctl(&["put", key, "x"]).0);
        initdb::remembered(&member.host(), &settings)
    };
    assert_eq!(after("/pgbundle/demo/initialize"), Remembered::Nothing);
    assert_eq!(after("/pgbundle/demo2/leader"), Remembered::Nothing);
    assert_eq!(after("/pgbundle/demo/config"), Remembered::History);
    assert_eq!(after("/pgbundle/demo/leader"), Remembered::Leader);
    cluster.members.iter_mut().for_each(Member::kill);
    let silent = initdb::remembered(&cluster.members[0].host(), &settings);
    assert!(matches!(silent, Remembered::Unknown(_)), "{silent:?}");
}

/// Says yes to everything and remembers what it was asked.
#[derive(Default)]
struct Recording(std::cell::RefCell<Vec<String>>);

impl System for Recording {
    fn ask(&self, call: &Call) -> Result<Answer, CallFault> {
        self.0.borrow_mut().push(call.to_string());
        Ok(Answer {
            status: Some(0),
            ..Answer::default()
        })
    }
}

fn sealed_bundle(key: &SigningKey) -> Vec<u8> {
    let assignment = json!({
        "format": 1, "node": "a", "role": "etcd", "packages": [], "guarded_units": [],
        "masked_units": [], "directories": [], "files": [], "facts": [], "blocks": [], "ports": [], "data": [],
        "services": [],
    })
    .to_string();
    let files = [
        ("packages/Packages", ""),
        ("cluster/ca.pem", "the CAs"),
        ("cluster/nodes/a/assignment.json", assignment.as_str()),
    ];
    let layer = |prefix: &str| {
        let files = files.iter().filter(|(path, _)| path.starts_with(prefix));
        Layer::seal(files.map(|(path, text)| ManifestFile {
            path: path.parse().unwrap(),
            size: text.len() as u64,
            sha256: Sha256::of(text.as_bytes()),
        }))
        .unwrap()
    };
    let manifest: Manifest = serde_json::from_value(json!({
        "format": 1, "cluster": "demo", "cluster_id": CLUSTER_ID, "role": "etcd",
        "profile": "debian12", "architecture": "amd64", "generation": 1,
        "date": "2026-11-01T00:00:00Z", "os": {"id": "debian", "version": "12"}, "family": "deb",
        "packages": layer("packages/"), "cluster_layer": layer("cluster/"), "package_list": [],
    }))
    .unwrap();
    let sealed = seal::manifest(&manifest, key);
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        Default::default(),
    ));
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, bytes).unwrap();
    };
    add("manifest.json", &sealed.document);
    add("manifest.sig", &sealed.signature);
    files
        .iter()
        .for_each(|(path, text)| add(path, text.as_bytes()));
    archive.into_inner().unwrap().finish().unwrap()
}

/// A root with a planted identity that pins `pinned` and a folder with `delivered`.
fn host_with_a_bundle(key: &SigningKey, pinned: &[u8], delivered: &[u8]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let mut identity: Value = serde_json::from_str(&identity("a")).unwrap();
    identity["signer"] = json!(key.public().to_pem());
    identity["sources"] = json!(["folder:/srv"]);
    identity["bundles"] = json!([{ "role": "etcd", "file": {
        "path": "bundles/etcd.tar.gz", "size": pinned.len(), "sha256": Sha256::of(pinned),
    }}]);
    write(
        root.path(),
        "var/lib/pgbundle/seed/identity.json",
        &identity.to_string(),
    );
    fs::create_dir_all(root.path().join("srv/bundles")).unwrap();
    fs::write(root.path().join("srv/bundles/etcd.tar.gz"), delivered).unwrap();
    root
}

fn bring(root: &Path, system: &dyn System) -> Result<(), Stop> {
    let host = Host {
        root: root.to_owned(),
        system,
    };
    up::up(&host, Some(Duration::ZERO), false)
}

fn report(root: &Path) -> String {
    fs::read_to_string(root.join("var/lib/pgbundle/report.json")).unwrap()
}

#[test]
fn a_bundle_is_unpacked_as_it_was_sealed() {
    let key = SigningKey::from_random(&[7; 32]).unwrap();
    let bundle = sealed_bundle(&key);
    let root = host_with_a_bundle(&key, &bundle, &bundle);
    let system = Recording::default();
    let host = Host {
        root: root.path().to_owned(),
        system: &system,
    };
    let mut context = up::context(&host, Some(Duration::ZERO));
    for step in steps::all().iter().take(2) {
        assert!(step::run(step, &mut context).unwrap(), "{}", step.name);
    }
    assert_eq!(context.bundles.len(), 1);
    let folder = root
        .path()
        .join(format!("var/lib/pgbundle/bundles/{}", Sha256::of(&bundle)));
    assert_eq!(fs::read(folder.join("cluster/ca.pem")).unwrap(), b"the CAs");
    for step in steps::all().iter().take(2) {
        assert!(
            !step::run(step, &mut context).unwrap(),
            "{} ran twice",
            step.name
        );
    }
}

#[test]
fn an_altered_bundle_stops_the_host_before_anything_is_started() {
    let key = SigningKey::from_random(&[7; 32]).unwrap();
    let bundle = sealed_bundle(&key);
    let mut altered = bundle.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    let root = host_with_a_bundle(&key, &bundle, &altered);
    let system = Recording::default();
    let stop = bring(root.path(), &system).unwrap_err();
    assert_eq!(stop.exit_code(), 1);
    assert!(
        report(root.path()).contains("was altered"),
        "{}",
        report(root.path())
    );
    assert!(report(root.path()).contains("\"refused\""));
    // It was asked whether this host has its address, and nothing was done.
    assert_eq!(*system.0.borrow(), ["ip -o addr show"]);
}

#[test]
fn a_bundle_that_another_key_signed_is_refused_although_its_digest_is_pinned() {
    let key = SigningKey::from_random(&[7; 32]).unwrap();
    let other = sealed_bundle(&SigningKey::from_random(&[8; 32]).unwrap());
    let root = host_with_a_bundle(&key, &other, &other);
    let stop = bring(root.path(), &Recording::default()).unwrap_err();
    assert_eq!(stop.exit_code(), 1);
    assert!(stop.to_string().contains("not signed by"), "{stop}");
}

#[test]
fn a_bundle_that_is_nowhere_is_waited_for_and_named() {
    let key = SigningKey::from_random(&[7; 32]).unwrap();
    let bundle = sealed_bundle(&key);
    let root = host_with_a_bundle(&key, &bundle, &bundle);
    fs::remove_file(root.path().join("srv/bundles/etcd.tar.gz")).unwrap();
    let stop = bring(root.path(), &Recording::default()).unwrap_err();
    assert_eq!(stop.exit_code(), 3);
    assert!(stop.to_string().contains("folder /srv"), "{stop}");
}
