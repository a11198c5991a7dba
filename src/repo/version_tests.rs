//! Vectors as in dpkg's own tests, laws of order, and dpkg as the oracle.

// Straight to standard error: what a passing test prints is not shown.
use std::io::Write;
use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;

fn version(text: &str) -> DebVersion<'_> {
    DebVersion::parse(text).unwrap()
}

#[test]
fn orders_versions_as_dpkg_does() {
    let ascending = [
        "0~~",
        "0~~a",
        "0~",
        "0",
        "0a",
        "0+",
        "0.0~",
        "0.",
        "0.1",
        "1.0~rc1-1",
        "1.0",
        "1.0-1~deb12u1",
        "1.0-1",
        "1.0-1+b1",
        "1.0-1+deb12u1",
        "1.0-1.1",
        "1.0-2",
        "1.0-10",
        "1.0a",
        "1.0+",
        "1.0-a-1",
        "1.2.3",
        "1.10",
        "2",
        "99999999999999999999",
        "100000000000000000000",
        "1:0",
        "1:0-1",
        "2:0~",
    ];
    for pair in ascending.windows(2) {
        let (low, high) = (version(pair[0]), version(pair[1]));
        assert_eq!(low.cmp(&high), Ordering::Less, "{low} < {high}");
        assert_eq!(high.cmp(&low), Ordering::Greater, "{high} > {low}");
    }
}

#[test]
fn takes_an_absent_revision_and_leading_zeros_as_zero() {
    for (a, b) in [
        ("1.0", "1.0-0"),
        ("0:1", "1"),
        ("1.01", "1.1"),
        ("1ds-4", "1ds0-4"),
        ("1.0-00", "1.0"),
    ] {
        assert_eq!(version(a), version(b), "{a} = {b}");
    }
}

#[test]
fn refuses_what_dpkg_refuses() {
    for bad in [
        "",
        "1.0-",
        ":1",
        "a:1",
        "-1:1",
        "+1:1",
        "1z:1",
        "a1",
        "1 0",
        "1_0",
        "1:",
        "1-1_2",
        "4294967296:1",
        "1é",
    ] {
        assert!(DebVersion::parse(bad).is_err(), "{bad}");
    }
}

fn any_version() -> impl Strategy<Value = String> {
    "([0-2]:)?[0-9][0-9a-b.+~]{0,6}(-[0-9ab.+~]{1,4})?"
}

proptest! {
    #[test]
    fn is_a_total_order(a in any_version(), b in any_version(), c in any_version()) {
        let (a, b, c) = (version(&a), version(&b), version(&c));
        prop_assert_eq!(a.cmp(&a), Ordering::Equal);
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }
}

#[test]
fn agrees_with_dpkg() {
    if Command::new("dpkg").arg("--version").output().is_err() {
        writeln!(
            std::io::stderr(),
            "NOT COMPARED: this machine has no `dpkg`, so the order was not held against it"
        )
        .unwrap();
        return;
    }
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..300 {
        let pair = (any_version(), any_version())
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let less = Command::new("dpkg")
            .args(["--compare-versions", &pair.0, "lt", &pair.1])
            .status()
            .unwrap();
        let equal = Command::new("dpkg")
            .args(["--compare-versions", &pair.0, "eq", &pair.1])
            .status()
            .unwrap();
        let order = version(&pair.0).cmp(&version(&pair.1));
        assert_eq!(less.success(), order == Ordering::Less, "{pair:?}");
        assert_eq!(equal.success(), order == Ordering::Equal, "{pair:?}");
    }
}
