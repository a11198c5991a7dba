//! Whether a lock still answers what a plan asks.

use std::fmt;

use super::request::asked;
use super::{Lock, LockedFile, LockedPackage, LockedWheel};
use crate::base::{Role, Sha256};
use crate::plan::Plan;
use crate::repo::BaseList;

/// A plan with the lock that covers it. Made by [`Lock::cover`] alone.
#[derive(Clone, Copy, Debug)]
pub struct LockedPlan<'a> {
    plan: &'a Plan,
    lock: &'a Lock,
}

/// A file that has to be in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    /// The source's id in the profile.
    pub source: String,
    /// Path below the source's root.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

/// One way in which a lock does not cover a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The lock is for another profile or architecture.
    Foreign {
        /// What differs.
        what: &'static str,
        /// The plan's.
        wanted: String,
        /// The lock's.
        found: String,
    },
    /// Asked now, and not when the lock was made.
    New(String),
    /// Asked when the lock was made, and no more.
    Dropped(String),
    /// Asked then in another form.
    Changed {
        /// The sentence now.
        now: String,
        /// The sentence then.
        then: String,
    },
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign {
                what,
                wanted,
                found,
            } => {
                write!(f, "the lock is for the {what} {found}, not for {wanted}")
            }
            Self::New(sentence) => write!(f, "new since the lock was made: {sentence}"),
            Self::Dropped(sentence) => write!(f, "true only when the lock was made: {sentence}"),
            Self::Changed { now, then } => {
                write!(f, "changed since the lock was made: {now} (then: {then})")
            }
        }
    }
}

impl Lock {
    /// The plan with this lock, where the lock answers exactly what the plan asks.
    pub fn cover<'a>(
        &'a self,
        plan: &'a Plan,
        bases: &[BaseList],
    ) -> Result<LockedPlan<'a>, Vec<Gap>> {
        let mut gaps = Vec::new();
        let mut compare = |what, wanted: &str, found: &str| {
            if wanted != found {
                let (wanted, found) = (wanted.to_owned(), found.to_owned());
                gaps.push(Gap::Foreign {
                    what,
                    wanted,
                    found,
                });
            }
        };
        compare("profile", &plan.profile.name, &self.profile);
        compare(
            "architecture",
            plan.architecture.as_str(),
            self.architecture.as_str(),
        );
        gaps.extend(differences(&asked(plan, bases), &self.asked));
        gaps.extend(super::keys::gaps(self, &plan.profile));
        if gaps.is_empty() {
            Ok(LockedPlan { plan, lock: self })
        } else {
            Err(gaps)
        }
    }
}

fn differences(now: &[String], then: &[String]) -> Vec<Gap> {
    let subject = |sentence: &str| sentence.split(" is ").next().map(str::to_owned);
    let same = |a: &str, b: &str| subject(a) == subject(b);
    let new: Vec<_> = now.iter().filter(|s| !then.contains(s)).collect();
    let gone: Vec<_> = then.iter().filter(|s| !now.contains(s)).collect();
    let kept = gone
        .iter()
        .filter(|then| !new.iter().any(|now| same(now, then)));
    let dropped = kept.map(|then| Gap::Dropped(then.to_string()));
    let changed = new
        .iter()
        .map(|now| match gone.iter().find(|then| same(now, then)) {
            Some(then) => Gap::Changed {
                now: now.to_string(),
                then: then.to_string(),
            },
            None => Gap::New(now.to_string()),
        });
    changed.chain(dropped).collect()
}

impl<'a> LockedPlan<'a> {
    /// The plan.
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// The lock.
    pub fn lock(&self) -> &'a Lock {
        self.lock
    }

    /// The packages of a role, in the lock's order.
    pub fn packages(&self, role: Role) -> impl Iterator<Item = &'a LockedPackage> {
        self.lock
            .packages
            .iter()
            .filter(move |p| p.roles.contains(&role))
    }

    /// The plain files of a role, in the lock's order.
    pub fn files(&self, role: Role) -> impl Iterator<Item = &'a LockedFile> {
        self.lock
            .files
            .iter()
            .filter(move |f| f.roles.contains(&role))
    }

    /// The Python wheels of a role, in the lock's order.
    pub fn wheels(&self, role: Role) -> impl Iterator<Item = &'a LockedWheel> {
        self.lock
            .wheels
            .iter()
            .filter(move |wheel| wheel.roles.contains(&role))
    }

    /// The package files that the store must have, in the lock's order.
    pub fn wants(&self) -> Vec<Want> {
        let packages = self.lock.packages.iter();
        packages
            .map(|p| want(&p.source, &p.path, p.size, p.sha256))
            .collect()
    }

    /// The signed indexes, kept in the store when the lock was made; a mirror
    /// that moved on has them no more.
    pub fn evidence(&self) -> Vec<Want> {
        let indexes = self.lock.indexes.iter();
        indexes
            .map(|i| want(&i.source, &i.path, i.size, i.sha256))
            .collect()
    }
}

fn want(source: &str, path: &str, size: u64, sha256: Sha256) -> Want {
    Want {
        source: source.to_owned(),
        path: path.to_owned(),
        size,
        sha256,
    }
}
