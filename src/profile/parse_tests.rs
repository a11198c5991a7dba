//! What a profile's text is refused for, and what its sources are read as.

use super::*;
use crate::profile::{Metadata, Repository, RpmRepository, Source};

const DEBIAN12: &str = include_str!("../../profiles/debian12.toml");

const RPM: &str = r#"
version = 1
name = "tiny-el"
title = "Tiny"
family = "rpm"
os = { id = "tiny", version = "7" }
architectures = ["x86_64"]
postgres = { majors = [13, 15], default = 15 }

[[source]]
id = "base"
keys = ["6341 AB27 53D7 8A78 A7C2  7BB1 24C6 A8A7 F4A8 0EB5"]
legacy_keys = ["6341ab2753d78a78a7c27bb124c6a8a7f4a80eb5"]
metadata = "unsigned"
frozen = "2024-06-30"
mirrors = ["https://vault.example/centos/7/os/{architecture}/"]

[[source]]
id = "pgdg"
keys = ["F245F0BF96AC182744CAFF2E64FACE1173E3B907"]
metadata = "signed"
mirrors = ["https://pg.example/yum/{major}/redhat/rhel-7-{architecture}"]
"#;

fn told(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    let faults = parse(&text.replacen(from, to, 1), None).unwrap_err();
    faults.into_iter().map(|fault| fault.message).collect()
}

#[test]
fn no_suite_is_passed_over_for_want_of_a_codename() {
    assert!(parse(DEBIAN12, None).is_ok());
    let two = r#"codenames = ["bookworm", "bookworm-updates"]"#;
    let told = told(DEBIAN12, two, r#"codenames = ["bookworm"]"#);
    assert!(told.contains("has 1 for 2"), "{told}");
}

#[test]
fn a_profile_is_for_some_architecture() {
    let none = "architectures = []";
    let told = told(DEBIAN12, r#"architectures = ["amd64"]"#, none);
    assert!(told.contains("at least one architecture"), "{told}");
}

#[test]
fn an_rpm_source_says_what_upstream_signs_and_since_when_it_stands_still() {
    let profile = parse(RPM, None).unwrap();
    let key = "6341AB2753D78A78A7C27BB124C6A8A7F4A80EB5".to_owned();
    let base = Source {
        id: "base".to_owned(),
        keys: vec![key.clone()],
        mirrors: vec!["https://vault.example/centos/7/os/{architecture}".to_owned()],
        kind: Repository::RpmMd(RpmRepository {
            metadata: Metadata::Unsigned,
            legacy_keys: vec![key],
            frozen: Some(time::macros::date!(2024 - 06 - 30)),
        }),
    };
    assert_eq!(profile.sources[0], base);
    let [_, pgdg] = &profile.sources[..] else {
        panic!("{:?}", profile.sources)
    };
    let filled = pgdg.clone().filled("x86_64", 13);
    assert_eq!(
        filled.mirrors,
        ["https://pg.example/yum/13/redhat/rhel-7-x86_64"]
    );
}

#[test]
fn every_fault_of_an_rpm_source_is_told() {
    for (from, to, why) in [
        (r#"metadata = "signed""#, "", "lacks `metadata`"),
        (
            r#"metadata = "signed""#,
            r#"metadata = "maybe""#,
            "`maybe` is not one of `signed`, `unsigned`",
        ),
        (
            r#""2024-06-30""#,
            r#""June 2024""#,
            "`June 2024` is not a date such as 2024-06-30",
        ),
        (
            "{architecture}/",
            "{arch}/",
            "only `{architecture}` and `{major}` are filled in",
        ),
        (
            "legacy_keys = [\"6341ab27",
            "legacy_keys = [\"7341ab27",
            "is not one of the source's `keys`",
        ),
        (
            r#"metadata = "signed""#,
            "suites = [\"one\"]\nmetadata = \"signed\"",
            "has no key `suites`",
        ),
    ] {
        let told = told(RPM, from, to);
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn a_profile_is_of_its_parents_family() {
    let parent = parse(RPM, None).unwrap();
    let child = "version = 1\nname = \"child\"\ntitle = \"Child\"\nextends = \"tiny-el\"\n";
    let inherits = parse(child, Some(&parent)).unwrap();
    assert_eq!(inherits.sources, parent.sources);
    let faults = parse(&format!("{child}family = \"deb\"\n"), Some(&parent)).unwrap_err();
    assert!(faults[0].message.contains("of the family of the one"));
}

#[test]
fn a_profile_adds_to_the_sources_that_it_extends_or_does_without_them() {
    let parent = parse(RPM, None).unwrap();
    let child = |more: &str| {
        let text =
            format!("version = 1\nextends = \"tiny-el\"\nname = \"own\"\ntitle = \"Own\"\n{more}");
        parse(&text, Some(&parent))
    };
    let own = "[[source]]\nid = \"own\"\nkeys = [\"6341AB2753D78A78A7C27BB124C6A8A7F4A80EB5\"]\nmetadata = \"unsigned\"\n";
    let ids = |more: &str| -> Vec<String> {
        let profile = child(more).unwrap();
        profile
            .sources
            .into_iter()
            .map(|source| source.id)
            .collect()
    };
    assert_eq!(ids(own), ["base", "pgdg", "own"]);
    assert_eq!(
        ids(&format!("without_sources = [\"base\"]\n{own}")),
        ["pgdg", "own"]
    );
    let faults = child("without_sources = [\"bas\"]\n").unwrap_err();
    assert_eq!(faults[0].message, "there is no source `bas` to do without");
}
