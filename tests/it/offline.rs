//! Building without a network, and carrying a store across an air gap.

use std::fs;

use crate::tiny::{self, RELEASE, Tiny};

#[test]
fn a_filled_store_and_a_lock_are_all_that_a_build_needs() {
    let tiny = Tiny::fetched();
    tiny.build_alone(&["--offline", "--locked"]).succeeded();
}

#[test]
fn a_role_that_no_node_had_is_new_to_the_lock() {
    let tiny = Tiny::new();
    let spec = fs::read_to_string(tiny.path("demo.toml")).unwrap();
    let without = spec
        .replace("[vip]\naddress = \"10.0.0.100/24\"\n", "")
        .replace(", \"proxy\"", "");
    fs::write(tiny.path("demo.toml"), &without).unwrap();
    tiny.ask("lock", &[]).succeeded();
    fs::write(tiny.path("demo.toml"), spec).unwrap();
    let said = tiny.build(&["--locked"]).failed_with(1);
    for package in ["haproxy", "keepalived"] {
        let new = format!("new since the lock was made: the package {package} of role proxy");
        assert!(said.contains(&new), "{said}");
    }
    // Without `--locked` it is made anew.
    tiny.build(&[]).succeeded();
}

#[test]
fn a_store_is_carried_across_an_air_gap() {
    let tiny = Tiny::fetched();
    tiny.build_alone(&["--offline"]).succeeded();
    let export = ["store", "export"].map(str::to_owned).to_vec();
    tiny.run(&[export, tiny.cluster()].concat(), &["--to", "carried.tar"])
        .succeeded();
    fs::rename(tiny.path("store"), tiny.path("old store")).unwrap();
    let import = ["store", "import", "carried.tar", "--store", "store"];
    let said = tiny.sandbox.run(&import).succeeded();
    assert!(said.contains("12 files, 12 of them new"), "{said}");
    tiny.build_alone(&["--offline", "--locked", "--out", "beyond/dist"])
        .succeeded();
    let beyond = tiny.path("beyond").join(RELEASE);
    assert_eq!(tiny::difference(&tiny.path(RELEASE), &beyond), "");
}
