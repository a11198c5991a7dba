//! Bills of materials, held against the format's own JSON schema by a validator
//! that is not ours (python3-jsonschema).

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::plain_files::tiny;
use crate::sample::{accepts, run};
use crate::support::source;
use crate::tiny::PUBLIC;

/// Reads the schemas of a folder, so that none is asked of the network, and
/// holds a document against the first.
const VALIDATE: &str = r#"
import json, os, sys
import jsonschema
folder, document = sys.argv[1:]
schemas = [json.load(open(os.path.join(folder, name))) for name in
           ("bom-1.5.SNAPSHOT.schema.json", "spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json")]
base = "http://cyclonedx.org/schema/"
store = {schema["$id"]: schema for schema in schemas}
store.update({base + "spdx.SNAPSHOT.schema.json": schemas[1], base + "jsf-0.82.SNAPSHOT.schema.json": schemas[2]})
resolver = jsonschema.RefResolver(schemas[0]["$id"], schemas[0], store=store)
checker = jsonschema.Draft7Validator(schemas[0], resolver=resolver, format_checker=jsonschema.draft7_format_checker)
faults = [error.message for error in checker.iter_errors(json.load(open(document)))]
print("\n".join(faults))
sys.exit(1 if faults else 0)
"#;

fn validator(bill: &PathBuf) -> Command {
    // Debian's own: another in PATH does not see Debian's packages.
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-W", "ignore", "-c", VALIDATE]);
    python.arg(source("tests/schemas/cyclonedx-1.5")).arg(bill);
    python
}

#[test]
fn every_bill_is_valid_by_its_schema() {
    let tiny = tiny();
    tiny.build(&[]).succeeded();
    for role in ["etcd", "postgres", "proxy"] {
        let bill = tiny.path(&format!("{PUBLIC}/sbom.{role}.json"));
        accepts(&mut validator(&bill));
        let text: Value = serde_json::from_slice(&fs::read(&bill).unwrap()).unwrap();
        assert!(
            text["components"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        );
    }
}

#[test]
fn a_bill_that_the_schema_does_not_allow_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |bill: Value| -> String {
        let path = folder.path().join("bill.json");
        fs::write(&path, bill.to_string()).unwrap();
        let Output { status, stdout, .. } = run(&mut validator(&path));
        assert_eq!(status.code(), Some(1));
        String::from_utf8(stdout).unwrap()
    };
    assert!(
        refused(json!({"bomFormat": "CycloneDX"})).contains("'specVersion' is a required property")
    );
    let licence = json!([{"license": {"id": "No-Such-Licence"}}]);
    let component = json!({"type": "library", "name": "a", "licenses": licence});
    let bill = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [component]});
    let said = refused(bill);
    assert!(
        said.contains("No-Such-Licence"),
        "the schema of licences is read, too: {said}"
    );
}
