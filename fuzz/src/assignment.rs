//! What a role asks of a node, and the documents of its two first-start questions.

use std::path::{Component, Path};

use pgbundle::bundle::assignment::Assignment;
use pgbundle::bundle::start::{Bootstrap, EtcdStart};

use super::document;

/// Files land below the root that they are installed under.
pub fn holds(bytes: &[u8]) -> bool {
    let assignment: Option<Assignment> = document::read(bytes);
    for file in assignment.iter().flat_map(|assignment| &assignment.files) {
        let place = file.path.under(Path::new("/root"));
        let rest = place
            .strip_prefix("/root")
            .expect("it stays below the root");
        let is_normal = |part| matches!(part, Component::Normal(_));
        assert!(rest.components().all(is_normal), "{}", file.path);
        assert_eq!(
            file.access.mode.bits() & !0o7777,
            0,
            "more than permission bits"
        );
    }
    let start: Option<EtcdStart> = document::read(bytes);
    let bootstrap: Option<Bootstrap> = document::read(bytes);
    assignment.is_some() || start.is_some() || bootstrap.is_some()
}
