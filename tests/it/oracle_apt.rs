//! apt as the oracle: root sets drawn from the real, signed index of this
//! machine's own sources, closed over by us and by apt.
//!
//! For each set:
//! - what apt can install without removing anything, we can close over; and
//!   what we can close over, apt installs with nothing to choose from but our
//!   closure, upon the base's status;
//! - the two closures are the same but for alternatives, and each of these is
//!   printed. Any other difference fails the test.
//!
//! `PGBUNDLE_ROOT_SETS` is the number of sets, `PGBUNDLE_SEED` the seed of the first; the
//! seed of each next one is one more, so that a set can be repeated by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pgbundle::base::Role;
use pgbundle::lock::pin::{PinError, close};
use pgbundle::plan::Plan;
use pgbundle::repo::BaseList;
use pgbundle::repo::base::capture_from_status;
use pgbundle::repo::index::VerifiedIndex;
use pgbundle::repo::lower::{Lowered, Siblings, lower};
use pgbundle::repo::package::{Package, PackageSet};

use crate::chance::{self, Chance};
use crate::lock::{MachineMirror, bases, plan, profile, say};
use apt::{Apt, Simulation};
use judge::{Choice, difference};

mod apt;
mod draw;
mod judge;

/// How many of the bases are hosts that were used for something already.
const USED_BASES: usize = 2;

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

/// What came of the sets.
#[derive(Debug, Default)]
struct Tally {
    same: usize,
    with_alternatives: usize,
    impossible_for_both: usize,
    apt_gave_up: usize,
    packages: usize,
    upgrades: usize,
    ours: Duration,
    apt: Duration,
}

fn indexes() -> Result<Vec<VerifiedIndex>, String> {
    let profile = profile();
    Ok(MachineMirror::new(&profile)?.read(&profile))
}

fn texts(indexes: &[VerifiedIndex]) -> Vec<&str> {
    let texts = indexes.iter().flat_map(|index| &index.packages);
    texts.map(String::as_str).collect()
}

impl<'i> Bench<'i> {
    fn new(texts: &[&'i str], chance: &mut Chance) -> Result<Self, String> {
        let listed = PackageSet::read(texts, "amd64").map_err(|error| error.to_string())?;
        let mut bases = bases();
        let fresh = bases[0].clone();
        // The first suite alone: such a host lacks what came out since.
        let before = Apt::new(&texts[..1], &fresh.text)?;
        let then = PackageSet::read(&texts[..1], "amd64").map_err(|error| error.to_string())?;
        while bases.len() <= USED_BASES {
            bases.extend(used(&fresh, &before, &then, chance)?);
        }
        let host = |base: BaseList| {
            let apt = Apt::new(texts, &base.text)?;
            Ok(Host { base, apt })
        };
        Ok(Self {
            plan: plan(profile()),
            hosts: bases.into_iter().map(host).collect::<Result<_, String>>()?,
            listed,
        })
    }
}

/// A host upon which apt installed some packages; none where it cannot.
fn used(
    base: &BaseList,
    apt: &Apt,
    listed: &PackageSet<'_>,
    chance: &mut Chance,
) -> Result<Option<BaseList>, String> {
    let roots = draw::roots(chance, listed);
    let Ok(simulation) = apt.install(&roots)? else {
        return Ok(None);
    };
    if !simulation.removes.is_empty() {
        return Ok(None);
    }
    let is_replaced = |stanza: &&str| {
        let name = stanza.lines().next().unwrap_or_default();
        let name = name.trim_start_matches("Package: ");
        !simulation.installs.contains_key(name)
    };
    let status = apt::status(&base.text);
    let kept = status.split("\n\n").filter(is_replaced).map(str::to_owned);
    let added = simulation.installs.keys().map(|name| {
        let stanza = listed.newest(name).expect("apt has it from there").stanza;
        format!("{}\nStatus: install ok installed", stanza.as_str())
    });
    let all: Vec<_> = kept.chain(added).collect();
    let about = format!("{} with {}", base.name, roots.join(" "));
    let text = capture_from_status(&all.join("\n\n"), &about);
    Ok(Some(BaseList::new(about, text)))
}

impl Bench<'_> {
    fn judge(
        &mut self,
        host: usize,
        roots: &[&str],
        tally: &mut Tally,
    ) -> Result<Vec<String>, String> {
        let host = &self.hosts[host];
        let roles =
            BTreeMap::from([(Role::Proxy, roots.iter().map(|r| (*r).to_owned()).collect())]);
        self.plan.packages = roles;
        let started = Instant::now();
        let closed = close::close_all(&self.plan, std::slice::from_ref(&host.base), &self.listed);
        tally.ours += started.elapsed();
        let started = Instant::now();
        let apt = host.apt.install(roots)?;
        tally.apt += started.elapsed();
        let closure = match closed {
            Ok((closure, _)) => closure,
            Err(PinError::Solve { source, .. }) => {
                return impossible(apt, &source.to_string(), tally);
            }
            Err(other) => return Err(other.to_string()),
        };
        let closure: Vec<_> = closure.values().map(|(package, _)| *package).collect();
        self.installs_ours(host, roots, &closure)?;
        tally.packages += closure.len();
        match apt {
            Ok(apt) if apt.removes.is_empty() => self.compare(host, roots, &closure, &apt, tally),
            other => {
                tally.apt_gave_up += 1;
                Ok(vec![format!(
                    "apt finds no way ({}), and installs our closure",
                    reason(&other)
                )])
            }
        }
    }

    /// apt, given our closure and no other package, installs the roots from it.
    fn installs_ours(
        &self,
        host: &Host,
        roots: &[&str],
        closure: &[&Package<'_>],
    ) -> Result<(), String> {
        let stanzas = closure.iter().map(|p| format!("{}\n\n", p.stanza.as_str()));
        let index: String = stanzas.collect();
        let simulation = host.apt.install_from(&index, roots)?;
        let simulation =
            simulation.map_err(|words| format!("apt cannot install our closure: {words}"))?;
        if !simulation.removes.is_empty() {
            return Err(format!(
                "with our closure apt removes {:?}",
                simulation.removes
            ));
        }
        let versions: BTreeMap<_, _> = closure
            .iter()
            .map(|p| (p.name, p.version.as_str()))
            .collect();
        for (name, version) in &simulation.installs {
            if versions.get(name.as_str()) != Some(&version.as_str()) {
                return Err(format!(
                    "apt installs {name} {version}, which is not in our closure"
                ));
            }
        }
        Ok(())
    }

    fn compare(
        &self,
        host: &Host,
        roots: &[&str],
        closure: &[&Package<'_>],
        apt: &Simulation,
        tally: &mut Tally,
    ) -> Result<Vec<String>, String> {
        let installed =
            close::read(&[&host.base.text], "the base", &self.plan).map_err(|e| e.to_string())?;
        let lowered = lower(&installed, &self.listed, roots, "amd64", Siblings::Upgraded)
            .map_err(|e| e.to_string())?;
        let is_companion = |p: &&&Package<'_>| {
            installed
                .newest(p.name)
                .is_some_and(|have| have.version == p.version)
        };
        let ours = closure.iter().filter(|p| !is_companion(p));
        let ours = ours.map(|p| (p.name, p.version.as_str())).collect();
        let theirs = apt
            .installs
            .iter()
            .map(|(name, version)| (name.as_str(), version.as_str()));
        let ours = choice(&lowered, &ours)?;
        let theirs = choice(&lowered, &theirs.collect())?;
        tally.upgrades += ours
            .iter()
            .filter(|id| {
                let package = lowered.packages[**id as usize];
                !lowered.model.solvable(**id).installed && installed.newest(package.name).is_some()
            })
            .count();
        let (more, less) = (
            difference(&lowered, &ours, &theirs),
            difference(&lowered, &theirs, &ours),
        );
        if !more.unexplained.is_empty() || !less.unexplained.is_empty() {
            return Err(format!(
                "beyond alternatives {:?}\n  we add {:?}\n  apt adds {:?}",
                more.alternatives, more.unexplained, less.unexplained
            ));
        }
        match ours == theirs {
            true => tally.same += 1,
            false => tally.with_alternatives += 1,
        }
        Ok(more.alternatives)
    }
}

fn reason(apt: &Result<Simulation, String>) -> String {
    match apt {
        Ok(simulation) => format!("it would remove {}", simulation.removes.join(" ")),
        Err(words) => words
            .lines()
            .filter(|l| l.starts_with(' ') && l.contains(" : "))
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("; "),
    }
}

/// We found nothing: then apt must not either, unless it removes something.
fn impossible(
    apt: Result<Simulation, String>,
    why: &str,
    tally: &mut Tally,
) -> Result<Vec<String>, String> {
    match apt {
        Ok(apt) if apt.removes.is_empty() => {
            Err(format!("apt installs {:?}, we say: {why}", apt.installs))
        }
        _ => {
            tally.impossible_for_both += 1;
            Ok(vec![])
        }
    }
}

fn choice(lowered: &Lowered<'_, '_>, new: &BTreeMap<&str, &str>) -> Result<Choice, String> {
    let model = &lowered.model;
    let is_taken = |id: &u32| {
        let package = lowered.packages[*id as usize];
        match new.get(package.name) {
            Some(version) => *version == package.version.as_str() && !model.solvable(*id).installed,
            None => model.solvable(*id).installed,
        }
    };
    let taken: Choice = model.ids().filter(is_taken).collect();
    let names: BTreeSet<_> = taken
        .iter()
        .map(|id| lowered.packages[*id as usize].name)
        .collect();
    match new.iter().find(|(name, _)| !names.contains(*name)) {
        Some((name, version)) => Err(format!("{name} {version} is not to be chosen from")),
        None => Ok(taken),
    }
}

#[test]
fn closes_over_drawn_root_sets_as_apt_does() {
    let (seed, sets) = (chance::seed(), chance::count("PGBUNDLE_ROOT_SETS", 60));
    let indexes = match indexes() {
        Ok(indexes) => indexes,
        Err(reason) if std::env::var_os("CI").is_none() => {
            return say(&format!("NOT COMPARED with apt: {reason}"));
        }
        Err(reason) => panic!("nothing to compare with apt: {reason}"),
    };
    let texts = texts(&indexes);
    let mut bench = Bench::new(&texts, &mut Chance::new(seed)).unwrap();
    let mut tally = Tally::default();
    let mut faults = Vec::new();
    for number in 0..sets {
        let seed = seed.wrapping_add(number as u64);
        let mut chance = Chance::new(seed);
        let host = chance.below(bench.hosts.len());
        let roots = draw::roots(&mut chance, &bench.listed);
        let title = format!(
            "seed {seed}: {} on {}",
            roots.join(" "),
            bench.hosts[host].base.name
        );
        match bench.judge(host, &roots, &mut tally) {
            Ok(lines) if lines.is_empty() => {}
            Ok(lines) => say(&format!("{title}\n  {}", lines.join("\n  "))),
            Err(fault) => {
                say(&format!("FAULT {title}\n  {fault}"));
                faults.push(format!("{title}\n  {fault}"));
            }
        }
    }
    say(&format!(
        "{sets} root sets from PGBUNDLE_SEED={seed}: {tally:?}"
    ));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
