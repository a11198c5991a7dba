//! Packages that an operator was given: a folder that the spec names, from the
//! RPM's own header to the bundle.

use std::fs;
use std::process::Command;

use pgbundle::lock::{Lock, text};

use crate::rpm_tiny::{LOCK, NEW, TinyEl, moment_signed, pgdg_packages};
use crate::rpm_writing::{Package, Signing, rsa_key};
use crate::sample::accepts;

/// How Enterprise Linux 9 is rendered, with packages from elsewhere that say
/// that they are for 7.
const LIKE_EL7: &str = r#"extends = "el9"
without_sources = ["baseos", "appstream", "crb", "epel", "pgdg", "pgdg-common", "pgdg-extras"]
dist = "el7"
"#;

/// Its PostgreSQL, packaged in two ways by a vendor.
const PACKAGINGS: &str = r#"
[[packaging]]
name = "opt"
file = "acme-postgres{major}-{major}.*.el7.x86_64.rpm"
companions = ["acme-postgres{major}-pgbouncer-*.el7.x86_64.rpm"]
majors = [15]
not_provided = ["libpq.so.5()(64bit)"]
own_patroni = ["15.1"]
[packaging.components.postgresql]
packages = ["acme-postgres{major}"]
[packaging.components.pgbouncer]
packages = ["acme-postgres{major}-pgbouncer"]
[packaging.paths]
postgres_bin = "/opt/acme/{major}/bin"

[[packaging]]
name = "usr"
file = "acme-postgres-{major}.*.el7.x86_64.rpm"
majors = [15]
[packaging.components.postgresql]
packages = ["acme-postgres"]
[packaging.paths]
postgres_bin = "/usr/bin"
"#;

/// What the vendor's server is in the packaging below `/opt`.
pub fn server() -> Package<'static> {
    Package {
        release: "1.el7",
        // It claims what the loader does not find, and asks for it.
        provides: vec![("libpq.so.5()(64bit)", 0, "")],
        requires: vec![("libpq.so.5()(64bit)", 0, ""), ("libtiny", 0, "")],
        files: vec![
            ("/opt/acme/15/bin/postgres", "a server"),
            ("/opt/acme/15/share/postgres.bki", "a catalogue"),
        ],
        ..Package::new("acme-postgres15", "15.2", "x86_64")
    }
}

pub fn pgbouncer() -> Package<'static> {
    Package {
        release: "1.el7",
        ..Package::new("acme-postgres15-pgbouncer", "1.16.1", "x86_64")
    }
}

/// The cluster with a folder of these files, unsigned.
pub fn given(packages: &[Package<'_>]) -> TinyEl {
    let mut tiny = TinyEl::new();
    tiny.profile(LIKE_EL7);
    tiny.tables(PACKAGINGS.to_owned());
    // Something of the repositories' needs the library that the vendor claims to have.
    let mut others = pgdg_packages();
    others[0].provides = vec![("libpq.so.5()(64bit)", 0, "")];
    others[2].requires.push(("libpq.so.5()(64bit)", 0, ""));
    tiny.pgdg(&others);
    tiny.more_spec("\n[[vendor]]\npath = \"vendor/\"\n");
    for package in packages {
        put(&tiny, &package.file_name(), &package.unsigned());
    }
    tiny
}

pub fn put(tiny: &TinyEl, name: &str, bytes: &[u8]) {
    let folder = tiny.path("vendor");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

fn locked(tiny: &TinyEl) -> Lock {
    text::read(&fs::read_to_string(tiny.path(LOCK)).unwrap()).unwrap()
}

#[test]
fn a_given_package_is_locked_by_its_digest_and_lends_nothing_to_others() {
    let tiny = given(&[server(), pgbouncer()]);
    tiny.sandbox.write("vendor/README", "read me");
    let said = tiny.lock().succeeded();
    let name = server().file_name();
    let unsigned = format!("warning: {name} is not signed: it is taken by its digest alone");
    assert!(said.contains(&unsigned), "{said}");
    assert!(
        said.contains("vendor/README is no RPM, and is left alone"),
        "{said}"
    );
    let lock = locked(&tiny);
    let row = |name: &str| lock.packages.iter().find(|row| row.name == name).unwrap();
    let own = row("acme-postgres15");
    assert_eq!(
        (own.source.as_str(), own.path.as_str()),
        ("vendor", name.as_str())
    );
    assert_eq!(own.version, "15.2-1.el7");
    assert!(!own.stanza.contains("libpq"), "{}", own.stanza);
    // Who needs it gets the one that the loader finds.
    row("postgresql15-libs");
    // The host's own needs of it are met as any other's.
    row("libtiny");
    let text = fs::read_to_string(tiny.path(LOCK)).unwrap();
    assert!(text.contains("by_digest = \"unsigned\""), "{text}");
    assert!(
        !text.contains(tiny.path("").to_str().unwrap()),
        "no path of this machine"
    );
}

#[test]
fn what_is_given_is_fetched_once_and_then_needs_no_folder() {
    let tiny = given(&[server(), pgbouncer()]);
    tiny.lock().succeeded();
    tiny.ask(&["fetch"]).0.succeeded();
    fs::remove_dir_all(tiny.path("vendor")).unwrap();
    tiny.ask(&["lock", "--check"]).0.succeeded();
    tiny.ask(&["fetch"]).0.succeeded();
    // Neither does another lock, which is the same.
    let before = fs::read_to_string(tiny.path(LOCK)).unwrap();
    tiny.lock().succeeded();
    assert_eq!(fs::read_to_string(tiny.path(LOCK)).unwrap(), before);
    fs::remove_dir_all(tiny.path("store")).unwrap();
    let said = tiny.ask(&["fetch"]).0.failed_with(3);
    assert!(said.contains("of source `vendor`"), "{said}");
}

#[test]
fn another_file_makes_a_lock_stale() {
    let tiny = given(&[server(), pgbouncer()]);
    tiny.lock().succeeded();
    fs::remove_dir_all(tiny.path("vendor")).unwrap();
    let newer = Package {
        version: "15.3",
        ..server()
    };
    for package in [newer, pgbouncer()] {
        put(&tiny, &package.file_name(), &package.unsigned());
    }
    let said = tiny.ask(&["lock", "--check"]).0.failed_with(1);
    assert!(
        said.contains("new since the lock was made: the vendor's file acme-postgres15-15.3-1"),
        "{said}"
    );
}

#[test]
fn a_row_of_a_given_package_is_proved_by_the_package() {
    let tiny = given(&[server(), pgbouncer()]);
    tiny.lock().succeeded();
    let whole = fs::read_to_string(tiny.path(LOCK)).unwrap();
    let refusal = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        fs::write(tiny.path(LOCK), whole.replacen(from, to, 1)).unwrap();
        tiny.ask(&["fetch"]).0.failed_with(2)
    };
    let row = "have no package `acme-postgres15` as the lock has it";
    let said = refusal("by_digest = \"unsigned\"\n", "");
    assert!(said.contains(row), "{said}");
    let said = refusal(
        "<file>/opt/acme/15/bin/postgres</file>",
        "<file>/usr/bin/postgres</file>",
    );
    assert!(said.contains(row), "{said}");
    let said = refusal("summary>A package of a test", "summary>Another package");
    assert!(said.contains("have no package `acme"), "{said}");
    let said = refusal(
        "the vendor's file acme-postgres15-15.2-1.el7.x86_64.rpm is",
        "the vendor's file acme-postgres15-15.3-1.el7.x86_64.rpm is",
    );
    assert!(
        said.contains("`request` is not the digest of `asked`"),
        "{said}"
    );
}

#[test]
fn a_signature_counts_where_the_profile_has_its_key() {
    let tiny = given(&[]);
    let signed = server().signed(&NEW, moment_signed(), Signing::NOW);
    put(&tiny, &server().file_name(), &signed);
    let stranger = rsa_key(moment_signed());
    let strange = pgbouncer().signed(&stranger, moment_signed(), Signing::NOW);
    put(&tiny, &pgbouncer().file_name(), &strange);
    let said = tiny.lock().succeeded();
    assert!(
        said.contains("el7.x86_64.rpm: signed by a key of the profile"),
        "{said}"
    );
    assert!(
        said.contains("is signed by a key that the profile does not have"),
        "{said}"
    );
    let why: Vec<_> = locked(&tiny)
        .packages
        .iter()
        .filter(|row| row.source == "vendor")
        .map(|row| row.by_digest.map(|why| why.as_str()))
        .collect();
    assert_eq!(why, [None, Some("unknown-signer")]);
    tiny.ask(&["fetch"]).0.succeeded();
}

const BUILD: [&str; 5] = ["build", "--secrets", "secrets", "--node-program", "node"];
const PUBLIC: &str = "dist/demo-tiny-el-x86_64/public";

/// A file of a role's bundle.
fn of_bundle(tiny: &TinyEl, role: &str, part: &str) -> String {
    let bundle = tiny.path(&format!("{PUBLIC}/bundles/{role}.tar.gz"));
    let out = ["xzOf", bundle.to_str().unwrap(), "--wildcards", part];
    accepts(Command::new("tar").args(out))
}

#[test]
fn a_bundle_says_what_only_a_digest_stands_for() {
    let tiny = given(&[server(), pgbouncer()]);
    let program = [b"\x7fELF", &[7; 5000][..]].concat();
    fs::write(tiny.path("node"), program).unwrap();
    tiny.ask(&BUILD).0.succeeded();
    tiny.sandbox
        .run(&["verify", PUBLIC, "--secrets", "secrets"])
        .succeeded();
    let manifest = of_bundle(&tiny, "postgres", "*manifest.json");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let listed = manifest["package_list"].as_array().unwrap();
    let by_digest: Vec<_> = listed
        .iter()
        .filter(|package| package["by_digest"] == "unsigned")
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    assert_eq!(by_digest, ["acme-postgres15", "acme-postgres15-pgbouncer"]);
    let bill = fs::read_to_string(tiny.path(&format!("{PUBLIC}/sbom.postgres.json"))).unwrap();
    assert_eq!(bill.matches("pgbundle:by-digest").count(), 2, "{bill}");
    let unit = of_bundle(&tiny, "postgres", "*/db-1/files/etc/patroni/*.yml");
    assert!(unit.contains("/opt/acme/15/bin"), "{unit}");
}
