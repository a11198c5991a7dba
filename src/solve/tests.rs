//! Closures over hand-made packages, lowered as real ones are.

use super::*;
use crate::repo::deb::lower::{Siblings, lower};
use crate::repo::deb::package::PackageSet;

/// Stanzas from lines of `name version; Field: value; …`.
fn packages(lines: &[&str]) -> String {
    let stanza = |line: &&str| {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        let fields: String = parts.map(|field| format!("{field}\n")).collect();
        format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n{fields}\n")
    };
    lines.iter().map(stanza).collect()
}

fn solve(base: &[&str], listed: &[&str], roots: &[&str]) -> Result<Vec<String>, SolveError> {
    let (base, listed) = (packages(base), packages(listed));
    let base = PackageSet::read(&[&base], "amd64").unwrap();
    let listed = PackageSet::read(&[&listed], "amd64").unwrap();
    let lowered = lower(&base, &listed, roots, "amd64", Siblings::Upgraded).unwrap();
    let closure = close(&lowered.model)?;
    assert_eq!(closure.difference, None, "both ways agree");
    let new = closure.chosen.iter().map(|id| lowered.model.solvable(*id));
    let mut labels: Vec<_> = new
        .filter(|s| !s.installed)
        .map(|s| s.label.clone())
        .collect();
    labels.sort();
    Ok(labels)
}

#[test]
fn closes_over_depends_and_pre_depends_with_the_newest() {
    let listed = [
        "a 1; Depends: b (>= 2)",
        "b 1",
        "b 2; Pre-Depends: c",
        "c 1",
        "z 1",
    ];
    assert_eq!(solve(&[], &listed, &["a"]).unwrap(), ["a 1", "b 2", "c 1"]);
}

#[test]
fn leaves_the_base_alone_until_something_needs_newer() {
    let listed = ["a 1; Depends: libc", "d 1; Depends: libc (>= 2)", "libc 2"];
    assert_eq!(solve(&["libc 1"], &listed, &["a"]).unwrap(), ["a 1"]);
    assert_eq!(
        solve(&["libc 1"], &listed, &["d"]).unwrap(),
        ["d 1", "libc 2"]
    );
    assert_eq!(solve(&["libc 2"], &listed, &["d"]).unwrap(), ["d 1"]);
}

#[test]
fn takes_real_packages_before_providers_and_the_base_before_both() {
    let listed = [
        "a 1; Depends: v",
        "p 1; Provides: v",
        "v 1",
        "w 1; Depends: x | y",
        "y 1",
    ];
    assert_eq!(solve(&[], &listed, &["a"]).unwrap(), ["a 1", "v 1"]);
    assert_eq!(solve(&[], &listed, &["w"]).unwrap(), ["w 1", "y 1"]);
    assert_eq!(solve(&["y 0"], &listed, &["w"]).unwrap(), ["w 1"]);
}

#[test]
fn meets_bounds_by_versioned_provides_alone() {
    let listed = [
        "a 1; Depends: v (>= 2)",
        "p 1; Provides: v",
        "q 1; Provides: v (= 3)",
    ];
    assert_eq!(solve(&[], &listed, &["a"]).unwrap(), ["a 1", "q 1"]);
    assert!(solve(&[], &listed[..2], &["a"]).is_err());
}

#[test]
fn goes_round_conflicts_but_not_round_itself() {
    let listed = [
        "a 1; Depends: b | c",
        "d 1; Conflicts: b",
        "b 1",
        "c 1",
        "m 1; Provides: mta; Conflicts: mta",
        "n 1; Provides: mta; Conflicts: mta",
    ];
    assert_eq!(
        solve(&[], &listed, &["d", "a"]).unwrap(),
        ["a 1", "c 1", "d 1"]
    );
    assert_eq!(solve(&[], &listed, &["m"]).unwrap(), ["m 1"]);
    let why = solve(&[], &listed, &["m", "n"]).unwrap_err().to_string();
    assert!(
        why.contains("cannot be installed together") && why.contains("n 1"),
        "{why}"
    );
}

#[test]
fn upgrades_what_it_breaks_and_removes_nothing() {
    let listed = ["a 2; Breaks: old (<< 2)", "old 2"];
    let (base, listed) = (packages(&["old 1"]), packages(&listed));
    let base = PackageSet::read(&[&base], "amd64").unwrap();
    let newer = PackageSet::read(&[&listed], "amd64").unwrap();
    let lowered = lower(&base, &newer, &["a"], "amd64", Siblings::Upgraded).unwrap();
    let closure = close(&lowered.model).unwrap();
    let labels = closure
        .chosen
        .iter()
        .map(|id| lowered.model.solvable(*id).label.as_str());
    assert_eq!(labels.collect::<Vec<_>>(), ["old 2", "a 2"]);
    assert!(
        closure
            .difference
            .unwrap()
            .contains("found nothing for `a`"),
        "it never goes back"
    );
    let gone = solve(&["old 1"], &["a 2; Breaks: old"], &["a"])
        .unwrap_err()
        .to_string();
    assert!(gone.contains("cannot be installed together"), "{gone}");
}

#[test]
fn upgrades_what_the_base_has_of_the_same_source() {
    let listed = [
        "libssl-dev 3; Source: openssl",
        "libssl 3; Source: openssl",
        "openssl 3; Depends: more",
        "libold 2; Source: openssl (2)",
        "more 1",
    ];
    let base = ["libssl 2", "openssl 2", "libold 1"];
    assert_eq!(
        solve(&base, &listed, &["libssl-dev"]).unwrap(),
        ["libssl 3", "libssl-dev 3", "more 1", "openssl 3"]
    );
    let newest = ["libssl 3", "openssl 3", "libold 1"];
    assert_eq!(
        solve(&newest, &listed, &["libssl-dev"]).unwrap(),
        ["libssl-dev 3"]
    );
}

#[test]
fn takes_a_root_by_its_name_and_by_provides_only_where_no_package_has_it() {
    let listed = ["php-x 1; Depends: php8-x", "php8-x 1; Provides: php-x, php"];
    let roots = ["php8-x", "php-x"];
    assert_eq!(
        solve(&[], &listed, &roots).unwrap(),
        ["php-x 1", "php8-x 1"]
    );
    assert_eq!(solve(&[], &listed, &["php"]).unwrap(), ["php8-x 1"]);
}

#[test]
fn upgrades_a_root_that_the_base_has_older() {
    let listed = ["a 2; Depends: b", "b 2"];
    let base = ["a 1", "b 1"];
    assert_eq!(solve(&base, &listed, &["a"]).unwrap(), ["a 2"]);
    assert_eq!(solve(&["a 2", "b 1"], &listed, &["a"]).unwrap(), [""; 0]);
}

#[test]
fn explains_a_gap_as_a_chain() {
    let listed = [
        "patroni 3; Depends: python3-etcd",
        "python3-etcd 1; Depends: dns, z | y",
        "dns 1",
    ];
    let why = solve(&[], &listed, &["patroni"]).unwrap_err().to_string();
    assert_eq!(
        why,
        "`patroni` is asked for\n  patroni 3 needs `python3-etcd`\n  python3-etcd 1 needs `z | y`: \
         nothing provides z; nothing provides y"
    );
}

#[test]
fn says_that_it_would_need_a_downgrade() {
    let listed = ["a 1; Depends: libc (= 1)", "libc 1"];
    let why = solve(&["libc 2"], &listed, &["a"]).unwrap_err().to_string();
    assert!(
        why.contains("older than the 2 of the base, which would have to be downgraded"),
        "{why}"
    );
}
