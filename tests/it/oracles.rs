//! Rendered files, judged by the programs that read them on a node.
//!
//! A program that is not installed here is named and passed over.

use std::path::Path;
use std::process::{Command, Output};

use crate::render::GOLDEN;
use crate::support::source;

/// Runs a program; `None`, and a line that says so, where it is not installed.
fn judge(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program)
        .args(arguments)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
    {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not judged: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn accepted(output: &Output) {
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        said(&output.stdout),
        said(&output.stderr)
    );
}

/// A file of the first node in the tree of every profile: what an old dialect
/// says the programs of this machine, which are later, must take, too.
fn golden(path: &str) -> [String; GOLDEN.len()] {
    GOLDEN.map(|golden| {
        let path = source(golden.folder).join("db-1").join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    })
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn certificate() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["oracle".to_owned()]).unwrap();
    parameters.self_signed(&key).unwrap().pem()
}

#[test]
fn haproxy_accepts_its_settings() {
    let folder = tempfile::tempdir().unwrap();
    let ca = write(folder.path(), "ca.pem", &certificate());
    let secrets = golden("etc/haproxy/secrets.cfg");
    for (settings, secrets) in golden("etc/haproxy/haproxy.cfg").iter().zip(&secrets) {
        let settings = settings.replace("/etc/pgbundle/ca.pem", &ca);
        let settings = write(folder.path(), "haproxy.cfg", &settings);
        let secrets = write(folder.path(), "secrets.cfg", secrets);
        if let Some(output) = judge("haproxy", &["-c", "-f", &settings, "-f", &secrets]) {
            accepted(&output);
        }
    }
}

#[test]
fn keepalived_accepts_its_settings() {
    let folder = tempfile::tempdir().unwrap();
    let interface = write(folder.path(), "interface.conf", "interface eth0\n");
    for settings in golden("etc/keepalived/keepalived.conf") {
        let settings = settings
            .replace("/etc/keepalived/interface.conf", &interface)
            .replace("/usr/local/sbin/pgbundle-node", "/bin/true");
        let settings = write(folder.path(), "keepalived.conf", &settings);
        let Some(output) = judge("keepalived", &["-t", "-f", &settings]) else {
            return;
        };
        // The interface of the example is none of this machine's: nothing else may be wrong.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let faults: Vec<&str> = said
            .lines()
            .filter(|line| !line.contains("eth0") && !line.trim().is_empty())
            .collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

#[test]
fn pyyaml_reads_back_what_was_meant() {
    let program = "import sys, json, yaml; print(json.dumps([yaml.safe_load(open(p)) for p in sys.argv[1:]]))";
    let folder = source("tests/golden/three-node/db-1/etc/patroni/conf.d");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (cluster, secrets) = (path("10-cluster.yml"), path("20-secrets.yml"));
    let Some(output) = judge("python3", &["-c", program, &cluster, &secrets]) else {
        return;
    };
    accepted(&output);
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read[0]["watchdog"]["mode"], "off");
    assert_eq!(
        read[0]["bootstrap"]["dcs"]["postgresql"]["parameters"]["max_connections"],
        "200"
    );
    let logins = &read[1]["postgresql"]["authentication"];
    assert_eq!(logins["superuser"]["password"], "12:30:45");
    assert_eq!(logins["replication"]["password"], "0644");
    assert_eq!(logins["rewind"]["password"], "on");
    assert_eq!(read[1]["restapi"]["authentication"]["password"], "1e3");
}

#[test]
fn systemd_knows_every_directive_of_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let services = ["etcd", "patroni", "pgbouncer", "haproxy", "keepalived"];
    let units = services.map(|unit| (unit, golden(&format!("etc/systemd/system/{unit}.service"))));
    let each = units
        .into_iter()
        .flat_map(|(unit, texts)| texts.map(|text| (unit, text)));
    for (unit, text) in each {
        let text: String = text
            .lines()
            .filter(|line| !line.starts_with("Documentation="))
            .map(|line| format!("{}\n", executable_here(line)))
            .collect();
        let path = write(folder.path(), &format!("{unit}.service"), &text);
        let Some(output) = judge("systemd-analyze", &["verify", "--man=no", &path]) else {
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let faults: Vec<&str> = said
            .lines()
            .filter(|line| line.contains(folder.path().to_str().unwrap()))
            .collect();
        assert!(faults.is_empty(), "{unit}: {faults:#?}");
    }
}

/// Only the host has the programs; the prefix and the arguments stay as they are.
fn executable_here(line: &str) -> String {
    let Some((key, command)) = line
        .split_once('=')
        .filter(|(key, _)| key.starts_with("Exec"))
    else {
        return line.to_owned();
    };
    let at = command.find('/').expect("commands have absolute paths");
    let (prefix, rest) = command.split_at(at);
    let arguments = rest.split_once(' ').map_or("", |(_, arguments)| arguments);
    format!("{key}={prefix}/bin/true {arguments}")
}
