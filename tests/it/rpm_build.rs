//! A release over rpm packages, built by the program itself.

use std::fs;
use std::process::Command;

use crate::rpm_tiny::TinyEl;
use crate::sample::accepts;

/// How Enterprise Linux 9 is rendered, with packages from elsewhere.
const LIKE_EL9: &str = r#"extends = "el9"
without_sources = ["baseos", "appstream", "crb", "epel", "pgdg", "pgdg-common", "pgdg-extras"]
"#;

fn built() -> TinyEl {
    let mut tiny = TinyEl::new();
    tiny.profile(LIKE_EL9);
    let program = [b"\x7fELF", &[7; 5000][..]].concat();
    fs::write(tiny.path("node"), program).unwrap();
    tiny
}

const BUILD: [&str; 5] = ["build", "--secrets", "secrets", "--node-program", "node"];
const PUBLIC: &str = "dist/demo-tiny-el-x86_64/public";

#[test]
fn a_bundle_carries_a_yum_repository_of_its_roles_packages() {
    let tiny = built();
    let said = tiny.ask(&BUILD).0.succeeded();
    assert!(
        said.contains("no host can install them by itself yet"),
        "{said}"
    );
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
    ] {
        assert!(files.iter().any(|name| name == file), "{file}: {files:?}");
    }
    assert!(
        !files.iter().any(|name| name.contains("haproxy")),
        "{files:?}"
    );
    assert!(carried("proxy").iter().any(|name| name.contains("haproxy")));
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
