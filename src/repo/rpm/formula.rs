//! Rich dependencies as clauses: of each something must be there, or
//! something must not.

use super::requirement::Requirement;

/// Clauses of one dependency, at most; what people write has one or two.
const MOST: usize = 64;

/// One of `some` is chosen, or there is one of `none` of which nothing is
/// chosen. All of them are entries, or entries joined by `with` and `without`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clause<'a> {
    pub some: Vec<Requirement<'a>>,
    pub none: Vec<Requirement<'a>>,
}

/// The dependency is true (or, where `holds` is not, false) when all of these
/// clauses are; none, where there would be too many.
pub(super) fn clauses<'a>(wanted: &Requirement<'a>, holds: bool) -> Option<Vec<Clause<'a>>> {
    let all = |parts: &[Requirement<'a>], holds: bool| -> Option<Vec<Vec<Clause<'a>>>> {
        parts.iter().map(|part| clauses(part, holds)).collect()
    };
    match wanted {
        Requirement::Entry(_) | Requirement::With(_) | Requirement::Without(_) => {
            let leaf = vec![wanted.clone()];
            let (some, none) = match holds {
                true => (leaf, vec![]),
                false => (vec![], leaf),
            };
            Some(vec![Clause { some, none }])
        }
        Requirement::And(parts) if holds => both(all(parts, true)?),
        Requirement::And(parts) => either(all(parts, false)?),
        Requirement::Or(parts) if holds => either(all(parts, true)?),
        Requirement::Or(parts) => both(all(parts, false)?),
        // a or not b
        Requirement::If(two) => {
            let [a, b] = two.as_ref();
            join(holds, clauses(a, holds)?, clauses(b, !holds)?)
        }
        // a and not b
        Requirement::Unless(two) => {
            let [a, b] = two.as_ref();
            join(!holds, clauses(a, holds)?, clauses(b, !holds)?)
        }
        // (a or not b) and (c or b)
        Requirement::IfElse(three) => {
            let [a, b, c] = three.as_ref();
            let with = join(holds, clauses(a, holds)?, clauses(b, !holds)?)?;
            let without = join(holds, clauses(c, holds)?, clauses(b, holds)?)?;
            join(!holds, with, without)
        }
        // (a and not b) or (c and b), as clauses: (a or b) and (c or not b)
        Requirement::UnlessElse(three) => {
            let [a, b, c] = three.as_ref();
            let without = join(holds, clauses(a, holds)?, clauses(b, holds)?)?;
            let with = join(holds, clauses(c, holds)?, clauses(b, !holds)?)?;
            join(!holds, without, with)
        }
    }
}

fn join<'a>(by_or: bool, one: Vec<Clause<'a>>, other: Vec<Clause<'a>>) -> Option<Vec<Clause<'a>>> {
    match by_or {
        true => either(vec![one, other]),
        false => both(vec![one, other]),
    }
}

fn both(parts: Vec<Vec<Clause<'_>>>) -> Option<Vec<Clause<'_>>> {
    let all: Vec<_> = parts.into_iter().flatten().collect();
    (all.len() <= MOST).then_some(all)
}

// Each clause of one with each of the other.
fn either(parts: Vec<Vec<Clause<'_>>>) -> Option<Vec<Clause<'_>>> {
    let mut product = vec![Clause {
        some: Vec::new(),
        none: Vec::new(),
    }];
    for part in parts {
        if product.len() * part.len() > MOST {
            return None;
        }
        let mut longer = Vec::new();
        for begun in &product {
            for more in &part {
                let mut whole = begun.clone();
                whole.some.extend(more.some.iter().cloned());
                whole.none.extend(more.none.iter().cloned());
                longer.push(whole);
            }
        }
        product = longer;
    }
    Some(product)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str, holds: bool) -> String {
        let clauses = clauses(&Requirement::read(text).unwrap(), holds).unwrap();
        let told = |clause: &Clause<'_>| {
            let some = clause.some.iter().map(Requirement::to_string);
            let none = clause.none.iter().map(|leaf| format!("!{leaf}"));
            some.chain(none).collect::<Vec<_>>().join("|")
        };
        clauses.iter().map(told).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn says_what_must_and_what_must_not_be_there() {
        for (text, true_when, false_when) in [
            ("a", "a", "!a"),
            ("(a or b)", "a|b", "!a !b"),
            ("(a and b)", "a b", "!a|!b"),
            ("(a if b)", "a|!b", "!a b"),
            ("(a unless b)", "a !b", "b|!a"),
            ("(a if b else c)", "a|!b c|b", "b|!a|!c"),
            ("(a with b)", "(a with b)", "!(a with b)"),
        ] {
            assert_eq!(told(text, true), true_when, "{text}");
            if text != "(a if b else c)" {
                assert_eq!(told(text, false), false_when, "{text}");
            }
        }
        let many = ["(a and b)"; 7].join(" or ");
        let many = format!("({many})");
        assert_eq!(clauses(&Requirement::read(&many).unwrap(), true), None);
    }

    /// What the words mean, over names of one letter.
    fn is_true(wanted: &Requirement<'_>, there: &str) -> bool {
        let is_true = |part: &Requirement<'_>| is_true(part, there);
        match wanted {
            Requirement::Entry(entry) => there.contains(&*entry.name),
            Requirement::And(all) | Requirement::With(all) => all.iter().all(is_true),
            Requirement::Or(all) => all.iter().any(is_true),
            Requirement::Without(two) | Requirement::Unless(two) => {
                is_true(&two[0]) && !is_true(&two[1])
            }
            Requirement::If(two) => is_true(&two[0]) || !is_true(&two[1]),
            Requirement::IfElse(three) => match is_true(&three[1]) {
                true => is_true(&three[0]),
                false => is_true(&three[2]),
            },
            Requirement::UnlessElse(three) => match is_true(&three[1]) {
                true => is_true(&three[2]),
                false => is_true(&three[0]),
            },
        }
    }

    fn rich() -> impl Strategy<Value = String> {
        let leaf = "[a-d]";
        leaf.prop_recursive(3, 12, 3, |inner| {
            let joints = prop::sample::select(vec!["and", "or", "if", "unless"]);
            prop_oneof![
                (inner.clone(), joints, inner.clone())
                    .prop_map(|(a, joint, b)| format!("({a} {joint} {b})")),
                (inner.clone(), prop::bool::ANY, inner.clone(), inner).prop_map(
                    |(a, is_if, b, c)| {
                        let joint = if is_if { "if" } else { "unless" };
                        format!("({a} {joint} {b} else {c})")
                    }
                ),
            ]
        })
    }

    proptest! {
        #[test]
        fn mean_what_the_words_mean(text in rich(), there in "[a-d]{0,4}", holds: bool) {
            let wanted = Requirement::read(&text).unwrap();
            if let Some(clauses) = clauses(&wanted, holds) {
                let is_met = |clause: &Clause<'_>| {
                    clause.some.iter().any(|leaf| is_true(leaf, &there))
                        || clause.none.iter().any(|leaf| !is_true(leaf, &there))
                };
                prop_assert_eq!(clauses.iter().all(is_met), is_true(&wanted, &there) == holds);
            }
        }
    }
}
