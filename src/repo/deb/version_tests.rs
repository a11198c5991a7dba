//! Vectors as in dpkg's own tests, and the laws of order; dpkg itself is the
//! oracle in `tests/it/oracle_dpkg.rs`.

use proptest::prelude::*;

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
