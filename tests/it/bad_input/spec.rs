//! Wrong specs, one fault a file in `tests/spec/invalid`; the message is the
//! snapshot of the same name in `tests/spec/snapshots`.

use std::path::PathBuf;

use super::refused;
use crate::support::{Sandbox, source};
use crate::tiny::Tiny;

fn wrong_specs() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(source("tests/spec/invalid")).unwrap();
    let mut specs: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    specs.sort();
    assert!(specs.len() >= 10, "the folder of wrong specs is whole");
    specs
}

#[test]
fn every_wrong_spec_gets_its_message() {
    for case in wrong_specs() {
        let name = case.file_stem().unwrap().to_str().unwrap().to_owned();
        let sandbox = Sandbox::new();
        sandbox.write("cluster.toml", &std::fs::read_to_string(&case).unwrap());
        let ran = sandbox.run(&["plan"]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{name}: nothing is half-printed");
        insta::with_settings!({ snapshot_path => "../../spec/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, ran.stderr);
        });
    }
}

#[test]
fn no_verb_begins_with_a_wrong_spec() {
    let tiny = Tiny::new();
    for case in wrong_specs() {
        std::fs::copy(&case, tiny.path("demo.toml")).unwrap();
        for verb in ["lock", "fetch", "build"] {
            let said = refused(&tiny, |tiny| match verb {
                "build" => tiny.build(&[]),
                verb => tiny.ask(verb, &[]),
            });
            assert!(said.starts_with("exit code 2\nerror: "), "{case:?}: {said}");
            assert!(!tiny.path("store").exists(), "{case:?}: {verb}");
        }
    }
}

#[test]
fn all_faults_of_a_spec_are_shown_at_once() {
    let sandbox = Sandbox::new();
    let text = std::fs::read_to_string(source("clusters/three-node.toml")).unwrap();
    let text = text
        .replace("major = 15", "majr = 15")
        .replace("192.168.60.102", "192.168.60.101");
    sandbox.write("cluster.toml", &text);
    insta::assert_snapshot!(sandbox.run(&["plan"]).stderr, @r#"
    error: `postgres` has no key `majr`
      --> cluster.toml:10:1
       |
    10 | majr = 15
       | ^^^^ unknown key
    hint: did you mean `major`?

    error: `db-1` and `db-2` have one address
      --> cluster.toml:30:11
       |
    30 | address = "192.168.60.101/24"
       |           ^^^^^^^^^^^^^^^^^^^ taken before
    hint: give every node an address of its own
    "#);
}
