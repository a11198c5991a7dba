//! The steps that concern the host's packages: mending what a power cut left
//! of them, and installing them under a mark ([`super::installing`]).

use super::files;
use super::held;
use super::installing::{self, Installing, Left};
use super::mending;
use super::packages::{self, Flushing, PackageManager, names};
use super::step::{Check, Context, Scope, Step};
use super::steps::{needed_if, nothing};
use super::stop::Stop;
use super::units;

/// The package manager that the bundles are for; none where there are none.
pub(super) fn manager(context: &Context) -> Result<Option<PackageManager>, Stop> {
    context
        .bundles
        .first()
        .map(|bundle| PackageManager::of(bundle.manifest.family))
        .transpose()
}

/// Before the preflight, which asks the package manager what it has.
pub(super) const MENDING: Step = Step {
    name: "mending",
    scope: Scope::Image,
    describe: |_| {
        let lines = [
            "# only where the power was cut while packages were installed (/var/lib/pgbundle/installing.json is there):",
            "# an unreadable /var/lib/dpkg/status gives way to the copy from before, a file list that was cut off is removed,",
            "# and so are files below /etc that are empty since then, and configuration files that end too early",
        ];
        Ok(lines.map(str::to_owned).to_vec())
    },
    restarts: nothing,
    check: |context| {
        let left = installing::left(context.host)?;
        Ok(needed_if(matches!(left, Left::Cut(_)), || {
            "the power was cut while packages were installed".to_owned()
        }))
    },
    apply: |context| {
        if let Left::Cut(mark) = installing::left(context.host)? {
            let done = mending::mend(context.host, &context.bundles, &mark)?;
            done.iter().for_each(|line| context.narrator.say(line));
        }
        Ok(())
    },
};

/// Installs the roles' packages, and nothing starts by that.
pub(super) const PACKAGES: Step = Step {
    name: "packages",
    scope: Scope::Image,
    describe: describe_packages,
    restarts: nothing,
    check: check_packages,
    apply: install_packages,
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
    lines.push("printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d   # until the packages are installed".to_owned());
    let Some(manager) = manager(context)? else {
        return Ok(lines);
    };
    let names = names(&context.bundles);
    lines.extend([
        "touch /var/lib/pgbundle/installing.json && sync   # a mark: what is installed is not on the disk yet".to_owned(),
        manager.repair_call(host).to_string(),
        "# first, each file flushed by dpkg, those of them that this host has in an older version; then:".to_owned(),
        manager
            .install_call(host, &names, Flushing::AtTheEnd)
            .to_string(),
        "sync && rm /var/lib/pgbundle/installing.json && sync   # with each file system's answer".to_owned(),
        "# and where the mark was there from before, the power was cut in between: dpkg's status is not".to_owned(),
        "# believed, and all of it is installed again, each file flushed, in place of the above:".to_owned(),
        format!("{} < /dev/null", manager.merge_call(host)),
        manager.install_again_call(host, &names).to_string() + " …   # and whatever else of the bundles is there",
        manager.repair_call(host).to_string(),
    ]);
    Ok(lines)
}

fn check_packages(context: &mut Context) -> Result<Check, Stop> {
    let Some(manager) = manager(context)? else {
        return Ok(Check::AlreadySo);
    };
    match installing::left(context.host)? {
        Left::Whole => {}
        Left::Ended => {
            return Ok(Check::Needed(
                "installing was ended before everything was on the disk".to_owned(),
            ));
        }
        Left::Cut(_) => {
            return Ok(Check::Needed(
                "the power was cut while packages were installed: all are installed again"
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
    let unfinished = packages::unfinished(context.host)?.len();
    let reason = match manager.simulate(context.host, &names(&context.bundles))? {
        Ok(transaction) if transaction.installs.is_empty() && loud == 0 && unfinished == 0 => {
            return Ok(Check::AlreadySo);
        }
        Ok(transaction) => format!(
            "{} packages to install, {unfinished} to finish, {loud} units to silence",
            transaction.installs.len()
        ),
        Err(_) => "the package manager was interrupted".to_owned(),
    };
    Ok(Check::Needed(reason))
}

fn install_packages(context: &mut Context) -> Result<(), Stop> {
    let (host, bundles) = (context.host, &context.bundles);
    let Some(manager) = manager(context)? else {
        return Ok(());
    };
    let identity = context.identity()?;
    files::install_before_packages(host, identity, bundles)?;
    for bundle in bundles {
        units::silence(host, &bundle.assignment.masked_units)?;
    }
    held::hold(host, bundles)?;
    units::forbid_starts(host)?;
    let left = installing::left(host)?;
    let installing = Installing::begin(host, identity.generation, &left)?;
    let installed = match left {
        Left::Cut(_) => install_again(context, manager),
        Left::Whole | Left::Ended => install(context, manager),
    };
    // Given back also when installing failed; after a cut the next run does it.
    units::allow_starts(host)?;
    installed?;
    installing.end()
}

fn install(context: &Context, manager: PackageManager) -> Result<(), Stop> {
    let (host, names) = (context.host, names(&context.bundles));
    repair(context, manager)?;
    let flushing = match manager.simulate(host, &names)? {
        Ok(transaction) if transaction.upgrades.is_empty() => Flushing::AtTheEnd,
        Ok(transaction) => {
            let upgrade = manager.install_call(host, &transaction.upgrades, Flushing::Each);
            host.system.run(&upgrade)?;
            Flushing::AtTheEnd
        }
        // Who knows what it will replace.
        Err(_) => Flushing::Each,
    };
    host.system
        .run(&manager.install_call(host, &names, flushing))?;
    Ok(())
}

/// A second cut must find more of them whole than the first: each file is flushed.
fn install_again(context: &Context, manager: PackageManager) -> Result<(), Stop> {
    let host = context.host;
    tell(context, &manager.merge_call(host))?;
    let names = manager.to_install_again(host, &context.bundles)?;
    let again = manager.install_again_call(host, &names);
    if !tell(context, &again)? {
        // Something half configured may have been in its way.
        repair(context, manager)?;
        host.system.run(&again)?;
    }
    host.system.run(&manager.repair_call(host))?;
    Ok(())
}

/// What it cannot finish, a half-installed package, is installed again after it.
fn repair(context: &Context, manager: PackageManager) -> Result<(), Stop> {
    tell(context, &manager.repair_call(context.host)).map(drop)
}

/// Runs what may fail without harm; the console hears of it. True when it did not.
fn tell(context: &Context, call: &super::system::Call) -> Result<bool, Stop> {
    let answer = context.host.system.ask(call)?;
    if !answer.succeeded() {
        context.narrator.say(&answer.complaint());
    }
    Ok(answer.succeeded())
}
