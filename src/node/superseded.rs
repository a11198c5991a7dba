//! Packages that an earlier generation brought and this one does without.
//!
//! Two RPMs may bring one file, and neither say that it takes the other's place: a
//! vendor's PgBouncer and PGDG's have their settings at one path, and rpm installs
//! the one beside the other no more. So what is left over goes first, unless
//! something on the host needs it. Debian's packages name what they replace.

use std::collections::BTreeSet;

use super::brought::Brought;
use super::bundles::RoleBundle;
use super::files::all_services;
use super::host::Host;
use super::packages::{self, PackageManager};
use super::removing;
use super::stop::Stop;
use super::system::Call;
use crate::base::NodePath;

/// Those that may go.
pub fn plan(
    host: &Host,
    manager: PackageManager,
    bundles: &[RoleBundle],
) -> Result<BTreeSet<String>, Stop> {
    if manager != PackageManager::Rpm {
        return Ok(BTreeSet::new());
    }
    let mut earlier = Brought::read(host)?;
    // What a host has by now may be its base, and is in no list then.
    let named = packages::names(bundles);
    let made_of: BTreeSet<&String> = all_services(bundles)
        .flat_map(|service| &service.packages)
        .chain(&named)
        .chain(packages::entries(bundles).iter().map(|entry| &entry.name))
        .collect();
    earlier
        .packages
        .retain(|name, had| had.is_none() && !made_of.contains(name));
    if earlier.packages.is_empty() {
        return Ok(BTreeSet::new());
    }
    match removing::plan(host, manager, &earlier, &[]) {
        Ok(removal) => Ok(removal.gone),
        // Something needs one or another of them: all stay.
        Err(Stop::Refused(_)) => Ok(BTreeSet::new()),
        Err(fault) => Err(fault),
    }
}

/// Takes them away. Their files are as they brought them by then, or rpm would leave
/// ours beside them as something that the operator wrote.
pub fn remove(host: &Host, gone: &BTreeSet<String>) -> Result<(), Stop> {
    let mut arguments = packages::rpm_root(host);
    arguments.extend(["--query", "--list"].map(str::to_owned));
    arguments.extend(gone.iter().cloned());
    let list = Call::new("rpm", arguments).with("LC_ALL", "C");
    let listed = host.system.run(&list.within(packages::LONG))?.output;
    let listed: BTreeSet<&str> = listed.lines().collect();
    let mut brought = Brought::read(host)?;
    let is_theirs = |path: &&NodePath| listed.contains(path.as_str());
    let files = brought.files.keys().filter(is_theirs).cloned().collect();
    brought.give_back_these(host, &files)?;
    for call in PackageManager::Rpm.remove_calls(host, gone, &BTreeSet::new()) {
        host.system.run(&call)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::durable::{self, Rights};
    use crate::node::services::tests::role;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn what_an_earlier_generation_brought_goes_where_nothing_needs_it() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let mut brought = Brought::default();
        for name in ["old", "etcd", "root", "libold"] {
            brought.packages.insert(name.to_owned(), None);
        }
        let theirs = Some("1-1".to_owned());
        brought.packages.insert("theirs".to_owned(), theirs);
        let settings: NodePath = "/etc/old.ini".parse().unwrap();
        let own = Rights::own(0o644);
        durable::write(&settings.under(&host.root), b"its own", own).unwrap();
        brought.before_files(&host, [(&settings, false)]).unwrap();
        brought.write(&host).unwrap();
        durable::write(&settings.under(&host.root), b"ours", own).unwrap();
        let mut bundle = role("etcd", "etcd.service");
        bundle.assignment.packages = vec!["root".to_owned()];
        for service in &mut bundle.assignment.services {
            service.packages = vec!["etcd".to_owned()];
        }
        let bundles = [bundle];
        let list = "old x86_64 0:1-1\netcd x86_64 0:1-1\nroot x86_64 0:1-1\n\
            libold x86_64 0:1-1\ntheirs x86_64 0:1-1\n";
        system.answer("--queryformat", 0, list);
        let needed = "\tlibold is needed by (installed) theirs-1-1.x86_64\n";
        system.complain("--test libold old", 1, needed);
        system.complain("--test libold", 1, needed);
        system.answer("--test old", 0, "");
        assert_eq!(
            plan(&host, PackageManager::Apt, &bundles).unwrap(),
            BTreeSet::new()
        );
        let gone = plan(&host, PackageManager::Rpm, &bundles).unwrap();
        assert_eq!(Vec::from_iter(&gone), ["old"]);

        system.answer("--list old", 0, "/usr/bin/old\n/etc/old.ini\n");
        system.answer("--erase old", 0, "");
        system.take();
        remove(&host, &gone).unwrap();
        let calls = system.take();
        assert!(calls.last().unwrap().ends_with("--erase old"), "{calls:?}");
        // Its file is its own again, and what comes in its place is remembered anew.
        let left = std::fs::read(settings.under(&host.root)).unwrap();
        assert_eq!(left, b"its own");
        assert!(Brought::read(&host).unwrap().files.is_empty());
    }
}
