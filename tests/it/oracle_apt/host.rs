//! Hosts that were used for something: packages of the first suite alone, so
//! that they lack what came out since.

use pgbundle::repo::BaseList;
use pgbundle::repo::base::capture_from_status;
use pgbundle::repo::deb::package::PackageSet;

use super::apt::{Apt, Simulation, status};
use super::draw;
use crate::chance::Chance;

/// As many hosts as are asked for: `base` with what apt installs for drawn roots.
pub fn used(base: &BaseList, texts: &[&str], hosts: usize, chance: &mut Chance) -> Vec<BaseList> {
    let mut made = Vec::new();
    if hosts == 0 {
        return made;
    }
    let apt = Apt::new(&texts[..1], &base.text);
    let listed = PackageSet::read(&texts[..1], "amd64").expect("the index is sound");
    while made.len() < hosts {
        let roots = draw::roots(chance, &listed);
        let simulation = apt.install(&roots).and_then(Simulation::without_removals);
        // What apt cannot install makes no host; other roots will.
        if let Ok(simulation) = simulation {
            let name = format!("{} with {}", base.name, roots.join(" "));
            made.push(with(base, &listed, &simulation, name));
        }
    }
    made
}

fn with(
    base: &BaseList,
    listed: &PackageSet<'_>,
    simulation: &Simulation,
    name: String,
) -> BaseList {
    let is_kept = |stanza: &&str| {
        let first = stanza.lines().next().unwrap_or_default();
        let package = first.trim_start_matches("Package: ");
        !simulation.installs.contains_key(package)
    };
    let before = status(&base.text);
    let kept = before.split("\n\n").filter(is_kept).map(str::to_owned);
    let added = simulation.installs.keys().map(|package| {
        let stanza = listed
            .newest(package)
            .expect("apt has it from there")
            .stanza;
        format!("{}\nStatus: install ok installed", stanza.as_str())
    });
    let all: Vec<_> = kept.chain(added).collect();
    let text = capture_from_status(&all.join("\n\n"), &name);
    BaseList::new(name, text)
}
