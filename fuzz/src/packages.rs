//! Package indexes and base lists: stanzas, versions, relations.

use pgbundle::repo::base::capture_from_status;
use pgbundle::repo::deb::deb822::{Stanza, stanzas};
use pgbundle::repo::deb::package::{Package, PackageSet};
use pgbundle::repo::deb::relation::{Operator, Relation, parse};

const RELATIONS: [&str; 5] = ["Pre-Depends", "Depends", "Conflicts", "Breaks", "Provides"];

/// Stanzas and relations that are read are read again as they were, packages
/// are sorted and found by name and by what they provide.
pub fn holds(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    stanzas(text).for_each(reads_back);
    stanzas(&capture_from_status(text, "of a test")).for_each(reads_back);
    let Ok(set) = PackageSet::read(&[text], "amd64") else {
        return false;
    };
    let all = set.all();
    let order = |pair: &[Package<'_>]| {
        pair[0].name < pair[1].name
            || (pair[0].name == pair[1].name && pair[0].version >= pair[1].version)
    };
    assert!(
        all.windows(2).all(order),
        "sorted, the newest of a name first"
    );
    for package in all {
        let newest = set.newest(package.name).expect("it has a name");
        assert!(newest.version >= package.version);
        package.source();
        relations(package, &set);
    }
    !all.is_empty()
}

fn reads_back(stanza: Stanza<'_>) {
    let fields: Vec<_> = stanza.fields().collect();
    let written: String = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    let again: Vec<_> = stanzas(&written)
        .flat_map(|stanza| stanza.fields())
        .collect();
    assert_eq!(again, fields);
}

fn relations(package: &Package<'_>, set: &PackageSet<'_>) {
    for field in RELATIONS {
        let Ok(groups) = package.relations(field, "amd64") else {
            continue;
        };
        let written = |(_, group): &(&str, Vec<Relation<'_>>)| {
            group.iter().map(written).collect::<Vec<_>>().join(" | ")
        };
        let text = groups.iter().map(written).collect::<Vec<_>>().join(", ");
        let again = parse(&text, "amd64").expect("what was written can be read");
        let only = |groups: Vec<(&str, Vec<Relation<'_>>)>| -> Vec<String> {
            groups
                .into_iter()
                .map(|(_, group)| format!("{group:?}"))
                .collect()
        };
        assert_eq!(only(again), only(groups), "{text}");
    }
    let newest = set.newest(package.name).expect("it has a name");
    for (_, provided) in newest.relations("Provides", "amd64").unwrap_or_default() {
        for one in provided {
            let mut providers = set.providers(one.name);
            assert!(providers.any(|provider| provider.name == package.name));
        }
    }
}

fn written(relation: &Relation<'_>) -> String {
    let qualifier = relation
        .qualifier
        .map(|q| format!(":{q}"))
        .unwrap_or_default();
    let bound = relation.bound.map(|(operator, version)| {
        let sign = match operator {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        };
        format!(" ({sign} {version})")
    });
    format!("{}{qualifier}{}", relation.name, bound.unwrap_or_default())
}
