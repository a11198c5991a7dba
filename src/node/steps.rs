//! The list of steps, in the order in which a host takes them.

use std::path::PathBuf;

use super::accounts::Accounts;
use super::brought::Brought;
use super::bundles;
use super::durable;
use super::files;
use super::firewall::FIREWALL;
use super::first_boot;
use super::health;
use super::identity::{self, Verdict};
use super::marker::{self, Held, Marker};
use super::package_steps::{MENDING, PACKAGES};
use super::packages::PackageManager;
use super::preflight;
use super::python::PYTHON;
use super::repository;
use super::selinux::SELINUX;
use super::services;
use super::step::{Check, Context, Scope, Step};
use super::stop::Stop;
use super::systemctl;
use super::twin;
use super::undoing;
use super::units;

/// Every step.
pub fn all() -> [Step; 12] {
    [
        IDENTITY, BUNDLES, MENDING, PREFLIGHT, PACKAGES, PYTHON, FILES, SELINUX, FIREWALL, MARKERS,
        SERVICES, HEALTH,
    ]
}

/// For a step that restarts no unit.
pub(super) fn nothing(_: &Context) -> Vec<String> {
    Vec::new()
}

/// A check whose answer is yes or no.
pub(super) fn needed_if(needed: bool, reason: impl FnOnce() -> String) -> Check {
    if needed {
        Check::Needed(reason())
    } else {
        Check::AlreadySo
    }
}

const IDENTITY: Step = Step {
    name: "identity",
    scope: Scope::Node,
    describe: |_| {
        let planted = crate::seed::identity::PLANTED;
        Ok(vec![format!(
            "install -m 0600 {planted} /var/lib/pgbundle/identity.json"
        )])
    },
    restarts: nothing,
    check: check_identity,
    apply: |context| {
        identity::store(context.host)?;
        context.identity = identity::stored(context.host)?;
        let Context {
            narrator, identity, ..
        } = context;
        identity
            .as_ref()
            .into_iter()
            .for_each(|identity| narrator.name(identity));
        Ok(())
    },
    describe_undo: undoing::describe_forget,
    undo: undoing::forget,
};

fn check_identity(context: &mut Context) -> Result<Check, Stop> {
    context.identity = identity::stored(context.host)?;
    let planted = identity::planted(context.host)?;
    let verdict = match (&context.identity, &planted) {
        (stored, Some(planted)) => identity::judge(stored.as_ref(), planted)?,
        (Some(_), None) => Verdict::Same,
        (None, None) => {
            let place = crate::seed::identity::PLANTED;
            return Err(Stop::Input(format!(
                "no identity document lies at `{place}`; was the seed attached?"
            )));
        }
    };
    if let Some(identity) = &context.identity {
        context.narrator.name(identity);
    }
    Ok(needed_if(verdict == Verdict::Take, || {
        let generation = planted.map_or(0, |planted| planted.generation);
        format!("taking up the identity of generation {generation}")
    }))
}

const BUNDLES: Step = Step {
    name: "bundles",
    scope: Scope::Image,
    describe: |context| {
        let mut lines = Vec::new();
        for pinned in &context.identity()?.bundles {
            let (role, digest, path) = (pinned.role, pinned.file.sha256, &pinned.file.path);
            lines.push(format!("# bring {path} from the first source that has it; check it whole, then its signature and files"));
            lines.push(format!("echo '{digest}  {role}.tar.gz' | sha256sum -c"));
            lines.push(format!(
                "tar -xzf {role}.tar.gz -C /var/lib/pgbundle/bundles/{digest}"
            ));
        }
        lines.extend(repository::describe(&context.bundles));
        Ok(lines)
    },
    restarts: nothing,
    check: |context| {
        // Before anything else that others could see.
        twin::refuse(context.host, &context.narrator, context.identity()?)?;
        check_bundles(context)
    },
    apply: |context| {
        let Context {
            host,
            narrator,
            identity,
            patience,
            ..
        } = context;
        if let Some(identity) = identity {
            bundles::bring_all(host, narrator, identity, *patience)?;
            context.bundles = bundles::read(host, identity)?;
        }
        repository::build(context.host, &context.bundles)
    },
    describe_undo: undoing::describe_bundles,
    undo: undoing::drop_bundles,
};

fn check_bundles(context: &mut Context) -> Result<Check, Stop> {
    let missing = bundles::missing(context.host, context.identity()?).len();
    if missing > 0 {
        return Ok(Check::Needed(format!(
            "{missing} of the pinned bundles are not unpacked"
        )));
    }
    context.bundles = bundles::read(context.host, context.identity()?)?;
    let current = repository::is_current(context.host, &context.bundles)?;
    Ok(needed_if(!current, || {
        "the repository is not that of the bundles".to_owned()
    }))
}

const PREFLIGHT: Step = Step {
    name: "preflight",
    scope: Scope::Node,
    describe: |context| {
        let identity = context.identity()?;
        let manager = PackageManager::of_all(&context.bundles);
        let mut lines = vec![format!(
            "# is this {} {}, is {} here, is the clock in step, is there space, are ports free, is the data ours?",
            identity.os.id,
            identity.os.version,
            identity.address.addr()
        )];
        lines.extend(manager.map(|manager| manager.read_index_call(context.host).to_string()));
        lines.push("# the whole package transaction is simulated".to_owned());
        Ok(lines)
    },
    restarts: nothing,
    // It changes nothing and must be asked each time: it is all check.
    check: |context| {
        let Context {
            host,
            narrator,
            identity,
            bundles,
            simulated,
            patience,
            ..
        } = context;
        if let Some(identity) = identity {
            *simulated = preflight::pass(host, narrator, identity, bundles, *patience)?;
        }
        Ok(Check::AlreadySo)
    },
    apply: |_| Ok(()),
    describe_undo: undoing::nothing_to_say,
    undo: undoing::no_undo,
};

const FILES: Step = Step {
    name: "files",
    scope: Scope::Node,
    describe: |context| {
        let mut lines = Vec::new();
        for directory in files::directories(&context.bundles) {
            let access = &directory.access;
            lines.push(format!(
                "install -d -o {} -g {} -m {:04o} {}",
                access.owner,
                access.group,
                access.mode.bits(),
                directory.path
            ));
        }
        let identity = context.identity()?;
        for bundle in &context.bundles {
            for file in &bundle.assignment.files {
                let access = &file.access;
                lines.push(format!(
                    "install -o {} -g {} -m {:04o} {} {}",
                    access.owner,
                    access.group,
                    access.mode.bits(),
                    bundle.content(file).display(),
                    file.path
                ));
            }
            lines.extend(
                bundle
                    .assignment
                    .facts
                    .iter()
                    .map(|fact| format!("# {}: {:?}, told by this host", fact.path, fact.fact)),
            );
        }
        lines.extend(identity.secrets.iter().map(|secret| {
            format!(
                "# {}: from the identity document, {:04o}",
                secret.path,
                secret.access.mode.bits()
            )
        }));
        Ok(lines)
    },
    restarts: |context| {
        files::all_services(&context.bundles)
            .map(|service| service.unit.clone())
            .collect()
    },
    check: |context| {
        // Left by a cut between installing and giving the policy back.
        units::allow_starts(context.host)?;
        let differences = files::differences(context.host, context.identity()?, &context.bundles)?;
        Ok(needed_if(!differences.is_empty(), || {
            format!(
                "{} files and folders to bring up to date",
                differences.len()
            )
        }))
    },
    apply: |context| {
        let installed = files::install_all(context.host, context.identity()?, &context.bundles)?;
        context
            .narrator
            .say(&format!("{installed} files installed"));
        Ok(())
    },
    describe_undo: undoing::describe_files,
    undo: undoing::give_files_back,
};

const MARKERS: Step = Step {
    name: "markers",
    scope: Scope::Cluster,
    describe: |context| {
        Ok(files::data_folders(&context.bundles)
            .map(|data| {
                format!(
                    "# {}.pgbundle.json: whose the folder is, and that nothing was ever there",
                    data.path
                )
            })
            .collect())
    },
    restarts: nothing,
    check: |context| {
        let mut unmarked = 0;
        for data in files::data_folders(&context.bundles) {
            let marker = marker::read(&data.path.under(&context.host.root))?;
            let generation = marker.map(|marker| marker.generation);
            unmarked += usize::from(generation != Some(context.identity()?.generation));
        }
        Ok(needed_if(unmarked > 0, || {
            format!("{unmarked} data folders to mark")
        }))
    },
    apply: mark_folders,
    describe_undo: undoing::describe_purge,
    undo: undoing::purge_data,
};

fn mark_folders(context: &mut Context) -> Result<(), Stop> {
    let host = context.host;
    let mine = Marker::of(context.identity()?, Held::Empty);
    for data in files::data_folders(&context.bundles) {
        let folder = data.path.under(&host.root);
        // Asked again: the preflight was before the packages, which may have left something.
        if let Some(reason) = marker::foreign(&folder, &mine)? {
            return Err(Stop::refuse(reason));
        }
        let known = marker::read(&folder)?.unwrap_or_else(|| mine.clone());
        let rights = Accounts::of(host)?.rights(&data.access)?;
        if let Some(parent) = folder.parent().filter(|parent| !parent.exists()) {
            let mut brought = Brought::read(host)?;
            brought.before_parents(host, &data.path)?;
            brought.write(host)?;
            durable::folder(parent, rights)?;
        }
        let marker = Marker {
            generation: mine.generation,
            cluster: mine.cluster.clone(),
            ..known
        };
        marker::write(&folder, &marker, rights.owner)?;
    }
    Ok(())
}

const SERVICES: Step = Step {
    name: "services",
    scope: Scope::Cluster,
    describe: |context| {
        let mut lines = vec![
            "pgbundle-node clock   # nothing is started by a clock that is out of step".to_owned(),
        ];
        let services: Vec<_> = files::all_services(&context.bundles).collect();
        let units = services::units_of(&services);
        if !units.is_empty() {
            lines.push(systemctl::enable_call(&units).to_string());
            lines.push("systemctl daemon-reload".to_owned());
            lines.push(systemctl::begin_call("start", &units).to_string());
        }
        Ok(lines)
    },
    restarts: |context| {
        files::all_services(&context.bundles)
            .map(|service| service.unit.clone())
            .collect()
    },
    check: |context| {
        let left = services::left(context.host, &context.bundles)?;
        Ok(needed_if(!left.is_empty(), || left.join(", ")))
    },
    apply: |context| {
        let Context {
            host,
            narrator,
            identity,
            bundles,
            patience,
            ..
        } = context;
        match identity {
            Some(identity) => services::start_all(host, narrator, identity, bundles, *patience),
            None => Ok(()),
        }
    },
    describe_undo: undoing::describe_stop,
    undo: undoing::stop_services,
};

const HEALTH: Step = Step {
    name: "health",
    scope: Scope::Cluster,
    describe: |context| {
        let services = files::all_services(&context.bundles);
        let waits = services.map(|service| format!("# wait until {} serves", service.name));
        let settled = "cloud-init status --wait; sync; touch /var/lib/pgbundle/seed/settled   # the first boot is over";
        Ok(waits.chain([settled.to_owned()]).collect())
    },
    restarts: nothing,
    check: |context| {
        let Context {
            host,
            narrator,
            bundles,
            patience,
            ..
        } = context;
        health::wait_for_all(host, narrator, bundles, *patience)?;
        let unmarked = filled(context)?.len();
        let left_over =
            files::left_over(context.host, context.identity()?, &context.bundles)?.len();
        let is_first = first_boot::is_to_settle(context.host, &mut context.narrator)?;
        let parts = [
            (unmarked > 0).then(|| format!("{unmarked} data folders hold data now")),
            is_first.then(|| "the first boot is over".to_owned()),
            (left_over > 0)
                .then(|| format!("{left_over} files of an earlier generation to remove")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        Ok(needed_if(!parts.is_empty(), || parts.join("; ")))
    },
    apply: |context| {
        for (folder, marker, owner) in filled(context)? {
            marker::write(
                &folder,
                &Marker {
                    state: Held::HoldsData,
                    initialize: None,
                    ..marker
                },
                owner,
            )?;
        }
        remove_left_over(context)?;
        match first_boot::is_to_settle(context.host, &mut context.narrator)? {
            true => first_boot::settle(context.host),
            false => Ok(()),
        }
    },
    describe_undo: undoing::describe_hand_over,
    undo: undoing::hand_over,
};

/// What an earlier generation had and this one has not. A service that was
/// restarted may need it until it has stopped, and a start waits for that.
fn remove_left_over(context: &Context) -> Result<(), Stop> {
    let (host, bundles) = (context.host, &context.bundles);
    let left_over = files::left_over(host, context.identity()?, bundles)?;
    if left_over.is_empty() {
        return Ok(());
    }
    let units: Vec<&str> = files::all_services(bundles)
        .map(|service| service.unit.as_str())
        .collect();
    systemctl::finish(host, "start", &units)?;
    Brought::read(host)?.give_back_these(host, &left_over)
}

/// A data folder, its marker and its owner.
type Filled = (PathBuf, Marker, Option<(u32, u32)>);

/// Data folders that hold data which their markers do not tell of yet.
fn filled(context: &Context) -> Result<Vec<Filled>, Stop> {
    let accounts = Accounts::of(context.host)?;
    let mut filled = Vec::new();
    for data in files::data_folders(&context.bundles) {
        let folder = data.path.under(&context.host.root);
        if let Some(marker) = marker::read(&folder)?
            && marker.state != Held::HoldsData
            && folder.join(&data.witness).exists()
        {
            filled.push((folder, marker, accounts.rights(&data.access)?.owner));
        }
    }
    Ok(filled)
}
