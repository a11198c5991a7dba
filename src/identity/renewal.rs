//! Whether a certificate is still good, as a pure decision.

use super::x509::{Fields, Subject};
use crate::base::Epoch;

/// What a certificate has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The names and addresses it must be valid for, sorted.
    pub subjects: &'a [Subject],
    /// The public key it must be for, DER.
    pub public_key: &'a [u8],
    /// The name of the CA that must have issued it, DER.
    pub issuer: &'a [u8],
    /// The last moment that a new one would have.
    pub not_after: Epoch,
}

/// What to do with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// A new one is issued for the same key.
    Issue(Reason),
}

/// Why a new certificate is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is none.
    Missing,
    /// Names or addresses have changed.
    Subjects,
    /// It is for another key.
    Key,
    /// Another CA issued it.
    Authority,
    /// Less than a third of its lifetime remains, and a new one would last longer.
    Age,
}

/// Judges a certificate at the moment `now`.
pub fn judge(existing: Option<&Fields>, wanted: &Wanted<'_>, now: Epoch) -> Verdict {
    let Some(existing) = existing else {
        return Verdict::Issue(Reason::Missing);
    };
    if existing.public_key != wanted.public_key {
        Verdict::Issue(Reason::Key)
    } else if existing.issuer != wanted.issuer {
        Verdict::Issue(Reason::Authority)
    } else if existing.subjects != wanted.subjects {
        Verdict::Issue(Reason::Subjects)
    } else if is_old(existing, now) && existing.not_after < wanted.not_after {
        Verdict::Issue(Reason::Age)
    } else {
        Verdict::Keep
    }
}

fn is_old(existing: &Fields, now: Epoch) -> bool {
    let lifetime = existing.not_after.seconds() - existing.not_before.seconds();
    let remaining = existing.not_after.seconds() - now.seconds();
    remaining.saturating_mul(3) < lifetime
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Epoch {
        Epoch::from_seconds(0).unwrap().plus_days(day)
    }

    fn fields() -> Fields {
        Fields {
            serial: "40".to_owned(),
            not_before: at(0),
            not_after: at(90),
            issuer: b"ca".to_vec(),
            subject: b"db-1".to_vec(),
            public_key: b"key".to_vec(),
            subjects: vec![Subject::Dns("db-1".to_owned())],
        }
    }

    fn judged(change: impl FnOnce(&mut Fields), now: i64, not_after: i64) -> Verdict {
        let (right, mut existing) = (fields(), fields());
        change(&mut existing);
        let wanted = Wanted {
            subjects: &right.subjects,
            public_key: &right.public_key,
            issuer: &right.issuer,
            not_after: at(not_after),
        };
        judge(Some(&existing), &wanted, at(now))
    }

    #[test]
    fn keeps_what_is_right_until_a_third_remains() {
        assert_eq!(judged(|_| (), 60, 150), Verdict::Keep);
        assert_eq!(judged(|_| (), 61, 151), Verdict::Issue(Reason::Age));
        assert_eq!(judged(|_| (), 400, 490), Verdict::Issue(Reason::Age));
    }

    #[test]
    fn does_not_renew_what_the_ca_cannot_prolong() {
        assert_eq!(judged(|_| (), 80, 90), Verdict::Keep);
    }

    #[test]
    fn issues_anew_when_anything_else_has_changed() {
        let other = |f: &mut Fields| f.subjects.clear();
        assert_eq!(judged(other, 1, 91), Verdict::Issue(Reason::Subjects));
        let other = |f: &mut Fields| f.public_key.clear();
        assert_eq!(judged(other, 1, 91), Verdict::Issue(Reason::Key));
        let other = |f: &mut Fields| f.issuer.clear();
        assert_eq!(judged(other, 1, 91), Verdict::Issue(Reason::Authority));
    }
}
