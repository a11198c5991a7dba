//! How each step is taken back. Like a step itself, each can be repeated and
//! can be cut off at any instant: what it goes by ([`super::brought`],
//! [`super::uninstalled`]) is on the disk until it is done.

use std::collections::BTreeSet;
use std::fs;

use super::brought::{self, Brought};
use super::bundles::RoleBundle;
use super::durable;
use super::etcd_members::Members;
use super::files::all_services;
use super::held;
use super::host::{self, Host};
use super::identity;
use super::leaving::{self, Absence};
use super::marker::{self, Held, Marker};
use super::packages::PackageManager;
use super::postmaster;
use super::removing;
use super::step::Context;
use super::stop::Stop;
use super::systemctl;
use super::uninstalled::{self, Uninstalled};
use super::units;
use crate::bundle::assignment::{DataDirectory, Service};

/// What the operator said about taking a node away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leave {
    /// The data goes, too.
    pub purge_data: bool,
    /// The cluster may stop serving by it.
    pub may_stop: bool,
    /// What the mark has: the data folders of the roles.
    pub data: Vec<DataDirectory>,
    /// What the operator is told at the end.
    pub said: Vec<String>,
}

impl Leave {
    /// For how long the services stop.
    pub fn absence(&self) -> Absence {
        if self.purge_data {
            Absence::ForGood
        } else {
            Absence::Passing
        }
    }
}

/// For a step that changed nothing on the host.
pub fn no_undo(_: &mut Context) -> Result<bool, Stop> {
    Ok(false)
}

/// What [`no_undo`] says.
pub fn nothing_to_say(_: &Context) -> Result<Vec<String>, Stop> {
    Ok(Vec::new())
}

/// What [`hand_over`] does, in words.
pub fn describe_hand_over(_: &Context) -> Result<Vec<String>, Stop> {
    Ok(vec![
        "# where this node leads: patronictl switchover, and another one leads before anything stops".to_owned(),
    ])
}

/// Before the services stop: another node leads, and the cluster can go on.
pub fn hand_over(context: &mut Context) -> Result<bool, Stop> {
    let Context {
        host,
        narrator,
        identity,
        bundles,
        leave,
        ..
    } = context;
    let Some(identity) = identity else {
        return Ok(false);
    };
    let losses = leaving::losses(host, identity, bundles, leave.absence())?;
    leaving::refuse(losses, leave.may_stop)?;
    leaving::hand_over(host, narrator, identity, bundles)
}

/// What [`stop_services`] does, in shell.
pub fn describe_stop(context: &Context) -> Result<Vec<String>, Stop> {
    let brought = Brought::read(context.host)?;
    let mut lines = Vec::new();
    for service in ours(&context.bundles, &brought).into_iter().rev() {
        lines.push(format!("systemctl disable --now {}", service.unit));
    }
    if context.leave.purge_data {
        lines.push(
            "# while another member of etcd answers: etcdctl member remove, of this one".to_owned(),
        );
    }
    Ok(lines)
}

/// Stops what the roles run, in the order opposite to that of their start.
pub fn stop_services(context: &mut Context) -> Result<bool, Stop> {
    let (host, brought) = (context.host, Brought::read(context.host)?);
    let bundles = &context.bundles;
    let ours = ours(bundles, &brought);
    let (etcd, others): (Vec<&Service>, Vec<&Service>) = ours
        .iter()
        .rev()
        .partition(|service| service.name == "etcd");
    let mut changed = false;
    for service in others {
        changed |= stop(host, service)?;
    }
    no_postmaster(host, &context.leave.data)?;
    if context.leave.purge_data {
        let told = leave_etcd(host, context)?;
        context.leave.said.extend(told);
    } else if let Some(settings) = leaving::member_settings(host, bundles)? {
        context.leave.said.push(format!(
            "etcd still lists {} as a member, since its data is kept; if it does not come back, on another node: etcdctl member list, and etcdctl member remove ID",
            settings.name
        ));
    }
    for service in etcd {
        changed |= stop(host, service)?;
    }
    systemctl::stop(host, own_units(&brought).iter().map(String::as_str))?;
    let names: Vec<&str> = ours.iter().map(|service| service.unit.as_str()).collect();
    systemctl::disable(host, &names)?;
    // Left by an installation that was cut off.
    held::unmask(host)?;
    held::start_again(host)?;
    Ok(changed)
}

/// Services that did not start before we came: by our word, or made of our packages.
fn ours<'b>(bundles: &'b [RoleBundle], brought: &Brought) -> Vec<&'b Service> {
    let is_ours = |service: &&Service| {
        let came = |name: &String| brought.is_ours(name);
        brought.enabled.contains(&service.unit) || service.packages.iter().any(came)
    };
    all_services(bundles).filter(is_ours).collect()
}

/// Units whose files we brought.
fn own_units(brought: &Brought) -> Vec<String> {
    let name = |path: &crate::base::NodePath| {
        let name = path.as_str().strip_prefix("/etc/systemd/system/")?;
        (!name.contains('/') && name.contains('.')).then(|| name.to_owned())
    };
    brought.files.keys().filter_map(name).collect()
}

fn stop(host: &Host, service: &Service) -> Result<bool, Stop> {
    let runs = !systemctl::running(host, [service.unit.as_str()])?.is_empty();
    systemctl::stop(host, [service.unit.as_str()])?;
    Ok(runs)
}

/// Patroni's unit ends Patroni alone, which ends PostgreSQL in order.
fn no_postmaster(host: &Host, data: &[DataDirectory]) -> Result<(), Stop> {
    for folder in data.iter().map(|data| data.path.under(&host.root)) {
        if postmaster::of(&folder)?.is_some() {
            return Err(Stop::World(format!(
                "PostgreSQL still runs in `{}` although Patroni does not: stop it, then `pgbundle-node uninstall` again",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// Has another member take this one off the list; what is to be done where none can.
fn leave_etcd(host: &Host, context: &Context) -> Result<Option<String>, Stop> {
    let by_hand = "on another node: etcdctl member list, and etcdctl member remove ID";
    let Some(settings) = leaving::member_settings(host, &context.bundles)? else {
        let had = context
            .leave
            .data
            .iter()
            .any(|data| data.witness == "member");
        return Ok(had.then(|| format!("where etcd still lists this node, {by_hand}")));
    };
    let members = Members {
        host,
        settings: &settings,
    };
    match members.leave() {
        Ok(id) => Ok(id.map(|id| format!("etcd: member {id} was taken off the list"))),
        Err(why) if context.leave.may_stop => Ok(Some(format!(
            "etcd: {why}; if the cluster goes on without this node, {by_hand}"
        ))),
        Err(why) => Err(why),
    }
}

/// What [`purge_data`] does, in shell.
pub fn describe_purge(context: &Context) -> Result<Vec<String>, Stop> {
    let folders = context.leave.data.iter().map(|data| &data.path);
    Ok(if context.leave.purge_data {
        folders
            .map(|path| format!("rm -r {path} {path}.*"))
            .collect()
    } else {
        folders
            .map(|path| format!("# {path} is kept, with its marker"))
            .collect()
    })
}

/// Removes the data, where the operator said so, and the markers after it.
pub fn purge_data(context: &mut Context) -> Result<bool, Stop> {
    if !context.leave.purge_data {
        return Ok(false);
    }
    let host = context.host;
    let Some(mark) = Uninstalled::read(host)? else {
        return Err(Stop::World("the mark of uninstalling is gone".to_owned()));
    };
    let mine = Marker {
        cluster: mark.cluster.clone(),
        cluster_id: mark.cluster_id.clone(),
        node: mark.node.clone(),
        generation: mark.generation,
        state: Held::HoldsData,
        initialize: None,
    };
    let mut changed = false;
    for data in &mark.data {
        let folder = data.path.under(&host.root);
        if let Some(reason) = marker::foreign(&folder, &mine)? {
            return Err(Stop::refuse(reason));
        }
        changed |= folder.exists();
        durable::remove_tree(&folder)?;
        // Whose it was is known to the last.
        let mut beside = marker::beside_it(&folder)?;
        let last = marker::path(&folder);
        beside.retain(|path| *path != last);
        for path in beside.iter().chain([&last]) {
            remove_any(path)?;
        }
    }
    Ok(changed)
}

fn remove_any(path: &std::path::Path) -> Result<(), Stop> {
    if path.is_dir() && !path.is_symlink() {
        Ok(durable::remove_tree(path)?)
    } else {
        Ok(durable::remove(path)?)
    }
}

/// What [`give_files_back`] does, in shell where it can be said.
pub fn describe_files(context: &Context) -> Result<Vec<String>, Stop> {
    let brought = Brought::read(context.host)?;
    let kept = context.host.state(brought::KEPT);
    let line = |(path, before): (&crate::base::NodePath, &brought::Before)| match before {
        brought::Before::Absent => format!("rm -f {path}"),
        brought::Before::Kept { user, group, mode } => format!(
            "install -o {user} -g {group} -m {mode:04o} {} {path}",
            path.under(&kept).display()
        ),
        brought::Before::Shared => format!("# {path}: without our block"),
    };
    let folders = brought.folders.iter().rev();
    let files = brought.files.iter().map(line);
    Ok(files
        .chain(folders.map(|path| format!("rmdir {path}   # where it is empty")))
        .collect())
}

/// Gives files back, and lets what goes on running take that up.
pub fn give_files_back(context: &mut Context) -> Result<bool, Stop> {
    let host = context.host;
    let mut brought = Brought::read(host)?;
    let theirs: BTreeSet<&str> = all_services(&context.bundles)
        .map(|service| service.unit.as_str())
        .collect();
    let ours: BTreeSet<&str> = ours(&context.bundles, &brought)
        .into_iter()
        .map(|service| service.unit.as_str())
        .collect();
    let count = brought.give_files_back(host)?;
    if count > 0 {
        systemctl::reload(host)?;
        let theirs: Vec<&str> = theirs.difference(&ours).copied().collect();
        systemctl::begin(host, "try-restart", &theirs)?;
    }
    brought.enabled.clear();
    brought.write(host)?;
    Ok(count > 0)
}

/// What [`remove_packages`] does, in shell.
pub fn describe_packages(context: &Context) -> Result<Vec<String>, Stop> {
    let (host, brought) = (context.host, Brought::read(context.host)?);
    let Some(manager) = manager(context)? else {
        return Ok(Vec::new());
    };
    let removal = removing::plan(host, manager, &brought, &kept(context))?;
    let mut lines: Vec<String> = removal
        .needed
        .iter()
        .map(|name| format!("# {name} stays: others need it"))
        .collect();
    let calls = manager.remove_calls(host, &removal.gone, &removal.unpurged);
    lines.extend(calls.iter().map(ToString::to_string));
    let masked = brought.masked.iter();
    lines.extend(masked.map(|unit| format!("systemctl unmask {unit}")));
    Ok(lines)
}

/// The data folders that must outlive the packages.
fn kept(context: &Context) -> Vec<DataDirectory> {
    if context.leave.purge_data {
        return Vec::new();
    }
    context.leave.data.clone()
}

/// Removes the packages that came with us, and takes away their units' masks.
pub fn remove_packages(context: &mut Context) -> Result<bool, Stop> {
    let host = context.host;
    let mut brought = Brought::read(host)?;
    let Some(manager) = manager(context)? else {
        return Ok(false);
    };
    manager.make_folders(host)?;
    // Where an earlier run was cut off in the middle of it.
    if let Some(repair) = manager.repair_call(host) {
        let repaired = host.system.ask(&repair)?;
        if !repaired.succeeded() {
            context.narrator.say(&repaired.complaint());
        }
    }
    let removal = removing::plan(host, manager, &brought, &kept(context))?;
    for call in manager.remove_calls(host, &removal.gone, &removal.unpurged) {
        host.system.run(&call)?;
    }
    for unit in &brought.masked {
        units::unmask(host, unit)?;
    }
    systemctl::reload(host)?;
    brought.masked.clear();
    context
        .leave
        .said
        .extend(in_words(host, manager, &brought, &removal)?);
    let is_left = |name: &String| removal.needed.contains(name) || removal.unpurged.contains(name);
    brought
        .packages
        .retain(|name, had| had.is_none() && is_left(name));
    brought.write(host)?;
    Ok(!removal.gone.is_empty())
}

/// The manager that the packages came by, also where the bundles are gone already.
fn manager(context: &Context) -> Result<Option<PackageManager>, Stop> {
    if let Some(manager) = PackageManager::of_all(&context.bundles) {
        return Ok(Some(manager));
    }
    let mark = Uninstalled::read(context.host)?;
    Ok(mark.and_then(|mark| mark.family).map(PackageManager::of))
}

fn in_words(
    host: &Host,
    manager: PackageManager,
    brought: &Brought,
    removal: &removing::Removal,
) -> Result<Vec<String>, Stop> {
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut said = Vec::new();
    if !removal.needed.is_empty() {
        said.push(format!(
            "packages that stay, since something else on this host needs them: {}",
            list(&removal.needed)
        ));
    }
    if !removal.unpurged.is_empty() {
        said.push(format!(
            "packages that were removed but not purged, since that would take the data or its owner: {}",
            list(&removal.unpurged)
        ));
    }
    let installed = manager.installed(host)?;
    let upgraded = brought.packages.iter().filter_map(|(name, had)| {
        let had = had.as_ref()?;
        let (_, now) = installed.iter().find(|(there, _)| there == name)?;
        (now != had).then(|| format!("{name} {had} > {now}"))
    });
    let upgraded: Vec<String> = upgraded.collect();
    if !upgraded.is_empty() {
        said.push(format!(
            "packages that this host had in another version stay as they are now: {}",
            upgraded.join(", ")
        ));
    }
    Ok(said)
}

/// What [`drop_bundles`] does, in shell.
pub fn describe_bundles(_: &Context) -> Result<Vec<String>, Stop> {
    let folders = OWN_FOLDERS.map(|name| format!("{}/{name}", host::STATE));
    Ok(vec![format!("rm -r {}", folders.join(" "))])
}

const OWN_FOLDERS: [&str; 4] = ["bundles", "repository", "apt", "yum"];

/// Removes bundles, their repository, and what the package manager kept of it.
pub fn drop_bundles(context: &mut Context) -> Result<bool, Stop> {
    let mut changed = false;
    for name in OWN_FOLDERS {
        let folder = context.host.state(name);
        changed |= folder.exists();
        durable::remove_tree(&folder)?;
    }
    Ok(changed)
}

/// What [`forget`] does, in shell.
pub fn describe_forget(context: &Context) -> Result<Vec<String>, Stop> {
    let unit = uninstalled::UNIT;
    let kept = if context.leave.purge_data {
        ""
    } else {
        " but what the seed planted"
    };
    Ok(vec![
        format!("systemctl disable {unit} && rm /etc/systemd/system/{unit}"),
        format!(
            "# {}: all of it{kept} and {}",
            host::STATE,
            uninstalled::FILE
        ),
    ])
}

/// Forgets who this host was, but for the mark; with the data kept, what the
/// seed planted stays, too, so that it can come up again.
pub fn forget(context: &mut Context) -> Result<bool, Stop> {
    let (host, purge) = (context.host, context.leave.purge_data);
    let changed = host.state(identity::STORED).exists();
    uninstalled::put_unit_aside(host)?;
    systemctl::reload(host)?;
    let mut brought = Brought::read(host)?;
    // What lay in them may have gone with the packages.
    brought.take_folders_away(host)?;
    brought.write(host)?;
    let state = host.state("");
    let told = |fault| Stop::World(format!("cannot list `{}`: {fault}", state.display()));
    for entry in fs::read_dir(&state).map_err(told)? {
        let path = entry.map_err(told)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stays = match name.as_ref() {
            uninstalled::FILE => true,
            brought::FILE => !brought.is_empty(),
            "seed" => !purge,
            _ => false,
        };
        if !stays {
            remove_any(&path)?;
        }
    }
    // The seed's script plants all of it again once the mark is lifted.
    durable::remove(&host.state(uninstalled::PLANTED))?;
    Ok(changed)
}
