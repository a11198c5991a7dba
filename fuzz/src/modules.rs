//! Modules of rpm-md repositories.

use std::collections::BTreeMap;

use pgbundle::repo::rpm::entry::Entry;
use pgbundle::repo::rpm::evr::Evr;
use pgbundle::repo::rpm::modules::{Choice, Modules};
use pgbundle::repo::rpm::package::Package;

/// What is read twice hides what it hides once, and a module that is disabled
/// hides nothing but its own packages.
pub fn holds(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let (mut once, mut twice) = (Modules::default(), Modules::default());
    if once.add(text).is_err() {
        return false;
    }
    twice
        .add(text)
        .and_then(|()| twice.add(text))
        .expect("it was read once");
    let package = package();
    for disabled in [vec![], vec!["postgresql".to_owned()]] {
        let choice = Choice {
            enabled: BTreeMap::new(),
            disabled,
        };
        let hidden = |modules: &Modules| {
            let hidden = modules.hidden(&choice, "x86_64");
            hidden.by(&package).map(str::to_owned)
        };
        assert_eq!(hidden(&once), hidden(&twice));
    }
    true
}

fn package() -> Package<'static> {
    Package {
        name: "postgresql",
        arch: "x86_64",
        evr: Evr::parse("13.1-1PGDG.rhel8").expect("a version"),
        requires: [].into(),
        provides: [Entry {
            name: "postgresql-server".into(),
            range: None,
        }]
        .into(),
        conflicts: [].into(),
        obsoletes: [].into(),
        files: [].into(),
        archive: None,
    }
}
