//! What the cluster loses when this host's services stop, asked before they do.
//!
//! A host that leads hands over first. One without which etcd has no quorum, or
//! PostgreSQL no leader, stops only by the operator's word (`--stop-cluster`).

use super::bundles::RoleBundle;
use super::etcd_members::Members;
use super::files::all_services;
use super::host::{Host, read_json};
use super::narrator::Narrator;
use super::patroni::Patroni;
use super::stop::Stop;
use super::systemctl;
use crate::bundle::start::{ETCD_START, EtcdStart};
use crate::seed::identity::Identity;

/// For how long the host's services stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// They come back, here, with their data.
    Passing,
    /// Its member of etcd is taken off the list: the data goes, too.
    ForGood,
}

/// Reasons why the cluster cannot do without this host.
pub fn losses(
    host: &Host,
    identity: &Identity,
    bundles: &[RoleBundle],
    absence: Absence,
) -> Result<Vec<String>, Stop> {
    let mut losses = Vec::new();
    if let Some(patroni) = running(host, bundles)? {
        losses.extend(of_postgres(host, identity, &patroni));
    }
    losses.extend(of_etcd(host, bundles, absence)?);
    Ok(losses)
}

/// Refuses where the cluster would stop, unless the operator said that it may.
pub fn refuse(losses: Vec<String>, may_stop: bool) -> Result<(), Stop> {
    if losses.is_empty() || may_stop {
        return Ok(());
    }
    let mut reasons = losses;
    reasons.push(
        "nothing was stopped: mend the other nodes first, or say `--stop-cluster` where the cluster may stop serving"
            .to_owned(),
    );
    Err(Stop::Refused(reasons))
}

/// Has another node lead where this one does; without another, nothing is asked.
pub fn hand_over(
    host: &Host,
    narrator: &mut Narrator,
    identity: &Identity,
    bundles: &[RoleBundle],
) -> Result<bool, Stop> {
    let Some(patroni) = running(host, bundles)? else {
        return Ok(false);
    };
    let node = &identity.node;
    let is_to_go = patroni.view(host).is_ok_and(|view| {
        let leads = view
            .leader()
            .is_some_and(|leader| leader.name == node.as_str());
        leads && !view.standbys_beside(node).is_empty()
    });
    if is_to_go {
        patroni.switch_over(host, narrator, &identity.cluster, node)?;
    }
    Ok(is_to_go)
}

/// This host's Patroni, where it runs.
pub fn running(host: &Host, bundles: &[RoleBundle]) -> Result<Option<Patroni>, Stop> {
    let Some(patroni) = Patroni::of(host, bundles) else {
        return Ok(None);
    };
    let runs = !systemctl::running(host, [patroni.unit.as_str()])?.is_empty();
    Ok(runs.then_some(patroni))
}

fn of_postgres(host: &Host, identity: &Identity, patroni: &Patroni) -> Option<String> {
    let view = match patroni.view(host) {
        Ok(view) => view,
        Err(why) => {
            return Some(format!(
                "what this host's Patroni does cannot be told: {why}"
            ));
        }
    };
    match view.leader() {
        None => Some("no node leads PostgreSQL just now".to_owned()),
        Some(leader) if leader.name != identity.node.as_str() => None,
        Some(_) if view.standbys_beside(&identity.node).is_empty() => Some(
            "this node leads PostgreSQL, and no other one runs that could take over".to_owned(),
        ),
        Some(_) => None,
    }
}

fn of_etcd(host: &Host, bundles: &[RoleBundle], absence: Absence) -> Result<Option<String>, Stop> {
    let Some(settings) = member_settings(host, bundles)? else {
        return Ok(None);
    };
    let members = Members {
        host,
        settings: &settings,
    };
    let healthy = members.healthy_others()?;
    let total = settings.members.len();
    let rest = match absence {
        Absence::Passing => total,
        Absence::ForGood => total - 1,
    };
    let majority = rest / 2 + 1;
    Ok((rest == 0 || healthy < majority).then(|| {
        format!(
            "etcd would lose its quorum: without this one {healthy} of {rest} members answer, {majority} must"
        )
    }))
}

/// The settings of etcd's member on this host, where it runs.
pub fn member_settings(host: &Host, bundles: &[RoleBundle]) -> Result<Option<EtcdStart>, Stop> {
    let unit = all_services(bundles).find(|service| service.name == "etcd");
    let Some(unit) = unit.map(|service| service.unit.as_str()) else {
        return Ok(None);
    };
    if systemctl::running(host, [unit])?.is_empty() {
        return Ok(None);
    }
    read_json(&host.path(ETCD_START))
}
