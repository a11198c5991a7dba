//! apt as the oracle: root sets drawn from the real, signed index of this
//! machine's own sources, closed over by us and by apt, on a fresh base and on
//! hosts that are older than the index and have more installed.
//!
//! For each set:
//! - what apt can install without removing anything, we can close over; and
//!   what we can close over, apt installs with nothing to choose from but our
//!   closure, upon the base's status: all roots from the whole, and each
//!   role's from the slice that its bundle holds;
//! - the two closures are the same but for alternatives, and each of these is
//!   printed. Any other difference fails the test.
//!
//! `PGBUNDLE_ROOT_SETS` is the number of sets and `PGBUNDLE_SEED` the seed of the
//! first; each next one has one more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pgbundle::base::Role;
use pgbundle::lock::pin::PinError;
use pgbundle::lock::pin::deb::close::{self, Pinned};
use pgbundle::plan::Plan;
use pgbundle::repo::BaseList;

use pgbundle::repo::deb::lower::{Lowered, Siblings, lower};
use pgbundle::repo::deb::package::{Package, PackageSet};
use pgbundle::repo::index::Indexes;

use crate::chance::{self, Chance};
use crate::judge::{Choice, difference};
use crate::lock::{MachineMirror, ROOTS, bases, plan, profile, say, texts};
use apt::{Apt, Simulation};

mod apt;
pub mod draw;
mod host;

/// What all sets are judged by.
struct Bench<'i> {
    plan: Plan,
    listed: PackageSet<'i>,
    hosts: Vec<Host>,
}

/// A base, and apt upon it.
struct Host {
    base: BaseList,
    apt: Apt,
}

/// How a set came out, where nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Same,
    OtherAlternatives,
    ImpossibleForBoth,
    AptAloneGaveUp,
}

/// What is known of a set.
struct Judged {
    title: String,
    lines: Vec<String>,
    outcome: Result<Outcome, String>,
    ours: Duration,
    apts: Duration,
}

/// The machine's indexes; a machine of a build has them, or the test fails.
fn indexes() -> Option<Indexes> {
    let profile = profile();
    match MachineMirror::new(&profile) {
        Ok(mirror) => Some(mirror.read(&profile)),
        Err(reason) if std::env::var_os("CI").is_none() => {
            say(&format!("NOT COMPARED with apt: {reason}"));
            None
        }
        Err(reason) => panic!("nothing to compare with apt: {reason}"),
    }
}

impl<'i> Bench<'i> {
    /// The profile's bases, and as many used hosts as are asked for.
    fn new(texts: &[&'i str], used: usize, chance: &mut Chance) -> Self {
        let mut bases = bases();
        bases.extend(host::used(&bases[0], texts, used, chance));
        let host = |base: BaseList| {
            let apt = Apt::new(texts, &base.text);
            Host { base, apt }
        };
        Self {
            plan: plan(profile()),
            hosts: bases.into_iter().map(host).collect(),
            listed: PackageSet::read(texts, "amd64").expect("the index is sound"),
        }
    }

    /// Judges the set that follows from `seed`.
    fn drawn(&self, seed: u64) -> Judged {
        let mut chance = Chance::new(seed);
        let host = chance.one_of(&self.hosts);
        let roots = draw::roots(&mut chance, &self.listed);
        let title = format!("seed {seed}: {} on {}", roots.join(" "), host.base.name);
        let roles = Role::ALL.into_iter().cycle();
        self.judged(title, host, &roles.zip(roots).collect::<Vec<_>>())
    }

    fn judged(&self, title: String, host: &Host, asked: &[(Role, &str)]) -> Judged {
        let started = Instant::now();
        let ours = self.closure(host, asked);
        let (ours_took, started) = (started.elapsed(), Instant::now());
        let theirs = host.apt.install(&names(asked));
        let apts_took = started.elapsed();
        let mut lines = Vec::new();
        Judged {
            outcome: self.compare(host, asked, ours, theirs, &mut lines),
            title,
            lines,
            ours: ours_took,
            apts: apts_took,
        }
    }

    /// What a lock of these roots would hold; why there is none.
    fn closure(&self, host: &Host, asked: &[(Role, &str)]) -> Result<Pinned<'_, 'i>, String> {
        let mut plan = self.plan.clone();
        plan.packages = BTreeMap::new();
        for (role, root) in asked {
            let of_role = plan.packages.entry(*role).or_default();
            of_role.push((*root).to_owned());
        }
        match close::close_all(&plan, std::slice::from_ref(&host.base), &self.listed) {
            Ok((closure, _)) => Ok(closure),
            Err(PinError::Solve { source, .. }) => Err(source.to_string()),
            Err(other) => panic!("{other}"),
        }
    }

    fn compare(
        &self,
        host: &Host,
        asked: &[(Role, &str)],
        ours: Result<Pinned<'_, '_>, String>,
        theirs: Result<Simulation, String>,
        lines: &mut Vec<String>,
    ) -> Result<Outcome, String> {
        let theirs = theirs.and_then(Simulation::without_removals);
        let ours = match (ours, &theirs) {
            (Ok(ours), _) => ours,
            (Err(_), Err(_)) => return Ok(Outcome::ImpossibleForBoth),
            (Err(why), Ok(apt)) => return Err(format!("apt installs {apt:?}, we say: {why}")),
        };
        for role in Role::ALL {
            let slice = ours.values().filter(|(_, roles)| roles.contains(&role));
            let slice: Vec<_> = slice.map(|(package, _)| *package).collect();
            let own = asked.iter().filter(|(of, _)| *of == role).copied();
            let own = names(&own.collect::<Vec<_>>());
            installs_from(host, &own, &slice)
                .map_err(|why| format!("{role} with {own:?} alone: {why}"))?;
        }
        let ours: Vec<_> = ours.into_values().map(|(package, _)| package).collect();
        let roots = names(asked);
        installs_from(host, &roots, &ours)?;
        match theirs {
            Ok(theirs) => self.compare_closures(host, &roots, &ours, &theirs, lines),
            Err(why) => {
                lines.push(format!(
                    "apt alone finds no way, yet installs our closure: {why}"
                ));
                Ok(Outcome::AptAloneGaveUp)
            }
        }
    }

    fn compare_closures(
        &self,
        host: &Host,
        roots: &[&str],
        ours: &[&Package<'_>],
        theirs: &Simulation,
        lines: &mut Vec<String>,
    ) -> Result<Outcome, String> {
        let base = PackageSet::read(&[&host.base.text], "amd64").expect("the base is sound");
        let lowered = lower(&base, &self.listed, roots, "amd64", Siblings::Upgraded)
            .expect("it was lowered before");
        let is_companion =
            |p: &&&Package<'_>| (base.newest(p.name)).is_some_and(|have| have.version == p.version);
        let ours = ours.iter().filter(|p| !is_companion(p));
        let ours = choice(
            &lowered,
            ours.map(|p| (p.name, p.version.as_str())).collect(),
        )?;
        let theirs = theirs.installs.iter();
        let theirs = theirs.map(|(name, version)| (name.as_str(), version.as_str()));
        let theirs = choice(&lowered, theirs.collect())?;
        let found = difference(&lowered.model, "apt", &ours, &theirs);
        *lines = found.alternatives;
        if !found.only_ours.is_empty() || !found.only_theirs.is_empty() {
            let (ours, theirs) = (found.only_ours, found.only_theirs);
            return Err(format!(
                "no alternative explains: we add {ours:?}, apt adds {theirs:?}"
            ));
        }
        Ok(match ours == theirs {
            true => Outcome::Same,
            false => Outcome::OtherAlternatives,
        })
    }
}

fn names<'r>(asked: &[(Role, &'r str)]) -> Vec<&'r str> {
    asked.iter().map(|(_, root)| *root).collect()
}

/// apt, with our closure as all that there is, installs the roots and nothing else.
fn installs_from(host: &Host, roots: &[&str], ours: &[&Package<'_>]) -> Result<(), String> {
    let stanzas = ours.iter().map(|p| format!("{}\n\n", p.stanza.as_str()));
    let simulation = host.apt.install_from(&stanzas.collect::<String>(), roots);
    let simulation = simulation.and_then(Simulation::without_removals);
    let simulation = simulation.map_err(|why| format!("apt refuses our closure: {why}"))?;
    let versions: BTreeMap<_, _> = ours.iter().map(|p| (p.name, p.version.as_str())).collect();
    for (name, version) in &simulation.installs {
        if versions.get(name.as_str()) != Some(&version.as_str()) {
            return Err(format!(
                "apt installs {name} {version}, which we did not give it"
            ));
        }
    }
    Ok(())
}

/// The model's numbers of a base with these packages new or upgraded.
fn choice(lowered: &Lowered<'_, '_>, new: BTreeMap<&str, &str>) -> Result<Choice, String> {
    let model = &lowered.model;
    let is_taken = |id: &u32| {
        let (package, one) = (lowered.packages[*id as usize], model.solvable(*id));
        match new.get(package.name) {
            Some(version) => *version == package.version.as_str() && !one.installed,
            None => one.installed,
        }
    };
    let taken: Choice = model.ids().filter(is_taken).collect();
    let names = taken.iter().map(|id| lowered.packages[*id as usize].name);
    let names: BTreeSet<_> = names.collect();
    match new.iter().find(|(name, _)| !names.contains(*name)) {
        Some((name, version)) => Err(format!("nothing leads to {name} {version}")),
        None => Ok(taken),
    }
}

/// Judges the sets on all processors; what they came to, in the seeds' order.
fn judge_all(bench: &Bench<'_>, seed: u64, sets: usize) -> Vec<Judged> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut judged = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= sets {
                return judged;
            }
            judged.push((number, bench.drawn(seed.wrapping_add(number as u64))));
        }
    };
    let mut judged: Vec<_> = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done = threads.into_iter().map(|thread| thread.join().unwrap());
        done.flatten().collect()
    });
    judged.sort_by_key(|(number, _)| *number);
    judged.into_iter().map(|(_, judged)| judged).collect()
}

/// Prints what came out; every fault.
fn report(judged: &[Judged]) -> Vec<String> {
    let mut faults = Vec::new();
    for one in judged {
        if !one.lines.is_empty() {
            say(&format!("{}\n  {}", one.title, one.lines.join("\n  ")));
        }
        if let Err(fault) = &one.outcome {
            faults.push(format!("{}\n  {fault}", one.title));
        }
    }
    faults
}

#[test]
fn closes_over_the_clusters_set_as_apt_does() {
    let Some(indexes) = indexes() else { return };
    let bench = Bench::new(&texts(&indexes), 0, &mut Chance::new(0));
    let of_role = |(role, roots): &(Role, &'static [&'static str])| {
        let role = *role;
        roots.iter().map(move |root| (role, *root))
    };
    let asked: Vec<_> = ROOTS.iter().flat_map(of_role).collect();
    for host in &bench.hosts {
        let judged = bench.judged(host.base.name.clone(), host, &asked);
        assert_eq!(report(std::slice::from_ref(&judged)), [""; 0]);
        assert_eq!(judged.outcome, Ok(Outcome::Same), "{}", judged.title);
    }
}

#[test]
fn closes_over_drawn_root_sets_as_apt_does() {
    let (seed, sets) = (chance::seed(), chance::count("PGBUNDLE_ROOT_SETS", 60));
    let Some(indexes) = indexes() else { return };
    let again = format!("PGBUNDLE_SEED={seed} PGBUNDLE_ROOT_SETS={sets}");
    say(&format!("root sets of {again}"));
    let bench = Bench::new(&texts(&indexes), 2, &mut Chance::new(seed));
    let judged = judge_all(&bench, seed, sets);
    let faults = report(&judged);
    let mut outcomes = BTreeMap::new();
    for one in &judged {
        *outcomes.entry(&one.outcome).or_insert(0) += 1;
    }
    say(&format!(
        "{sets} root sets of {again}: {outcomes:?}; ours took {:?}, apt's {:?}",
        judged.iter().map(|one| one.ours).sum::<Duration>(),
        judged.iter().map(|one| one.apts).sum::<Duration>()
    ));
    assert!(
        faults.is_empty(),
        "{} of {sets} sets; again with {again}:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
