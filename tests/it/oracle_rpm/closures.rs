//! Closures over the real, signed index of this machine's own apt sources,
//! carried over to rpm-md: by us, and by libsolv as dnf calls it.
//!
//! For each set:
//! - what libsolv can install without removing anything, we can close over;
//!   and what we can close over, libsolv installs with nothing to choose from
//!   but our closure;
//! - the two closures are the same but for alternatives, and each of these is
//!   printed. Any other difference fails the test.
//!
//! `PGBUNDLE_ROOT_SETS` is the number of sets and `PGBUNDLE_SEED` the seed of the
//! first; each next one has one more.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use pgbundle::repo::deb::package as deb;
use pgbundle::repo::model::Id;
use pgbundle::repo::rpm::lower::{Lowered, lower};
use pgbundle::repo::rpm::package::Package;
use pgbundle::repo::rpm::set::PackageSet;
use pgbundle::repo::rpm::{base_list, primary};
use pgbundle::solve;

use super::carried::{self, Carried};
use super::solv::{Solv, Transaction, missing};
use crate::chance::{self, Chance};
use crate::judge::{Choice, difference};
use crate::lock::{MachineMirror, bases, profile, say, texts};
use crate::oracle_apt::draw;

/// How a set came out, where nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Same,
    OtherAlternatives,
    ImpossibleForBoth,
    RemovesForThem,
}

/// A package as libsolv names it.
pub fn nevra(package: &Package<'_>) -> String {
    package.to_string()
}

/// The base that a host has, as a list and as a primary.xml.
struct Host {
    list: String,
    primary: String,
}

impl Host {
    fn new(packages: &[Carried]) -> Self {
        let answer: String = packages.iter().map(Carried::stanza).collect();
        Self {
            list: base_list::capture(&answer, "carried over"),
            primary: carried::primary(packages.iter()),
        }
    }
}

/// What we choose; why there is nothing to choose.
pub fn close<'p, 'a>(
    base: &'p PackageSet<'a>,
    listed: &'p PackageSet<'a>,
    roots: &[&'p str],
) -> Result<(Lowered<'p, 'a>, Vec<Id>), String> {
    let lowered = lower(base, listed, roots, "x86_64").map_err(|e| e.to_string())?;
    let closure = solve::close(&lowered.model).map_err(|e| e.to_string())?;
    Ok((lowered, closure.chosen))
}

/// The packages of a choice that are not in the base.
pub fn new_packages(lowered: &Lowered<'_, '_>, chosen: &[Id]) -> BTreeSet<String> {
    let new = chosen
        .iter()
        .filter(|id| !lowered.model.solvable(**id).installed);
    new.filter_map(|id| lowered.packages[*id as usize])
        .map(nevra)
        .collect()
}

/// Judges our closure by libsolv's, and by what it makes of ours.
pub fn judge(
    solv: &mut Solv,
    (base, listed): (&PackageSet<'_>, &PackageSet<'_>),
    roots: &[&str],
    lines: &mut Vec<String>,
) -> Result<Outcome, String> {
    let theirs = solv.install(roots, None);
    let ours = close(base, listed, roots);
    let (lowered, chosen) = match (ours, &theirs) {
        (Ok(ours), _) => ours,
        (Err(_), Err(_)) => return Ok(Outcome::ImpossibleForBoth),
        (Err(_), Ok(theirs)) if !theirs.removes.is_empty() => return Ok(Outcome::RemovesForThem),
        (Err(why), Ok(theirs)) => {
            return Err(format!("libsolv installs {theirs:?}, we say: {why}"));
        }
    };
    let ours = new_packages(&lowered, &chosen);
    let from_ours = solv.install(roots, Some(&ours));
    let from_ours =
        from_ours.map_err(|why| format!("libsolv refuses our closure {ours:?}: {why}"))?;
    if !from_ours.installs.is_subset(&ours) {
        return Err(format!(
            "libsolv installs {from_ours:?}, of which we gave it {ours:?}"
        ));
    }
    let theirs =
        theirs.map_err(|why| format!("libsolv finds nothing, yet installs {ours:?}: {why}"))?;
    if !theirs.removes.is_empty() && theirs.removes != from_ours.removes {
        return Ok(Outcome::RemovesForThem);
    }
    compare(&lowered, &chosen, &theirs, lines)
}

fn compare(
    lowered: &Lowered<'_, '_>,
    chosen: &[Id],
    theirs: &Transaction,
    lines: &mut Vec<String>,
) -> Result<Outcome, String> {
    let ours = new_packages(lowered, chosen);
    if ours == theirs.installs {
        return Ok(Outcome::Same);
    }
    let alone = (
        ours.difference(&theirs.installs).collect::<Vec<_>>(),
        theirs.installs.difference(&ours).collect::<Vec<_>>(),
    );
    let ours: Choice = chosen.iter().copied().collect();
    let theirs = choice(lowered, theirs, &ours)?;
    let found = difference(&lowered.model, "libsolv", &ours, &theirs);
    lines.extend(found.alternatives);
    if !found.only_ours.is_empty() || !found.only_theirs.is_empty() {
        let (ours, theirs) = (found.only_ours, found.only_theirs);
        return Err(format!(
            "no alternative explains: we add {ours:?}, libsolv adds {theirs:?}; \
             alone we have {:?}, libsolv alone {:?}",
            alone.0, alone.1
        ));
    }
    Ok(Outcome::OtherAlternatives)
}

/// The model's numbers of a base with these packages new or upgraded; what was
/// invented is taken as we have it.
fn choice(
    lowered: &Lowered<'_, '_>,
    theirs: &Transaction,
    ours: &Choice,
) -> Result<Choice, String> {
    let model = &lowered.model;
    let package = |id: Id| lowered.packages[id as usize];
    let is_new = |id: &Id| {
        let name = package(*id).map(nevra);
        !model.solvable(*id).installed && name.is_some_and(|name| theirs.installs.contains(&name))
    };
    let new: Choice = model.ids().filter(is_new).collect();
    if new.len() != theirs.installs.len() {
        let known: BTreeSet<_> = new
            .iter()
            .filter_map(|id| package(*id))
            .map(nevra)
            .collect();
        let unknown: Vec<_> = theirs.installs.difference(&known).collect();
        return Err(format!("nothing leads to {unknown:?}"));
    }
    let slots: BTreeSet<_> = new.iter().map(|id| model.solvable(*id).slot).collect();
    let stays = |id: &Id| {
        let one = model.solvable(*id);
        match package(*id) {
            None => ours.contains(id),
            Some(p) => {
                one.installed && !slots.contains(&one.slot) && !theirs.removes.contains(&nevra(p))
            }
        }
    };
    let staying: Vec<_> = model.ids().filter(stays).collect();
    Ok(new.into_iter().chain(staying).collect())
}

/// The profile's base, and a host that was used for something: what libsolv
/// installs there for some drawn roots, from the first suite alone.
fn hosts(texts: &[&str], virtuals: &HashSet<String>, chance: &mut Chance) -> Vec<Host> {
    let base = &bases()[0].text;
    let base = deb::PackageSet::read(&[base], "amd64").expect("the base is sound");
    let fresh = carried::carry(base.all(), virtuals);
    let first = deb::PackageSet::read(&texts[..1], "amd64").expect("the index is sound");
    let offered = carried::carry(first.all(), virtuals);
    let host = Host::new(&fresh);
    let mut solv = Solv::new(&host.primary, &carried::primary(offered.iter()), None);
    let transaction = loop {
        let roots = draw::roots(chance, &first);
        // What cannot be installed makes no host; other roots will.
        if let Ok(done) = solv.install(&roots, None)
            && done.removes.is_empty()
        {
            break done;
        }
    };
    let is_new = |one: &&Carried| transaction.installs.contains(&one.nevra());
    let new: Vec<_> = offered.iter().filter(is_new).collect();
    let is_kept = |one: &&Carried| !new.iter().any(|new| new.name == one.name);
    let used = fresh.iter().filter(is_kept).chain(new.iter().copied());
    let used = Host::new(&used.cloned().collect::<Vec<_>>());
    vec![host, used]
}

#[test]
fn closes_over_drawn_root_sets_as_libsolv_does() {
    if !super::is_there(missing()) {
        return;
    }
    let (seed, sets) = (chance::seed(), chance::count("PGBUNDLE_ROOT_SETS", 40));
    let again = format!("PGBUNDLE_SEED={seed} PGBUNDLE_ROOT_SETS={sets}");
    let profile = profile();
    let indexes = match MachineMirror::new(&profile) {
        Ok(mirror) => mirror.read(&profile),
        Err(reason) => {
            super::is_there(Some(reason));
            return;
        }
    };
    let texts = texts(&indexes);
    let drawn_from = deb::PackageSet::read(&texts, "amd64").expect("the index is sound");
    let virtuals = carried::virtuals(drawn_from.all());
    let hosts = hosts(&texts, &virtuals, &mut Chance::new(seed));
    let listed_xml = carried::primary(carried::carry(drawn_from.all(), &virtuals).iter());
    let started = Instant::now();
    let packages = primary::read(&listed_xml, 0, |_| true).unwrap();
    let listed = PackageSet::new(packages);
    let reading = started.elapsed();
    let mut judged: Vec<(BTreeMap<Outcome, usize>, Vec<String>)> = Vec::new();
    std::thread::scope(|scope| {
        let (listed, listed_xml, drawn_from) = (&listed, &listed_xml, &drawn_from);
        let threads: Vec<_> = (hosts.iter().enumerate())
            .map(|(number, host)| {
                let seeds = (0..sets as u64).filter(move |one| *one as usize % 2 == number);
                scope.spawn(move || {
                    let base = PackageSet::new(base_list::read(&host.list).unwrap());
                    let mut solv = Solv::new(&host.primary, listed_xml, None);
                    let (mut outcomes, mut faults) = (BTreeMap::new(), Vec::new());
                    for one in seeds {
                        let seed = seed.wrapping_add(one);
                        let roots = draw::roots(&mut Chance::new(seed), drawn_from);
                        let title = format!("seed {seed}: {} on host {number}", roots.join(" "));
                        let mut lines = Vec::new();
                        let outcome = judge(&mut solv, (&base, listed), &roots, &mut lines);
                        if !lines.is_empty() {
                            say(&format!("{title}\n  {}", lines.join("\n  ")));
                        }
                        match outcome {
                            Ok(outcome) => *outcomes.entry(outcome).or_insert(0) += 1,
                            Err(fault) => faults.push(format!("{title}\n  {fault}")),
                        }
                    }
                    (outcomes, faults)
                })
            })
            .collect();
        judged.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
    });
    let took: Duration = started.elapsed();
    let outcomes: Vec<_> = judged.iter().map(|(outcomes, _)| outcomes).collect();
    say(&format!(
        "{sets} root sets over {} rpm packages of {again}: {outcomes:?}; reading took {reading:?}, all {took:?}",
        listed.all().len()
    ));
    let faults: Vec<_> = judged
        .iter()
        .flat_map(|(_, faults)| faults.clone())
        .collect();
    assert!(
        faults.is_empty(),
        "{} of {sets} sets; again with {again}:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
