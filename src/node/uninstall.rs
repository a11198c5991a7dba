//! `pgbundle-node uninstall`: the steps, taken back from the last to the first.
//!
//! What it goes by is on the disk: [`super::brought`] has what was there before
//! us, [`super::uninstalled`] says that it was begun. So it can be cut off at
//! any instant, and the next run goes on. It takes away services,
//! configuration, and the packages that came with us; the data only by the
//! operator's word, which is the cluster's name.

use super::brought::Brought;
use super::bundles;
use super::durable;
use super::host::Host;
use super::identity;
use super::installing::{self, Left};
use super::leaving;
use super::step::Context;
use super::steps;
use super::stop::Stop;
use super::systemctl;
use super::undoing::Leave;
use super::uninstalled::{PROGRAM, UNIT, Uninstalled};
use super::up;

/// What the operator asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The cluster's name, where its data is to go, too.
    pub purge_data: Option<String>,
    /// The cluster may stop serving by it.
    pub may_stop: bool,
}

/// Takes the node away from this host; returns what the operator should know.
pub fn uninstall(host: &Host, request: &Request) -> Result<String, Stop> {
    let mut context = context(host, request)?;
    let known = Uninstalled::read(host)?;
    if let Some(mark) = known.as_ref().filter(|mark| mark.done)
        && (request.purge_data.is_none() || mark.kept(host).is_empty())
        && Brought::existing(host)?.is_none()
    {
        return Ok(format!("{}\n", mark.in_words(host)));
    }
    let mark = begin(&mut context, known)?;
    // It would wait for others for ever, and bring back what is taken away.
    systemctl::stop(host, [UNIT])?;
    let _lock = up::lock(host)?;
    Uninstalled {
        done: false,
        ..mark.clone()
    }
    .write(host)?;
    for step in steps::all().into_iter().rev() {
        context.narrator.at(step.name);
        let changed = (step.undo)(&mut context)?;
        context.narrator.say(if changed {
            "taken back"
        } else {
            "nothing to take back"
        });
    }
    let done = Uninstalled { done: true, ..mark };
    done.write(host)?;
    if request.purge_data.is_some() {
        durable::remove(&host.path(PROGRAM))?;
    }
    Ok(last_words(host, &context.leave, &done))
}

/// What `uninstall` would do here, step by step.
pub fn describe(host: &Host, request: &Request) -> Result<String, Stop> {
    let context = context(host, request)?;
    let mut text = String::new();
    for step in steps::all().iter().rev() {
        let lines = (step.describe_undo)(&context)?;
        if lines.is_empty() {
            continue;
        }
        text += &format!("# {}, taken back\n{}\n\n", step.name, lines.join("\n"));
    }
    Ok(text)
}

/// Everything that the undos use; refuses what is not known.
fn context<'a>(host: &'a Host<'a>, request: &Request) -> Result<Context<'a>, Stop> {
    let mark = Uninstalled::read(host)?;
    let mut context = up::context(host, None);
    context.identity = identity::stored(host)?;
    let cluster = match (&context.identity, &mark) {
        (Some(identity), _) => identity.cluster.to_string(),
        (None, Some(mark)) => mark.cluster.clone(),
        (None, None) => {
            return Err(Stop::refuse(
                "no node of a cluster was brought up on this host: there is nothing to take away",
            ));
        }
    };
    if let Some(named) = request
        .purge_data
        .as_ref()
        .filter(|named| **named != cluster)
    {
        return Err(Stop::Input(format!(
            "this host is of cluster `{cluster}`, not `{named}`: nothing was touched"
        )));
    }
    if let Some(identity) = &context.identity {
        context.narrator.name(identity);
        if bundles::missing(host, identity).is_empty() {
            context.bundles = bundles::read(host, identity)?;
        }
    }
    let data = match (&context.identity, mark) {
        (_, Some(mark)) => mark.data,
        (Some(identity), None) => Uninstalled::of(host, identity, &context.bundles)?.data,
        (None, None) => Vec::new(),
    };
    context.leave = Leave {
        purge_data: request.purge_data.is_some(),
        may_stop: request.may_stop,
        data,
        said: Vec::new(),
    };
    Ok(context)
}

/// What is asked before anything is touched.
fn begin(context: &mut Context, known: Option<Uninstalled>) -> Result<Uninstalled, Stop> {
    let host = context.host;
    if let Some(mark) = known {
        return Ok(mark);
    }
    let identity = context.identity()?;
    if !bundles::missing(host, identity).is_empty() {
        return Err(Stop::refuse(
            "the bundles of this host's generation are not here: `pgbundle-node up` brings them, and then what is to be taken away is known",
        ));
    }
    if Brought::existing(host)?.is_none() {
        return Err(Stop::refuse(
            "what was on this host before it was brought up is not known (no `brought.json`): it was done by an earlier program; nothing was touched",
        ));
    }
    if installing::left(host)? != Left::Whole {
        return Err(Stop::refuse(
            "packages are being installed, or that was cut off: let `pgbundle-node up` finish it first",
        ));
    }
    let losses = leaving::losses(host, identity, &context.bundles, context.leave.absence())?;
    leaving::refuse(losses, context.leave.may_stop)?;
    Uninstalled::of(host, identity, &context.bundles)
}

fn last_words(host: &Host, leave: &Leave, mark: &Uninstalled) -> String {
    let mut lines = leave.said.clone();
    let kept: Vec<String> = mark.kept(host).iter().map(ToString::to_string).collect();
    if !kept.is_empty() {
        lines.push(format!(
            "the data is kept, and a new install of this node takes it up again: {}; to remove it: pgbundle-node uninstall --purge-data {}",
            kept.join(", "),
            mark.cluster
        ));
    }
    lines.push("users and groups stay as the packages leave them".to_owned());
    lines.push(if leave.purge_data {
        format!(
            "this program is gone, too; the seed of generation {} does not bring the node back at the next boot: a seed of a higher generation does, or: rm -r {}",
            mark.generation,
            super::host::STATE
        )
    } else {
        mark.in_words(host)
    });
    lines.into_iter().map(|line| line + "\n").collect()
}
