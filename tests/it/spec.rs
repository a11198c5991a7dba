//! Wrong specs, one fault a file in `tests/spec/invalid`; the message is the snapshot.

use crate::support::{Sandbox, source};

#[test]
fn every_wrong_spec_gets_its_message() {
    let mut cases: Vec<_> = std::fs::read_dir(source("tests/spec/invalid"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 10, "the folder of wrong specs is whole");
    for case in cases {
        let name = case.file_stem().unwrap().to_str().unwrap().to_owned();
        let sandbox = Sandbox::new();
        sandbox.write("cluster.toml", &std::fs::read_to_string(&case).unwrap());
        let ran = sandbox.run(&["plan"]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{name}: nothing is half-printed");
        insta::with_settings!({ snapshot_path => "../spec/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, ran.stderr);
        });
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
    let ran = sandbox.run(&["plan"]);
    assert!(
        ran.stderr.contains("did you mean `major`?"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("have one address"), "{}", ran.stderr);
}
