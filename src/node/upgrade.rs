//! `pgbundle-node upgrade`: takes up a seed of a higher generation on one host.
//!
//! Everything that may refuse is asked first: the document, the bundles, the
//! preflight with its simulated transaction, and whether the cluster can do
//! without what restarts here. A host that leads and restarts PostgreSQL hands
//! over before. Then the steps are run as ever, and it is done when this node
//! is a whole part of the cluster again. Cut off anywhere, it is said again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::bundles::{self, RoleBundle};
use super::durable::{self, Rights};
use super::files::all_services;
use super::host::{Host, read_if_there, require_json};
use super::identity::{self, Verdict};
use super::leaving::{self, Absence};
use super::narrator::{Narrator, REPORT};
use super::offered::Offered;
use super::patroni::Patroni;
use super::preflight;
use super::repository;
use super::stop::Stop;
use super::systemctl;
use super::transport;
use super::uninstalled::{self, PROGRAM};
use super::up;
use crate::base::{NodeName, NodePath, Sha256};
use crate::bundle::assignment::Uptake;
use crate::bundle::difference::{self, Act, Content, Roles, UnitChange};
use crate::bundle::start::{BOOTSTRAP, Bootstrap};
use crate::seed::identity::Identity;

/// What the operator asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The seed's folder, or its user-data; none: the disk that carries a seed.
    pub identity: Option<PathBuf>,
    /// The cluster may stop serving by it.
    pub may_stop: bool,
    /// How long to wait for others; none: for ever.
    pub patience: Option<Duration>,
}

/// Units, by name, and what is done about each.
type Changes = BTreeMap<String, UnitChange>;

/// Takes the seed up; the console says how it goes.
pub fn upgrade(host: &Host, request: &Request) -> Result<(), Stop> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let mut context = up::context(host, request.patience);
    let _lock = up::lock(host)?;
    let stored = identity::stored(host)?.ok_or_else(|| {
        Stop::refuse("this host was not brought up yet: `pgbundle-node up` does that")
    })?;
    uninstalled::let_up(host, false)?;
    let offered = match &request.identity {
        Some(place) => Offered::at(place)?,
        None => Offered::on_media(host)?,
    };
    let narrator = &mut context.narrator;
    narrator.at("upgrade");
    match identity::judge(Some(&stored), &offered.identity)? {
        Verdict::Same => narrator.say(&format!(
            "generation {} is what this host has: what is left of it is done",
            stored.generation
        )),
        Verdict::Take => {
            // What does not come about says nothing of what this host serves.
            let report = read_if_there(&host.state(REPORT))?;
            prepare(host, narrator, request, &stored, &offered).inspect_err(|_| {
                if let Some(report) = report
                    && let Err(fault) =
                        durable::write(&host.state(REPORT), &report, Rights::own(0o640))
                {
                    narrator.say(&fault.to_string());
                }
            })?;
        }
    }
    let outcome = up::run_all(&mut context);
    context.narrator.finish(outcome.as_ref().map(drop))?;
    outcome?;
    wait_until_whole(
        host,
        &mut context.narrator,
        &context.bundles,
        &offered.identity,
        request,
    )?;
    context.narrator.say(&format!(
        "generation {} serves, and this node is a whole part of its cluster",
        offered.identity.generation
    ));
    Ok(())
}

/// Asks all that may refuse, hands over, and plants the seed.
fn prepare(
    host: &Host,
    narrator: &mut Narrator,
    request: &Request,
    stored: &Identity,
    offered: &Offered,
) -> Result<(), Stop> {
    let new = &offered.identity;
    narrator.say(&format!(
        "from generation {} to {}",
        stored.generation, new.generation
    ));
    if !bundles::missing(host, stored).is_empty() {
        return Err(Stop::refuse(
            "the bundles of this host's own generation are not here: let `pgbundle-node up` finish first",
        ));
    }
    take_program(host, narrator, new)?;
    bundles::bring_all(host, narrator, new, request.patience)?;
    let (old_bundles, new_bundles) = (bundles::read(host, stored)?, bundles::read(host, new)?);
    repository::build(host, &new_bundles)?;
    preflight::pass(host, narrator, new, &new_bundles, request.patience)?;
    let changes = changes(stored, &old_bundles, new, &new_bundles);
    for (unit, change) in &changes {
        narrator.say(&change.in_words(unit));
    }
    let restarts = |name: &str| {
        let mut services = all_services(&old_bundles).filter(|service| service.name == name);
        services.any(|service| {
            let change = changes.get(&service.unit);
            change.is_some_and(|change| matches!(change.act, Act::Restart | Act::Leave))
        })
    };
    if restarts("patroni") || restarts("etcd") {
        let losses = leaving::losses(host, stored, &old_bundles, Absence::Passing)?;
        leaving::refuse(losses, request.may_stop)?;
    }
    if restarts("patroni") {
        leaving::hand_over(host, narrator, stored, &old_bundles)?;
    }
    if initdb(&old_bundles)? != initdb(&new_bundles)?
        && let Some(patroni) = leaving::running(host, &old_bundles)?
    {
        narrator.say("PostgreSQL's programs move: it is stopped before they do");
        systemctl::stop(host, [patroni.unit.as_str()])?;
    }
    offered.plant(host)
}

/// Where PostgreSQL's programs lie, as a role's own settings have it.
fn initdb(bundles: &[RoleBundle]) -> Result<Option<NodePath>, Stop> {
    for bundle in bundles {
        let files = &bundle.assignment.files;
        if let Some(file) = files.iter().find(|file| file.path.as_str() == BOOTSTRAP) {
            let settings: Bootstrap = require_json(&bundle.content(file))?;
            return Ok(Some(settings.initdb));
        }
    }
    Ok(None)
}

/// What `pgbundle diff` says of this node, and what the seeds' own files add to
/// it: certificates and passwords, which no bundle holds.
fn changes(
    stored: &Identity,
    old_bundles: &[RoleBundle],
    new: &Identity,
    new_bundles: &[RoleBundle],
) -> Changes {
    let mut nodes = difference::between(&roles(old_bundles), &roles(new_bundles)).nodes;
    let mut units = nodes.remove(&new.node).unwrap_or_default().units;
    for secret in &new.secrets {
        if stored.secrets.contains(secret) {
            continue;
        }
        for service in all_services(new_bundles).filter(|s| secret.services.contains(&s.name)) {
            let uptake = if secret.is_certificate {
                service.on_certificate
            } else {
                service.uptake_of(secret.path.as_str())
            };
            let act = match uptake {
                Uptake::Reload => Act::Reload,
                Uptake::Restart => Act::Restart,
            };
            let change = units.entry(service.unit.clone()).or_insert(UnitChange {
                act,
                because_of: BTreeSet::new(),
            });
            change.act = change.act.max(act);
            change.because_of.insert(secret.path.to_string());
        }
    }
    units
}

fn roles(bundles: &[RoleBundle]) -> Roles {
    let content = |bundle: &RoleBundle| {
        let assignment = bundle.assignment.clone();
        let content = Content {
            manifest: bundle.manifest.clone(),
            assignments: BTreeMap::from([(assignment.node.clone(), assignment)]),
        };
        (bundle.assignment.role, content)
    };
    bundles.iter().map(content).collect()
}

/// A seed pins the program that reads it. Where this one is another, the pinned
/// one is brought and goes on in its place.
fn take_program(host: &Host, narrator: &Narrator, new: &Identity) -> Result<(), Stop> {
    let world = |what: &str, fault: std::io::Error| Stop::World(format!("cannot {what}: {fault}"));
    let own = File::open("/proc/self/exe").and_then(Sha256::of_reader);
    let (own, _) = own.map_err(|fault| world("read this program", fault))?;
    if own == new.node_program.sha256 || host.root != Path::new("/") {
        return Ok(());
    }
    let program = host.path(PROGRAM);
    let beside = program.with_file_name(".pgbundle-node.new");
    let mut misses = Vec::new();
    let is_here = new.sources.iter().any(|source| {
        let brought = transport::bring(host, source, &new.node_program, &beside);
        brought
            .map_err(|miss| misses.push(miss.to_string()))
            .is_ok()
    });
    if !is_here {
        return Err(Stop::World(format!(
            "the node program of generation {} came from nowhere: {}",
            new.generation,
            misses.join("; ")
        )));
    }
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755))
        .and_then(|()| File::open(&beside)?.sync_all())
        .map_err(|fault| world("flush the node program", fault))?;
    durable::rename(&beside, &program)?;
    narrator.say("the node program of that generation goes on");
    let fault = Command::new(&program)
        .args(std::env::args_os().skip(1))
        .exec();
    Err(world("run the node program", fault))
}

fn wait_until_whole(
    host: &Host,
    narrator: &mut Narrator,
    bundles: &[RoleBundle],
    identity: &Identity,
    request: &Request,
) -> Result<(), Stop> {
    let Some(patroni) = Patroni::of(host, bundles) else {
        return Ok(());
    };
    narrator.at("upgrade");
    let node: &NodeName = &identity.node;
    let what = "this node to lead, or to follow the leader closely";
    patroni.wait(host, narrator, what, request.patience, |view| {
        view.lacks(node)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::identity::tests::example;
    use crate::node::services::tests::role;
    use crate::seed::identity::SecretFile;

    #[test]
    fn a_new_certificate_restarts_who_takes_it_so_and_a_moved_package_its_service() {
        let service = |bundle: &mut RoleBundle, packages: &[&str]| {
            for found in &mut bundle.assignment.services {
                if found.name == "patroni.service" {
                    found.packages = packages.iter().map(|&name| name.to_owned()).collect();
                }
            }
            let entry = |name: &&str| {
                let entry = serde_json::json!({"name": name, "version": "13.4",
                    "architecture": "x86_64", "sha256": "0".repeat(64)});
                serde_json::from_value(entry).unwrap()
            };
            bundle.manifest.package_list = packages.iter().map(entry).collect();
        };
        let bundle = || role("etcd", "patroni.service");
        let (mut old, mut new) = (example(), example());
        let none = changes(&old, &[bundle()], &new, &[bundle()]);
        assert_eq!(none, Changes::new());
        let secret = |content: &str| -> SecretFile {
            let access = serde_json::json!({"owner": "a", "group": "a", "mode": "0600"});
            serde_json::from_value(serde_json::json!({"path": "/etc/x.key", "access": access,
                "content": content, "services": ["patroni.service"], "is_certificate": true}))
            .unwrap()
        };
        old.secrets = vec![secret("old")];
        new.secrets = vec![secret("new")];
        let found = changes(&old, &[bundle()], &new, &[bundle()]);
        let change = &found["patroni.service"];
        assert_eq!((change.act, change.because_of.len()), (Act::Restart, 1));
        // What took the place of a package of another name runs from a restart on.
        let (mut before, mut after) = (bundle(), bundle());
        service(&mut before, &["vmware-postgres"]);
        service(&mut after, &["vmware-postgres13"]);
        let found = changes(&old, &[before], &old, &[after]);
        assert_eq!(found["patroni.service"].act, Act::Restart);
    }
}
