//! What a host opens by firewalld, with firewalld's own program.

use std::fs;
use std::path::{Path, PathBuf};

use pgbundle::base::Role;
use pgbundle::node::bundles::RoleBundle;
use pgbundle::node::host::Host;
use pgbundle::node::step::{Check, Context};
use pgbundle::node::system::{Answer, Call, CallFault, Real, System};
use pgbundle::node::{steps, up};
use pgbundle::render;
use serde_json::json;

use crate::render::{CLUSTER, example_on};

/// The machine's `firewall-offline-cmd` over another root; firewalld does not run there.
struct Offline {
    root: PathBuf,
}

impl System for Offline {
    fn ask(&self, call: &Call) -> Result<Answer, CallFault> {
        match call.program.as_str() {
            "firewall-offline-cmd" => {
                let folder = self.root.join("etc/firewalld").display().to_string();
                let mut call = call.clone();
                call.arguments
                    .insert(0, format!("--system-config={folder}"));
                Real.ask(&call)
            }
            "ip" => Ok(Answer {
                status: Some(0),
                output: "2: host0 inet 192.168.60.101/24 scope global host0\n".to_owned(),
                errors: String::new(),
            }),
            "firewall-cmd" => Ok(Answer {
                status: Some(252),
                ..Answer::default()
            }),
            other => panic!("nobody should ask {other}"),
        }
    }
}

/// What is opened in firewalld's default zone, as firewalld reads it.
fn opened(system: &Offline) -> String {
    let zone = Call::new("firewall-offline-cmd", ["--zone=public", "--list-services"]);
    let info = Call::new("firewall-offline-cmd", ["--info-service=pgbundle"]);
    let told = |call: &Call| system.run(call).map(|answer| answer.output);
    format!(
        "{}{}",
        told(&zone).unwrap(),
        told(&info).unwrap_or_default()
    )
}

fn bundle(root: &Path) -> RoleBundle {
    let plan = example_on("el9");
    let rendered = render::assignment(&plan, Role::Proxy, &plan.spec.nodes[0], &CLUSTER).unwrap();
    let definition = "/etc/firewalld/services/pgbundle.xml";
    let place = root.join(&definition[1..]);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, &rendered.files[&definition.parse().unwrap()]).unwrap();
    let layer = json!({"digest": "0".repeat(64), "files": []});
    let manifest = json!({
        "format": 1, "cluster": "demo", "cluster_id": "00", "role": "proxy", "profile": "el9",
        "architecture": "x86_64", "generation": 1, "date": "2026-11-01T00:00:00Z",
        "os": {"id": "rocky", "version": "9"}, "family": "rpm",
        "packages": layer, "cluster_layer": layer, "package_list": [],
    });
    RoleBundle {
        folder: root.to_owned(),
        manifest: serde_json::from_value(manifest).unwrap(),
        assignment: rendered.assignment,
    }
}

#[test]
fn the_ports_of_a_nodes_roles_are_open_in_its_zone_and_closed_again() {
    let root = tempfile::tempdir().unwrap();
    let system = Offline {
        root: root.path().to_owned(),
    };
    let host = Host {
        root: root.path().to_owned(),
        system: &system,
    };
    let mut context: Context = up::context(&host, None);
    let identity = json!({
        "format": 1, "cluster": "demo", "cluster_id": "00", "node": "db-1", "address": "192.168.60.101/24",
        "roles": ["proxy"], "profile": "el9", "architecture": "x86_64", "os": {"id": "rocky", "version": "9"},
        "generation": 1, "date": "2026-11-01T00:00:00Z", "valid_from": "2026-10-31T00:00:00Z",
        "expires": "2036-11-01T00:00:00Z", "signer": "key",
        "node_program": {"path": "pgbundle-node", "size": 1, "sha256": "0".repeat(64)},
        "bundles": [], "sources": [], "secrets": [],
    });
    context.identity = Some(serde_json::from_value(identity).unwrap());
    context.bundles = vec![bundle(root.path())];
    let step = steps::all()
        .into_iter()
        .find(|step| step.name == "firewall");
    let step = step.expect("a step of that name");

    // Not installed: nothing is asked, and that is said.
    assert_eq!((step.check)(&mut context).unwrap(), Check::AlreadySo);
    assert!(context.narrator.report().remarks[0].contains("not installed"));
    fs::create_dir_all(root.path().join("usr/bin")).unwrap();
    fs::write(root.path().join("usr/bin/firewall-cmd"), "").unwrap();
    let before = opened(&system);
    assert!(
        !before.lines().next().unwrap().contains("pgbundle"),
        "{before}"
    );

    let needed = (step.check)(&mut context).unwrap();
    let Check::Needed(reason) = needed else {
        panic!("nothing is open yet");
    };
    assert!(reason.contains("not in zone public"), "{reason}");
    (step.apply)(&mut context).unwrap();
    assert_eq!((step.check)(&mut context).unwrap(), Check::AlreadySo);
    let after = opened(&system);
    assert!(
        after.lines().next().unwrap().contains("pgbundle"),
        "{after}"
    );
    for port in [2379, 2380, 5000, 5001, 5002, 5003, 5432, 6432, 7000, 8008] {
        assert!(after.contains(&format!("{port}/tcp")), "{port}: {after}");
    }
    assert_eq!(after.matches("/tcp").count(), 10, "{after}");
    assert!(after.contains("protocols: vrrp"), "{after}");

    // Another definition is taken up, too.
    let definition = root.path().join("etc/firewalld/services/pgbundle.xml");
    let fewer = fs::read_to_string(&definition)
        .unwrap()
        .replace("7000", "7070");
    fs::write(&definition, fewer).unwrap();
    let Check::Needed(reason) = (step.check)(&mut context).unwrap() else {
        panic!("it has changed");
    };
    assert!(reason.contains("has changed"), "{reason}");
    (step.apply)(&mut context).unwrap();
    assert_eq!((step.check)(&mut context).unwrap(), Check::AlreadySo);

    assert!((step.undo)(&mut context).unwrap());
    assert!(!(step.undo)(&mut context).unwrap());
    assert_eq!(opened(&system).lines().next(), before.lines().next());
}
