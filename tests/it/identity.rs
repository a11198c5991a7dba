//! The folder of secrets: what is made, what is kept, what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use pgbundle::base::{Role, Sha256};
use pgbundle::identity::folder::FolderError;
use pgbundle::identity::random::Kernel;
use pgbundle::identity::{Account, Identities, IdentityError, certificates};
use pgbundle::plan::Plan;

use crate::sample::{Counted, accepts, day, node, open, plan, run};

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

fn refusal(folder: &Path, plan: &Plan) -> IdentityError {
    let made = Identities::open_or_make(&folder.join("secrets"), plan, day(0), &mut Counted(1));
    made.err().expect("this folder must be refused")
}

#[test]
fn makes_everything_once_and_private() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &plan(), 0);
    let made = files(folder.path());
    assert_eq!(made.len(), 6 + 3 * 3 * 2);
    for path in made.keys() {
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(path), 0o600, "{}", path.display());
        assert_eq!(mode(path.parent().unwrap()), 0o700, "{}", path.display());
    }
    let other_chance = &mut Counted(2);
    let secrets = folder.path().join("secrets");
    let again = Identities::open_or_make(&secrets, &plan(), day(1), other_chance).unwrap();
    assert_eq!(files(folder.path()), made);
    assert_eq!(again.cluster_id().len(), 32);
    assert_ne!(again.cluster_id(), again.etcd_token());
}

#[test]
fn the_kernel_makes_no_two_clusters_alike() {
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let secrets = folder.path().join("secrets");
        let made = Identities::open_or_make(&secrets, &plan(), day(0), &mut Kernel).unwrap();
        (
            made.cluster_id().to_owned(),
            made.password(Account::Superuser).expose().to_owned(),
        )
    };
    let (one, two) = (make(), make());
    assert_ne!(one.0, two.0);
    assert_ne!(one.1, two.1);
}

#[test]
fn openssl_accepts_every_certificate_for_its_use() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &plan(), 0);
    let at = folder.path().join("secrets");
    let time = day(0).seconds().to_string();
    for purpose in ["etcd", "patroni", "postgres"] {
        let pem = at.join(format!("nodes/db-2/{purpose}.pem"));
        for usage in ["sslserver", "sslclient"] {
            let mut verify = Command::new("openssl");
            verify.args(["verify", "-x509_strict", "-purpose", usage]);
            for name in ["db-2", "localhost"] {
                verify.args(["-verify_hostname", name]);
            }
            verify.args(["-verify_ip", "10.0.0.12", "-attime", &time]);
            verify.arg("-CAfile").arg(at.join("ca.pem")).arg(&pem);
            let is_for_it = usage == "sslserver" || purpose != "postgres";
            assert_eq!(
                run(&mut verify).status.success(),
                is_for_it,
                "{purpose} {usage}"
            );
        }
        let text = accepts(
            Command::new("openssl")
                .args(["x509", "-noout", "-text", "-in"])
                .arg(&pem),
        );
        assert!(text.contains("Not Before: Nov 20 00:00:00 2026"), "{text}");
        assert!(text.contains("CN = db-2"), "{text}");
        assert!(text.contains("IP Address:127.0.0.1"), "{text}");
        let carries_vip = text.contains("IP Address:10.0.0.100");
        assert_eq!(carries_vip, purpose == "postgres", "{text}");
        let key = at.join(format!("nodes/db-2/{purpose}.key"));
        accepts(
            Command::new("openssl")
                .args(["pkey", "-noout", "-check", "-in"])
                .arg(key),
        );
    }
}

#[test]
fn without_a_vip_data_nodes_answer_for_the_proxies_that_lead_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut apart = plan();
    apart.spec.vip = None;
    let nodes = &mut apart.spec.nodes;
    nodes.push(node("proxy", "10.0.0.15/24", &[Role::Proxy]));
    open(folder.path(), &apart, 0);
    for (purpose, is_named) in [("postgres", true), ("patroni", false)] {
        let pem = folder
            .path()
            .join(format!("secrets/nodes/db-1/{purpose}.pem"));
        let text = accepts(
            Command::new("openssl")
                .args(["x509", "-noout", "-text", "-in"])
                .arg(&pem),
        );
        assert_eq!(text.contains("IP Address:10.0.0.15"), is_named, "{text}");
    }
}

#[test]
fn a_stranger_ca_convinces_nobody() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(one.path(), &plan(), 0);
    let secrets = two.path().join("secrets");
    Identities::open_or_make(&secrets, &plan(), day(0), &mut Counted(9)).unwrap();
    let mut verify = Command::new("openssl");
    verify.args([
        "verify",
        "-attime",
        &day(0).seconds().to_string(),
        "-CAfile",
    ]);
    verify.arg(secrets.join("ca.pem"));
    verify.arg(one.path().join("secrets/nodes/db-1/etcd.pem"));
    assert!(!run(&mut verify).status.success());
}

#[test]
fn a_new_node_gets_keys_and_the_others_keep_theirs() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &plan(), 0);
    // Whose keys were made is written down in cluster.json.
    let others = || {
        let mut files = files(folder.path());
        files.retain(|path, _| !path.ends_with("cluster.json"));
        files
    };
    let before = others();
    let mut larger = plan();
    larger
        .spec
        .nodes
        .push(node("witness", "10.0.0.14/24", &[Role::Etcd]));
    let opened = open(folder.path(), &larger, 0);
    let mut after = others();
    let new = after.len() - before.len();
    after.retain(|path, _| before.contains_key(path));
    assert_eq!((new, after), (2, before));
    let witness = opened.node(&"witness".parse().unwrap()).unwrap();
    assert!(witness.etcd.is_some() && witness.patroni.is_none() && witness.postgres.is_none());
}

#[test]
fn a_changed_address_renews_the_certificate_and_not_the_key() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &plan(), 0);
    let before = files(folder.path());
    let mut moved = plan();
    moved.spec.nodes[0].address = "10.0.0.77/24".parse().unwrap();
    open(folder.path(), &moved, 0);
    let after = files(folder.path());
    let changed = after
        .iter()
        .filter(|(path, bytes)| before[*path] != **bytes);
    let mut changed: Vec<_> = changed.map(|(path, _)| path.file_name().unwrap()).collect();
    changed.sort();
    assert_eq!(changed, ["etcd.pem", "patroni.pem", "postgres.pem"]);
}

#[test]
fn certificates_are_renewed_in_the_last_third_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    let nodes = &plan().spec.nodes;
    open(folder.path(), &plan(), 0);
    let made = certificates(&secrets, nodes, day(0)).unwrap();
    assert_eq!(made.len(), 1 + 9);
    assert_eq!((made[0].purpose, made[0].days_left), ("ca", 3650));
    assert_eq!((made[1].purpose, made[1].days_left), ("etcd", 825));
    let opened = open(folder.path(), &plan(), 500);
    assert_eq!(opened.expires(&nodes[0].name), day(825));
    assert_eq!(certificates(&secrets, nodes, day(0)).unwrap(), made);
    let opened = open(folder.path(), &plan(), 600);
    assert_eq!(opened.expires(&nodes[0].name), day(600 + 825));
    // A day early, for a host whose clock is kept in local time.
    assert_eq!(opened.valid_from(&nodes[0].name), day(600 - 1));
    let renewed = certificates(&secrets, nodes, day(600)).unwrap();
    assert_eq!(renewed[1].days_left, 825);
    assert_ne!(renewed[1].serial, made[1].serial);
    let serial = accepts(
        Command::new("openssl")
            .args(["x509", "-noout", "-serial", "-in"])
            .arg(secrets.join("nodes/db-1/etcd.pem")),
    );
    assert_eq!(
        serial.trim(),
        format!("serial={}", renewed[1].serial.to_uppercase())
    );
}

#[test]
fn no_certificate_outlives_its_ca() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &plan(), 0);
    let opened = open(folder.path(), &plan(), 3500);
    assert_eq!(opened.expires(&"db-1".parse().unwrap()), day(3650));
    let secrets = folder.path().join("secrets");
    let late = Identities::open_or_make(&secrets, &plan(), day(3650), &mut Counted(1));
    assert!(matches!(late.err(), Some(IdentityError::Expired { .. })));
}

#[test]
fn several_cas_may_be_trusted_and_one_issues() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(one.path(), &plan(), 0);
    let secrets = two.path().join("secrets");
    Identities::open_or_make(&secrets, &plan(), day(0), &mut Counted(9)).unwrap();
    let other = fs::read_to_string(secrets.join("ca.pem")).unwrap();
    let own = one.path().join("secrets/ca.pem");
    let both = other + &fs::read_to_string(&own).unwrap();
    fs::write(&own, &both).unwrap();
    assert_eq!(open(one.path(), &plan(), 0).ca_pem(), both);
}

#[test]
fn refuses_what_others_may_read() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &plan(), 0);
    let secrets = folder.path().join("secrets");
    for name in ["passwords.json", "."] {
        let path = secrets.join(name);
        let private = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, PermissionsExt::from_mode(private.mode() | 0o040)).unwrap();
        let refused = refusal(folder.path(), &plan());
        let is_open = matches!(refused, IdentityError::Folder(FolderError::Open { .. }));
        assert!(
            is_open && refused.to_string().contains("chmod 0"),
            "{refused}"
        );
        fs::set_permissions(&path, private).unwrap();
    }
}

#[test]
fn refuses_what_belongs_to_another_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only root can give a folder away");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &plan(), 0);
    std::os::unix::fs::chown(folder.path().join("secrets"), Some(1), None).unwrap();
    let refused = refusal(folder.path(), &plan());
    let is_foreign = matches!(refused, IdentityError::Folder(FolderError::Foreign { .. }));
    assert!(is_foreign, "{refused}");
}

#[test]
fn refuses_links_lost_parts_and_other_clusters() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &plan(), 0);
    let secrets = folder.path().join("secrets");
    let mut other = plan();
    other.spec.cluster = "else".parse().unwrap();
    let refused = refusal(folder.path(), &other);
    assert!(
        matches!(refused, IdentityError::OtherCluster { .. }),
        "{refused}"
    );
    for lost in ["cluster.json", "ca.key", "signer.key"] {
        let away = folder.path().join("away");
        fs::rename(secrets.join(lost), &away).unwrap();
        let refused = refusal(folder.path(), &plan());
        assert!(
            matches!(refused, IdentityError::Incomplete { .. }),
            "{refused}"
        );
        fs::rename(&away, secrets.join(lost)).unwrap();
    }
    let away = folder.path().join("away");
    fs::rename(secrets.join("ca.key"), &away).unwrap();
    std::os::unix::fs::symlink(&away, secrets.join("ca.key")).unwrap();
    let refused = refusal(folder.path(), &plan());
    assert!(
        matches!(refused, IdentityError::Folder(FolderError::Kind { .. })),
        "{refused}"
    );
}

#[test]
fn a_fault_in_the_passwords_shows_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &plan(), 0);
    let path = folder.path().join("secrets/passwords.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replacen("\"rewind\"", "\"sentinel-of-a-password\"", 1),
    )
    .unwrap();
    let refused = refusal(folder.path(), &plan()).to_string();
    assert!(
        !refused.contains("sentinel") && refused.contains("line 6"),
        "{refused}"
    );
}

#[test]
fn a_generation_belongs_to_a_content() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path(), &plan(), 0);
    let (one, two) = (Sha256::of(b"one"), Sha256::of(b"two"));
    assert_eq!(opened.generation_for(one).unwrap(), 1);
    assert_eq!(opened.generation_for(one).unwrap(), 1);
    let mut opened = open(folder.path(), &plan(), 0);
    assert_eq!(opened.generation_for(one).unwrap(), 1);
    assert_eq!(opened.generation_for(two).unwrap(), 2);
    assert_eq!(opened.generation_for(one).unwrap(), 3);
}

#[test]
fn passwords_are_plain_text_of_their_length() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path(), &plan(), 0);
    for account in Account::ALL {
        let password = opened.password(account);
        let password = password.expose();
        assert_eq!(password.len(), 32);
        assert!(password.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}

#[test]
fn two_builds_at_once_count_on_from_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (
        open(folder.path(), &plan(), 0),
        open(folder.path(), &plan(), 0),
    );
    assert_eq!(one.generation_for(Sha256::of(b"one")).unwrap(), 1);
    assert_eq!(two.generation_for(Sha256::of(b"two")).unwrap(), 2);
    assert_eq!(one.generation_for(Sha256::of(b"two")).unwrap(), 2);
}
