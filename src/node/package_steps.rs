//! The steps that concern the host's packages: mending what a power cut left
//! of them, and installing them under a mark ([`super::installing`]).

use std::collections::BTreeMap;

use super::brought::Brought;
use super::bundles::RoleBundle;
use super::files;
use super::held;
use super::host::Host;
use super::installing::{self, Installing, Left, Mark};
use super::mending;
use super::package_shell;
use super::packages::{self, Flushing, PackageManager, names};
use super::pending;
use super::step::{Check, Context, Scope, Step};
use super::steps::{needed_if, nothing};
use super::stop::Stop;
use super::superseded;
use super::system::Call;
use super::systemctl;
use super::undoing;
use super::units;
use crate::bundle::assignment::Uptake;

/// Before the preflight, which asks the package manager what it has.
pub(super) const MENDING: Step = Step {
    name: "mending",
    scope: Scope::Image,
    describe: |context| {
        let manager = PackageManager::of_all(&context.bundles);
        let lines = manager.map(mending::describe).into_iter().flatten();
        Ok(lines.map(str::to_owned).collect())
    },
    restarts: nothing,
    check: |context| {
        Ok(needed_if(to_mend(context)?.is_some(), || {
            "installing packages was cut off".to_owned()
        }))
    },
    apply: |context| {
        if let Some(mark) = to_mend(context)? {
            let done = mending::mend(context.host, &context.bundles, &mark)?;
            done.iter().for_each(|line| context.narrator.say(line));
        }
        Ok(())
    },
    describe_undo: undoing::nothing_to_say,
    undo: undoing::no_undo,
};

/// The mark of an earlier run that may have left something torn.
fn to_mend(context: &Context) -> Result<Option<Mark>, Stop> {
    let manager = PackageManager::of_all(&context.bundles);
    Ok(match installing::left(context.host)? {
        Left::Cut(mark) => Some(mark),
        // An rpm that was killed leaves its locks in the database (Berkeley DB),
        // for which others wait without end.
        Left::Ended(mark) if manager == Some(PackageManager::Rpm) => Some(mark),
        Left::Whole | Left::Ended(_) => None,
    })
}

/// Installs the roles' packages, and nothing starts by that.
pub(super) const PACKAGES: Step = Step {
    name: "packages",
    scope: Scope::Image,
    describe: describe_packages,
    restarts: nothing,
    check: check_packages,
    apply: install_packages,
    describe_undo: undoing::describe_packages,
    undo: undoing::remove_packages,
};

fn describe_packages(context: &Context) -> Result<Vec<String>, Stop> {
    let (host, mut lines) = (context.host, Vec::new());
    for bundle in &context.bundles {
        let (masked, guarded) = (
            &bundle.assignment.masked_units,
            &bundle.assignment.guarded_units,
        );
        lines.extend(
            masked
                .iter()
                .map(|unit| format!("systemctl mask --now {unit}")),
        );
        lines.extend(guarded.iter().map(|unit| {
            format!("systemctl mask --now {unit}   # given back as it was by the step services")
        }));
    }
    if let Some(manager) = PackageManager::of_all(&context.bundles) {
        lines.extend(package_shell::install(host, manager, &context.bundles)?);
    }
    Ok(lines)
}

fn check_packages(context: &mut Context) -> Result<Check, Stop> {
    let Some(manager) = PackageManager::of_all(&context.bundles) else {
        return Ok(Check::AlreadySo);
    };
    match installing::left(context.host)? {
        Left::Whole => {}
        Left::Ended(_) => {
            return Ok(Check::Needed(
                "installing was ended before everything was on the disk".to_owned(),
            ));
        }
        Left::Cut(_) => {
            return Ok(Check::Needed(
                "the power was cut while packages were installed: what was installed is installed again"
                    .to_owned(),
            ));
        }
    }
    let masked = context
        .bundles
        .iter()
        .flat_map(|bundle| &bundle.assignment.masked_units);
    let loud = masked
        .filter(|unit| !units::is_masked(context.host, unit))
        .count();
    let unfinished = manager.unfinished(context.host, &context.bundles)?.len();
    let left_over = superseded::plan(context.host, manager, &context.bundles)?.len();
    let simulated = match context.simulated.take() {
        Some(transaction) => Ok(transaction),
        None => manager.simulate(context.host, &names(&context.bundles))?,
    };
    let reason = match simulated {
        Ok(transaction)
            if transaction.installs.is_empty() && loud + unfinished + left_over == 0 =>
        {
            return Ok(Check::AlreadySo);
        }
        Ok(transaction) => format!(
            "{} packages to install, {unfinished} to finish, {left_over} to remove, {loud} units to silence",
            transaction.installs.len()
        ),
        Err(_) => "the package manager was interrupted".to_owned(),
    };
    Ok(Check::Needed(reason))
}

fn install_packages(context: &mut Context) -> Result<(), Stop> {
    let (host, bundles) = (context.host, &context.bundles);
    let Some(manager) = PackageManager::of_all(&context.bundles) else {
        return Ok(());
    };
    let identity = context.identity()?;
    files::install_before_packages(host, identity, bundles)?;
    let silenced = bundles
        .iter()
        .flat_map(|bundle| &bundle.assignment.masked_units);
    let mut brought = Brought::read(host)?;
    let loud = silenced
        .clone()
        .filter(|unit| !units::is_masked(host, unit));
    brought.masked.extend(loud.cloned());
    brought.write(host)?;
    for unit in silenced.clone() {
        units::mask(host, unit)?;
    }
    held::hold(host, bundles)?;
    systemctl::reload(host)?;
    systemctl::stop(host, silenced.map(String::as_str))?;
    if manager == PackageManager::Apt {
        // An rpm starts nothing: it is the distribution's presets that enable.
        units::forbid_starts(host)?;
    }
    let left = installing::left(host)?;
    let installing = Installing::begin(host, identity.generation, &left, bundles)?;
    remember_packages(host, bundles)?;
    let again = match &left {
        Left::Cut(mark) => install_again(context, manager, &mark.had),
        Left::Ended(mark) if !manager.remembers_how_far() => {
            install_again(context, manager, &mark.had)
        }
        Left::Whole | Left::Ended(_) => Ok(()),
    };
    let installed = again.and_then(|()| install(context, manager));
    // Given back also when installing failed; after a cut the next run does it.
    units::allow_starts(host)?;
    installed?;
    installing.end()?;
    forget_packages(host, manager)
}

/// Which of the closure the host had before, and in which version. The mark of
/// installing knows it, also where an earlier run was cut off.
fn remember_packages(host: &Host, bundles: &[RoleBundle]) -> Result<(), Stop> {
    let (Left::Cut(mark) | Left::Ended(mark)) = installing::left(host)? else {
        return Err(Stop::World("the mark of installing is gone".to_owned()));
    };
    let mut brought = Brought::read(host)?;
    for entry in packages::entries(bundles) {
        let had = mark.had.get(&entry.name).cloned();
        brought.packages.entry(entry.name.clone()).or_insert(had);
    }
    brought.write(host)
}

/// What of the closure this host did not need was not brought.
fn forget_packages(host: &Host, manager: PackageManager) -> Result<(), Stop> {
    let (installed, mut brought) = (manager.installed(host)?, Brought::read(host)?);
    let is_there = |name: &String| installed.iter().any(|(there, _)| there == name);
    brought
        .packages
        .retain(|name, had| had.is_some() || is_there(name));
    brought.write(host)
}

fn install(context: &Context, manager: PackageManager) -> Result<(), Stop> {
    let (host, names) = (context.host, names(&context.bundles));
    repair(context, manager)?;
    let left_over = superseded::plan(host, manager, &context.bundles)?;
    if !left_over.is_empty() {
        // What comes in their place is new to rpm, and replaces what runs.
        if let Ok(transaction) = manager.simulate(host, &names)? {
            remember_restarts(context, &transaction.installs)?;
        }
        let list: Vec<&str> = left_over.iter().map(String::as_str).collect();
        context.narrator.say(&format!(
            "an earlier generation brought them, this one does without: {}",
            list.join(" ")
        ));
        superseded::remove(host, &left_over)?;
    }
    let mut flushing = Flushing::AtTheEnd;
    if manager.may_replace(host, &context.bundles)? {
        match manager.simulate(host, &names)? {
            Ok(transaction) if transaction.upgrades.is_empty() => {}
            Ok(transaction) => {
                remember_restarts(context, &transaction.installs)?;
                let upgrade = manager.install_call(host, &transaction.upgrades, Flushing::Each);
                host.system.run(&upgrade)?;
                if manager == PackageManager::Rpm {
                    // EL 7's cannot flush each file; then all of them as soon as may be.
                    rustix::fs::sync();
                }
            }
            // Who knows what it will replace.
            Err(_) => flushing = Flushing::Each,
        }
    }
    host.system
        .run(&manager.install_call(host, &names, flushing))?;
    Ok(())
}

/// Who runs a version that is about to be replaced, by one of its own name or of
/// another; a cut in between forgets nobody. What does not run is only started.
fn remember_restarts(context: &Context, installs: &[String]) -> Result<(), Stop> {
    let is_upgraded = |name: &String| installs.contains(name);
    for service in files::all_services(&context.bundles) {
        if service.packages.iter().any(is_upgraded) {
            pending::add(context.host, &service.unit, Uptake::Restart)?;
        }
    }
    Ok(())
}

/// What the host needs to boot is flushed file by file, as when it was first
/// installed: a second cut finds the mark, too, but must find it.
fn install_again(
    context: &Context,
    manager: PackageManager,
    had: &BTreeMap<String, String>,
) -> Result<(), Stop> {
    let host = context.host;
    if let Some(merge) = manager.merge_call(host) {
        tell(context, &merge)?;
    }
    let [upgraded, new] = manager.to_install_again(host, &context.bundles, had)?;
    for (files, flushing) in [(upgraded, Flushing::Each), (new, Flushing::AtTheEnd)] {
        let again = manager.again_call(host, &files, flushing);
        if !files.is_empty() && !tell(context, &again)? {
            // A package's script may have missed what another has by now.
            repair(context, manager)?;
            host.system.run(&again)?;
        }
    }
    Ok(())
}

/// What it cannot finish, a half-installed package, is installed again after it.
fn repair(context: &Context, manager: PackageManager) -> Result<(), Stop> {
    match manager.repair_call(context.host) {
        Some(call) => tell(context, &call).map(drop),
        None => Ok(()),
    }
}

/// Runs what may fail; the console hears of it. True when it did not.
fn tell(context: &Context, call: &Call) -> Result<bool, Stop> {
    let answer = context.host.system.ask(call)?;
    if !answer.succeeded() {
        context.narrator.say(&answer.complaint());
    }
    Ok(answer.succeeded())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::durable::{self, Rights};
    use crate::node::identity::tests::example;
    use crate::node::repository::flat;
    use crate::node::services::tests::role;
    use crate::node::system::recorded::Recorded;
    use crate::node::up;

    /// What apt and dpkg were asked, in few words.
    fn asked(system: &Recorded) -> Vec<String> {
        let words = [
            "--set-selections",
            "--unsafe-io",
            "--force-unsafe-io",
            "--unpack",
            "--configure",
            "--simulate",
            "install",
        ];
        let brief = |call: String| {
            let found = call.split([' ', '=']).filter(|word| words.contains(word));
            let last = call.rsplit(['/', ' ']).next().unwrap_or_default();
            let mut brief: Vec<&str> = found.collect();
            brief.push(last);
            brief.join(" ")
        };
        let calls = system.take().into_iter();
        let is_ours = |call: &String| {
            ["apt-get", "--unpack", "--configure", "--set-selections"]
                .iter()
                .any(|word| call.contains(word))
        };
        calls.filter(is_ours).map(brief).collect()
    }

    #[test]
    fn after_a_cut_what_the_host_did_not_have_is_unpacked_again() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        // The host has `old` in an older version.
        system.answer("dpkg-query", 0, "ii old 1\n");
        system.answer("--simulate", 0, "Inst old [1] (2 x)\nInst new (1 x)\n");
        let mut bundle = role("etcd", "etcd.service");
        let entry = |name: &str, version: &str| {
            serde_json::from_value(serde_json::json!({
                "name": name, "version": version, "architecture": "amd64", "sha256": "0".repeat(64),
            }))
            .unwrap()
        };
        bundle.manifest.package_list = vec![entry("old", "2"), entry("new", "1")];
        bundle.assignment.packages = vec!["new".to_owned()];
        for service in &mut bundle.assignment.services {
            if service.unit == "etcd.service" {
                service.packages = vec!["old".to_owned()];
            }
        }
        let mut context = up::context(&host, None);
        context.identity = Some(example());
        context.bundles = vec![bundle];
        let index =
            "Package: old\nFilename: pool/old.deb\n\nPackage: new\nFilename: pool/new.deb\n";
        let path = flat::folder(&host).join("Packages");
        durable::write(&path, index.as_bytes(), Rights::own(0o644)).unwrap();

        system.answer("--no-remove install new", 1, "the disk is full");
        let failed = install_packages(&mut context).unwrap_err();
        assert_eq!(failed.exit_code(), 3);
        let expected = [
            "--configure -a",
            "--simulate install new",
            "install old",
            "--force-unsafe-io install new",
        ];
        assert_eq!(asked(&system), expected);
        // What was replaced is taken up, whatever became of the rest.
        let units = pending::read(&host).unwrap().units;
        assert_eq!(units.get("etcd.service"), Some(&Uptake::Restart));
        // The kernel of a test names no boot: the mark is that of a cut.
        system.answer("dpkg-query", 0, "ii old 2\nii new 1\n");
        system.answer("--no-remove install new", 0, "");
        install_packages(&mut context).unwrap();
        let expected = [
            "--set-selections --set-selections",
            "--unpack old.deb",
            "--force-unsafe-io --unpack new.deb",
        ];
        assert_eq!(asked(&system)[..3], expected);
        assert_eq!(installing::left(&host).unwrap(), Left::Whole);
    }

    #[test]
    fn rpm_installs_again_what_it_lists_also_where_the_machine_stayed_up() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let boot = host.path("/proc/sys/kernel/random/boot_id");
        durable::write(&boot, b"one\n", Rights::own(0o644)).unwrap();
        system.answer("--eval", 0, "/var/lib/rpm\n");
        durable::write(
            &host.path("/var/lib/rpm/Packages"),
            b"old",
            Rights::own(0o644),
        )
        .unwrap();
        system.answer("--query --all", 0, "old x86_64 0:1-1\n");
        let plan = "Installing:\n new x86_64 1-1 r 1 k\nUpgrading:\n old x86_64 2-1 r 1 k\n\nTransaction Summary\n";
        system.answer("--assumeno", 1, plan);
        let mut bundle = role("etcd", "etcd.service");
        bundle.manifest.family = crate::bundle::manifest::Family::Rpm;
        let digest = |number: usize| number.to_string().repeat(64);
        let rows = [("old", "2-1"), ("new", "1-1")].into_iter().enumerate();
        for (number, (name, version)) in rows {
            let entry = serde_json::json!({
                "name": name, "version": version, "architecture": "x86_64", "sha256": digest(number),
            });
            let file = serde_json::json!({
                "path": format!("packages/pool/{name}.rpm"), "size": 1, "sha256": digest(number),
            });
            let manifest = &mut bundle.manifest;
            manifest
                .package_list
                .push(serde_json::from_value(entry).unwrap());
            manifest
                .packages
                .files
                .push(serde_json::from_value(file).unwrap());
        }
        bundle.assignment.packages = vec!["new".to_owned()];
        let mut context = up::context(&host, None);
        context.identity = Some(example());
        context.bundles = vec![bundle];
        let calls = || -> Vec<String> {
            let installs = |call: &String| {
                ["--assumeyes", "--upgrade", "policy-rc.d", "dpkg"]
                    .iter()
                    .any(|word| call.contains(word))
            };
            system.take().into_iter().filter(installs).collect()
        };

        system.answer("--assumeyes install new", 1, "the disk is full");
        let failed = install_packages(&mut context).unwrap_err();
        assert_eq!(failed.exit_code(), 3);
        let asked = calls();
        assert_eq!(asked.len(), 2, "{asked:?}");
        // What the host has is flushed as it is replaced, by a macro of rpm's.
        assert!(
            asked[0].starts_with("HOME=") || asked[0].contains(" HOME="),
            "{asked:?}"
        );
        assert!(asked[0].ends_with("--assumeyes install old"), "{asked:?}");
        assert!(asked[1].contains("SYSTEMD_OFFLINE=1"), "{asked:?}");
        assert!(!host.path("/usr/sbin/policy-rc.d").exists());
        let before = host.state("rpmdb-before/Packages");
        assert_eq!(std::fs::read(&before).unwrap(), b"old");

        assert!(matches!(installing::left(&host).unwrap(), Left::Ended(_)));
        system.answer("--query --all", 0, "old x86_64 0:2-1\nnew x86_64 0:1-1\n");
        system.answer("--assumeno", 0, "Nothing to do.\n");
        system.answer("--assumeyes install new", 0, "");
        install_packages(&mut context).unwrap();
        let asked = calls();
        let again: Vec<_> = asked
            .iter()
            .filter(|call| call.contains("--upgrade"))
            .collect();
        assert_eq!(again.len(), 2, "{asked:?}");
        assert!(again[0].ends_with("pool/old.rpm") && again[1].ends_with("pool/new.rpm"));
        assert_eq!(installing::left(&host).unwrap(), Left::Whole);
        assert!(!before.exists());
    }
}
