//! Locking over rpm-md repositories, by the program itself and over HTTP.

use std::fs;

use crate::rpm_tiny::{LOCK, TinyEl, base_packages, pgdg_packages, read_lock};
use crate::rpm_writing::{Package, Signing};

fn names(lock: &toml::Table) -> Vec<String> {
    let text = |row: &toml::Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = lock["package"].as_array().unwrap().iter();
    rows.map(|row| format!("{} {}", text(row, "name"), text(row, "version")))
        .collect()
}

#[test]
fn locks_what_is_signed_one_way_or_the_other() {
    let tiny = TinyEl::new();
    let (ran, asked) = tiny.ask(&["lock"]);
    let said = ran.succeeded();
    assert!(
        said.contains("4 packages are signed, header and payload"),
        "{said}"
    );
    let lock = tiny.locked();
    assert_eq!(
        names(&lock),
        [
            "etcd 3.3.11-1",
            "haproxy 1.5.18-1",
            "keepalived 1.3.5-1",
            "libtiny 1:1.0-1",
            "patroni 3.3.2-1",
            "pgbouncer 1.23.0-1",
            "postgresql15-libs 15.8-1",
            "postgresql15-server 15.8-1",
        ]
    );
    let fetched = asked.iter().filter(|path| path.contains("/Packages/"));
    assert_eq!(fetched.count(), 4, "those of the signed index can wait");
    assert_eq!(lock["date"].as_str(), Some("2026-01-05T02:11:10Z"));
    let row = &lock["package"].as_array().unwrap()[3];
    let stanza = row["stanza"].as_str().unwrap();
    assert!(stanza.contains("<location href=\"pool/libtiny-1.0-1.x86_64.rpm\"/>"));
    assert_eq!(
        row["path"].as_str(),
        Some("Packages/l/libtiny-1.0-1.x86_64.rpm")
    );
    let indexes = lock["index"].as_array().unwrap();
    let keys = indexes.iter().filter(|row| row.get("key").is_some());
    assert_eq!(keys.count(), 1, "one index is signed");
}

#[test]
fn the_same_repositories_give_the_same_lock() {
    let tiny = TinyEl::new();
    tiny.lock().succeeded();
    let first = fs::read_to_string(tiny.path(LOCK)).unwrap();
    tiny.lock().succeeded();
    assert_eq!(fs::read_to_string(tiny.path(LOCK)).unwrap(), first);
    tiny.ask(&["lock", "--check"]).0.succeeded();
    tiny.ask(&["fetch"]).0.succeeded();
}

/// A repository whose lock is refused, with what is said, and nothing is written.
fn refusal(tiny: &TinyEl) -> String {
    let said = tiny.lock().failed_with(3);
    assert!(!tiny.path(LOCK).exists());
    said
}

#[test]
fn a_package_whose_index_nobody_signs_has_to_be_signed_itself() {
    let mut tiny = TinyEl::new();
    tiny.base(&base_packages(), None);
    let said = refusal(&tiny);
    assert!(said.contains("is not accepted: it is not signed"), "{said}");
    let header_alone = Signing {
        all: false,
        ..Signing::EL7
    };
    tiny.base(&base_packages(), Some(header_alone));
    let said = refusal(&tiny);
    assert!(
        said.contains("covers its header and not its payload"),
        "{said}"
    );
}

#[test]
fn a_package_altered_together_with_its_unsigned_index_is_refused() {
    let mut tiny = TinyEl::new();
    let file = tiny.file("/etcd-3.3.11").clone();
    let mut altered = file.clone();
    *altered.last_mut().unwrap() ^= 1;
    tiny.base_with(&file, &altered);
    let said = refusal(&tiny);
    assert!(said.contains("package etcd"), "{said}");
    assert!(
        said.contains("no signature by a pinned key is good"),
        "{said}"
    );
}

#[test]
fn an_unsigned_index_cannot_pass_one_package_off_as_another() {
    let mut tiny = TinyEl::new();
    let (etcd, haproxy) = (
        tiny.file("/etcd-3").clone(),
        tiny.file("/haproxy-1").clone(),
    );
    tiny.base_with(&etcd, &haproxy);
    let said = refusal(&tiny);
    assert!(
        said.contains("the file is the package haproxy-1.5.18-1.x86_64"),
        "{said}"
    );
}

#[test]
fn an_altered_index_is_refused() {
    let mut tiny = TinyEl::new();
    tiny.file("pgdg/15/x86_64/repodata/repomd.xml").push(b'\n');
    let said = refusal(&tiny);
    assert!(
        said.contains("no signature by a pinned key is good"),
        "{said}"
    );
    let mut tiny = TinyEl::new();
    *tiny.file("-primary.xml.gz").last_mut().unwrap() ^= 1;
    let said = refusal(&tiny);
    assert!(
        said.contains("the mirror is damaged, or being updated"),
        "{said}"
    );
}

#[test]
fn a_chain_leads_to_what_is_missing() {
    let mut tiny = TinyEl::new();
    let mut packages = base_packages();
    packages.retain(|package| package.name != "libtiny");
    tiny.base(&packages, Some(Signing::EL7));
    let said = tiny.lock().failed_with(1);
    assert!(said.contains("libtiny.so.1()(64bit)"), "{said}");
}

#[test]
fn packages_for_another_architecture_are_no_candidates() {
    let mut tiny = TinyEl::new();
    let mut packages = base_packages();
    packages[0] = Package {
        architecture: "aarch64",
        ..packages[0].clone()
    };
    tiny.base(&packages, Some(Signing::EL7));
    let said = tiny.lock().failed_with(1);
    assert!(said.contains("etcd"), "{said}");
}

#[test]
fn a_lock_over_rpm_packages_says_what_is_new() {
    let mut tiny = TinyEl::new();
    tiny.lock().succeeded();
    let mut packages = pgdg_packages();
    packages[3].version = "1.23.1";
    tiny.pgdg(&packages);
    tiny.ask(&["lock", "--check"]).0.succeeded();
    tiny.lock().succeeded();
    let lock = read_lock(&tiny.path(LOCK));
    assert!(names(&lock).contains(&"pgbouncer 1.23.1-1".to_owned()));
}

#[test]
fn a_row_that_was_edited_is_told_from_its_package() {
    let tiny = TinyEl::new();
    tiny.lock().succeeded();
    let text = fs::read_to_string(tiny.path(LOCK)).unwrap();
    for (from, to, field) in [
        (
            "version = \"3.3.11-1\"",
            "version = \"3.3.11-2\"",
            "version",
        ),
        (
            "ver=\"3.3.11\" rel=\"1\"/>\n  <checksum",
            "ver=\"3.3.12\" rel=\"1\"/>\n  <checksum",
            "version",
        ),
        ("pool/etcd-3", "pool/etcd-4", "location"),
        ("</package>'''", "</packages>'''", "package"),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(tiny.path(LOCK), text.replacen(from, to, 1)).unwrap();
        let said = tiny.ask(&["lock", "--check"]).0.failed_with(2);
        let expected = format!("the package `etcd` and the `{field}` of its stanza");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_file_that_only_the_lists_name_is_looked_up_and_comes_along() {
    let mut tiny = TinyEl::new();
    let mut packages = pgdg_packages();
    packages[3].requires = vec![("/usr/libexec/tiny/helper", 0, "")];
    tiny.pgdg(&packages);
    let (ran, asked) = tiny.ask(&["lock"]);
    ran.succeeded();
    let lists = asked.iter().filter(|path| path.contains("-filelists.xml"));
    assert_eq!(lists.count(), 2, "nobody knows beforehand who owns a file");
    let lock = tiny.locked();
    let row = &lock["package"].as_array().unwrap()[3];
    let roles: Vec<_> = row["roles"].as_array().unwrap().iter().collect();
    assert_eq!(roles.len(), 3, "the postgres role needs it, too: {roles:?}");
    let stanza = row["stanza"].as_str().unwrap();
    assert!(stanza.contains("<file>/usr/libexec/tiny/helper</file>"));
    let first = fs::read_to_string(tiny.path(LOCK)).unwrap();
    tiny.lock().succeeded();
    assert_eq!(fs::read_to_string(tiny.path(LOCK)).unwrap(), first);
    packages[3].requires = vec![("/usr/libexec/tiny/nothing", 0, "")];
    tiny.pgdg(&packages);
    let said = tiny.lock().failed_with(1);
    assert!(said.contains("/usr/libexec/tiny/nothing"), "{said}");
}

#[test]
fn a_module_that_hides_what_is_asked_for_is_named() {
    const MODULES: &str = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: postgresql\n  \
        stream: 10\n  arch: x86_64\n  artifacts:\n    rpms:\n    - patroni-0:1.0-1.x86_64\n...\n\
        ---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: postgresql\n  stream: 10\n...\n";
    let mut tiny = TinyEl::new();
    tiny.pgdg_with(&pgdg_packages(), Some(MODULES));
    let said = tiny.lock().failed_with(1);
    let hidden = "the module `postgresql:10` hides patroni-3.3.2-1.noarch";
    assert!(said.contains(hidden), "{said}");
    tiny.profile("disabled_modules = [\"postgresql\"]\n");
    tiny.lock().succeeded();
}
