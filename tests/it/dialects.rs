//! Whether each program understands what is rendered for it.
//!
//! The tables in `tests/dialects/tables` are what the programs' own sources
//! know (`tests/dialects/extract.py`). Which of them judges a profile's files
//! the profile's own dialects say.

mod haproxy;
mod keepalived;
mod systemd;
mod table;

use std::collections::BTreeMap;

use crate::render::{GOLDEN, built_in, files_below};
use crate::support::source;
use pgbundle::profile::Profile;
use pgbundle::seed::nocloud::network_config;
use pgbundle::spec::Node;
use table::Table;

/// What is rendered for programs that read anything, or whose own tests judge it:
/// JSON, SQL, YAML and shell have their parsers, certificates theirs.
const OTHERS: &[&str] = &[
    ".json",
    ".key",
    ".pem",
    ".sh",
    ".sql",
    ".yml",
    "/52pgbundle",
    "/createcluster.d/00-pgbundle.conf",
    "/needrestart/conf.d/pgbundle.conf",
    "/tmpfiles.d/pgbundle.conf",
];

/// The tables of a profile, by project.
fn tables(profile: &Profile) -> BTreeMap<&'static str, Table> {
    let table = |project: &'static str| {
        let dialect = profile.components[project].dialect.as_ref();
        let dialect = dialect.unwrap_or_else(|| panic!("{project} has a dialect"));
        (project, Table::read(project, &dialect.to_string()))
    };
    let projects = [
        "systemd",
        "haproxy",
        "keepalived",
        "etcd",
        "patroni",
        "pgbouncer",
    ];
    projects.map(table).into()
}

/// What of a file is not understood; none: no table is for such files.
fn judge(tables: &BTreeMap<&'static str, Table>, path: &str, text: &str) -> Option<Vec<String>> {
    let name = path.rsplit('/').next().unwrap_or(path);
    Some(match name {
        _ if name.ends_with(".service") => systemd::judge(&tables["systemd"], text),
        "haproxy.cfg" | "secrets.cfg" => haproxy::judge(&tables["haproxy"], text),
        "keepalived.conf" => keepalived::judge(&tables["keepalived"], text),
        "etcd.env" => etcd(&tables["etcd"], text),
        "patroni" | "patronictl" => patroni(&tables["patroni"], text),
        "pgbouncer.ini" => pgbouncer(&tables["pgbouncer"], text),
        _ => return None,
    })
}

/// etcd(1): every flag has a variable.
fn etcd(table: &Table, text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with("ETCD_"));
    let flags = lines.filter_map(|line| line.strip_prefix("ETCD_")?.split_once('='));
    let flags = flags.map(|(name, _)| name.to_ascii_lowercase().replace('_', "-"));
    flags.filter(|flag| !table.knows(flag)).collect()
}

/// Our program puts a function in the place of one of Patroni's: both must be of a kind.
fn patroni(table: &Table, text: &str) -> Vec<String> {
    let kind = match text.contains("@staticmethod") {
        true => "staticmethod",
        false => "method",
    };
    let replaced = text.lines().filter_map(|line| line.split_once(" = _with_"));
    let words: Vec<_> = replaced.map(|(name, _)| format!("{kind} {name}")).collect();
    assert_eq!(words.len(), 1, "one function is replaced:\n{text}");
    words
        .into_iter()
        .filter(|word| !table.knows(word))
        .collect()
}

/// pgbouncer(5): `key = value` in sections; a database has settings of its own.
fn pgbouncer(table: &Table, text: &str) -> Vec<String> {
    let (mut section, mut unknown) = ("", Vec::new());
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(';')) {
            let keys: Vec<&str> = match section {
                "databases" => value.split_whitespace().collect(),
                _ => vec![key],
            };
            let names = keys.iter().filter_map(|key| key.split('=').next());
            let words = names.map(|name| format!("{section} {}", name.trim()));
            unknown.extend(words.filter(|word| !table.knows(word)));
        }
    }
    unknown
}

/// What of the golden tree in `folder` is not understood by the programs of `profile`.
fn unknown_in(folder: &str, profile: &Profile) -> Vec<String> {
    let tables = tables(profile);
    let (mut unknown, mut judged) = (Vec::new(), 0);
    for file in files_below(&source(folder)) {
        let path = file.to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        match judge(&tables, path, &text) {
            Some(words) => {
                judged += 1;
                unknown.extend(words.into_iter().map(|word| format!("{path}: {word}")));
            }
            None => {
                let is_other = OTHERS.iter().any(|end| path.ends_with(end));
                assert!(
                    is_other,
                    "{path}: say which table is for it, or that none is"
                );
            }
        }
    }
    // On each of three nodes: six units, five files of settings, two programs.
    assert_eq!(judged, 39, "{folder}");
    unknown
}

#[test]
fn every_program_knows_all_that_is_rendered_for_it() {
    for golden in GOLDEN {
        let unknown = unknown_in(golden.folder, &golden.profile());
        assert!(unknown.is_empty(), "{}: {unknown:#?}", golden.folder);
    }
}

#[test]
fn what_debian_12_is_given_centos_7_would_not_understand() {
    let unknown = unknown_in("tests/golden/three-node", &built_in("centos7")).join("\n");
    for newer in [
        "etcd.service: exec-prefix +",
        "etcd.service: timeout infinity",
        "etcd.service: Service.ProtectKernelTunables",
        "patroni.service: Service.RuntimeDirectoryPreserve",
        "patroni.service: Unit.StartLimitIntervalSec",
        "haproxy.cfg: global hard-stop-after",
        "haproxy.cfg: default-server check",
        "keepalived.conf: vrrp_instance check_unicast_src",
        "etcd.env: pre-vote",
        "patronictl: staticmethod Etcd3Client._handle_server_response",
    ] {
        assert!(
            unknown.contains(newer),
            "{newer} was passed over:\n{unknown}"
        );
    }
}

#[test]
fn what_is_newer_is_seen_wherever_it_stands() {
    let centos = tables(&built_in("centos7"));
    let vmware = tables(&built_in("centos7-vmware"));
    let planted = [
        (
            "x.service",
            "[Service]\nStateDirectory=etcd\n",
            "Service.StateDirectory",
        ),
        (
            "x.service",
            "[Service]\nExecStart=!!/bin/true\n",
            "exec-prefix !",
        ),
        ("x.service", "User=etcd\n", " User"),
        (
            "haproxy.cfg",
            "resolvers dns\n    nameserver a 10.0.0.1:53\n",
            "resolvers",
        ),
        (
            "haproxy.cfg",
            "listen a\n    http-check send meth GET\n",
            "listen http-check",
        ),
        (
            "haproxy.cfg",
            "listen a\n    server b 10.0.0.1:1 check-sni x check\n",
            "server check-sni",
        ),
        (
            "haproxy.cfg",
            "listen a\n    bind *:1 ssl-min-ver TLSv1.2\n",
            "bind ssl-min-ver",
        ),
        (
            "keepalived.conf",
            "vrrp_script a {\n    init_file b\n}\n",
            "vrrp_script init_file",
        ),
        (
            "keepalived.conf",
            "vrrp_track_process a {\n}\n",
            "vrrp_track_process",
        ),
        ("etcd.env", "ETCD_LOGGER=zap\n", "logger"),
    ];
    for (path, text, word) in planted {
        assert_eq!(judge(&centos, path, text).unwrap(), [word], "{text}");
    }
    let database = "[databases]\n* = host=/run auth_dbname=postgres\n";
    assert_eq!(
        judge(&vmware, "pgbouncer.ini", database).unwrap(),
        ["databases auth_dbname"]
    );
    let setting = "[pgbouncer]\nmax_prepared_statements = 10\n";
    assert_eq!(
        judge(&vmware, "pgbouncer.ini", setting).unwrap(),
        ["pgbouncer max_prepared_statements"]
    );
}

/// Every key of a document, whatever it lies in; names of interfaces are none.
fn keys(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                found.extend((key != "eth0").then(|| key.clone()));
                keys(value, found);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

fn unknown_of(table: &Table, about: &str, yaml: &str) -> Vec<String> {
    let mut found = Vec::new();
    keys(&serde_yaml::from_str(yaml).unwrap(), &mut found);
    found.retain(|key| !table.knows(&format!("{about} {key}")));
    found
}

#[test]
fn the_oldest_cloud_init_knows_every_key_of_a_seed() {
    let table = Table::read("cloud-init", "19.4");
    let user_data = crate::seed::user_data_of_a_node();
    assert_eq!(unknown_of(&table, "cloud-config", &user_data), [""; 0]);
    let mut node = crate::sample::plan().spec.nodes[0].clone();
    let config = |node: &Node| network_config(node).unwrap();
    assert_eq!(unknown_of(&table, "network", &config(&node)), [""; 0]);
    // Without the interface's hardware address it is looked for by name, which
    // this one passes over: it takes the entry's own (`network_config`).
    node.network.as_mut().unwrap().mac = None;
    assert_eq!(unknown_of(&table, "network", &config(&node)), ["name"]);
    let newer = "ethernets: {eth0: {optional: true}}";
    assert_eq!(unknown_of(&table, "network", newer), ["optional"]);
}
