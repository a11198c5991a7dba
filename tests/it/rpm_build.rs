//! A release over rpm packages, built by the program itself.

use std::fs;
use std::process::Command;

use crate::rpm_tiny::{LOCK, NEW, OLD, TinyEl};
use crate::sample::accepts;
use crate::wheels::debian_wheels;

/// How Enterprise Linux 9 is rendered, with packages from elsewhere.
const LIKE_EL9: &str = r#"extends = "el9"
without_sources = ["baseos", "appstream", "crb", "epel", "pgdg", "pgdg-common", "pgdg-extras"]
"#;

pub fn built() -> TinyEl {
    let mut tiny = TinyEl::new();
    tiny.profile(LIKE_EL9);
    let program = [b"\x7fELF", &[7; 5000][..]].concat();
    fs::write(tiny.path("node"), program).unwrap();
    tiny
}

pub const BUILD: [&str; 5] = ["build", "--secrets", "secrets", "--node-program", "node"];
pub const PUBLIC: &str = "dist/demo-tiny-el-x86_64/public";

#[test]
fn a_bundle_carries_a_yum_repository_of_its_roles_packages() {
    let tiny = built();
    tiny.ask(&BUILD).0.succeeded();
    let verified = tiny
        .sandbox
        .run(&["verify", PUBLIC, "--secrets", "secrets"]);
    verified.succeeded();
    let carried = |role: &str| -> Vec<String> {
        let bundle = tiny.path(&format!("{PUBLIC}/bundles/{role}.tar.gz"));
        let listed = accepts(Command::new("tar").arg("tzf").arg(bundle));
        let names = listed
            .lines()
            .filter_map(|name| name.strip_prefix("packages/"));
        names
            .filter(|name| !name.is_empty() && !name.ends_with('/'))
            .map(str::to_owned)
            .collect()
    };
    let files = carried("etcd");
    for file in [
        "pool/etcd-3.3.11-1.x86_64.rpm",
        "pool/libtiny-1.0-1.x86_64.rpm",
        "repodata/repomd.xml",
        &format!("keys/{}.asc", OLD.fingerprint().to_hex()),
        &format!("keys/{}.asc", NEW.fingerprint().to_hex()),
    ] {
        assert!(files.iter().any(|name| name == file), "{file}: {files:?}");
    }
    assert!(
        !files.iter().any(|name| name.contains("haproxy")),
        "{files:?}"
    );
    assert!(carried("proxy").iter().any(|name| name.contains("haproxy")));
}

/// With pip and setuptools, as Debian has them, for what PostgreSQL's role runs on.
fn with_wheels() -> TinyEl {
    let mut tiny = built();
    let folder = tiny.path("wheels");
    fs::create_dir(&folder).unwrap();
    let mut tables = String::new();
    let mut pip = String::new();
    for (path, wheel) in debian_wheels(&["pip-", "setuptools-"]) {
        fs::copy(&path, folder.join(wheel.name.as_str())).unwrap();
        let (name, size, sha256) = (&wheel.name, wheel.size, wheel.sha256);
        tables +=
            &format!("[[python.wheel]]\nfile = \"{name}\"\nsize = {size}\nsha256 = \"{sha256}\"\n");
        if wheel.name.project() == "pip" {
            pip = name.to_string();
        }
    }
    let python = format!(
        "[python]\ncomponent = \"patroni\"\nversion = \"3.9\"\nmachine = \"x86_64\"\nglibc = \"2.34\"\nprogram = \"/usr/bin/python3\"\nenvironment = \"/opt/pgbundle/patroni\"\npip = \"{pip}\"\n"
    );
    tiny.tables(python + &tables);
    tiny
}

#[test]
fn pinned_wheels_are_locked_and_carried_by_the_role_that_runs_on_them() {
    let tiny = with_wheels();
    let build = [&BUILD[..], &["--wheels", "wheels"]].concat();
    let said = tiny.ask(&build).0.succeeded();
    assert!(
        said.contains("wheels   2 for Python 3.9 on x86_64"),
        "{said}"
    );
    let carried = |role: &str| {
        let bundle = tiny.path(&format!("{PUBLIC}/bundles/{role}.tar.gz"));
        let listed = accepts(Command::new("tar").arg("tzf").arg(bundle));
        listed
            .lines()
            .filter(|name| name.starts_with("packages/wheels/") && name.ends_with(".whl"))
            .count()
    };
    assert_eq!(
        [carried("etcd"), carried("postgres"), carried("proxy")],
        [0, 2, 0]
    );
    let bill = fs::read_to_string(tiny.path(&format!("{PUBLIC}/sbom.postgres.json"))).unwrap();
    assert!(bill.contains("pkg:pypi/setuptools@"), "{bill}");
    fs::remove_dir_all(tiny.path("wheels")).unwrap();
    let again = [&BUILD[..], &["--offline", "--locked"]].concat();
    let said = tiny.ask(&again).0.succeeded();
    assert!(said.contains("kept     dist/"), "{said}");
}

#[test]
fn a_wheel_that_is_not_to_be_had_or_was_edited_is_told() {
    let tiny = with_wheels();
    fs::remove_dir_all(tiny.path("wheels")).unwrap();
    fs::create_dir(tiny.path("wheels")).unwrap();
    let build = [&BUILD[..], &["--wheels", "wheels"]].concat();
    let said = tiny.ask(&build).0.failed_with(3);
    assert!(said.contains("pip cannot download the wheels"), "{said}");
    assert!(!tiny.path("dist").exists(), "nothing half-made");
    let said = tiny
        .ask(&[&BUILD[..], &["--offline"]].concat())
        .0
        .failed_with(3);
    assert!(said.contains("of source `Python wheels`"), "{said}");
    let lock = fs::read_to_string(tiny.path(LOCK)).unwrap();
    let at = lock.find("[[wheel]]").unwrap();
    let edited = lock[..at].to_owned() + &lock[at..].replacen("size = ", "size = 1", 1);
    fs::write(tiny.path(LOCK), edited).unwrap();
    let said = tiny.ask(&BUILD).0.failed_with(2);
    assert!(
        said.contains("the Python wheels are not those that `asked` names"),
        "{said}"
    );
}

#[test]
fn a_second_build_finds_everything_as_it_was() {
    let tiny = built();
    tiny.ask(&BUILD).0.succeeded();
    let (again, asked) = tiny.ask(&[&BUILD[..], &["--offline", "--locked"]].concat());
    let said = again.succeeded();
    assert!(said.contains("kept     dist/"), "{said}");
    assert!(asked.is_empty(), "{asked:?}");
}
