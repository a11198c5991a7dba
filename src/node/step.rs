//! What a step is: a value that can say what it would do, whether it is
//! already so, and do it. `up`, `steps` and `verify` are folds over one list.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bundles::RoleBundle;
use super::durable::{self, Rights};
use super::host::Host;
use super::narrator::Narrator;
use super::packages::Transaction;
use super::stop::Stop;
use super::undoing::Leave;
use crate::base::Epoch;
use crate::seed::identity::Identity;

/// What a step changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What any node of the profile could share: done when an image is made, too.
    Image,
    /// This node alone.
    Node,
    /// The node's part in the cluster.
    Cluster,
}

/// Whether a step has anything to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is already so.
    AlreadySo,
    /// It is not, for this reason.
    Needed(String),
}

/// Everything a step may use; later steps find what earlier ones read.
pub struct Context<'a> {
    /// The host.
    pub host: &'a Host<'a>,
    /// Console and report.
    pub narrator: Narrator<'a>,
    /// The stored identity, once there is one.
    pub identity: Option<Identity>,
    /// The unpacked bundles, once they are.
    pub bundles: Vec<RoleBundle>,
    /// What installing would do, as the preflight of this run saw it.
    pub simulated: Option<Transaction>,
    /// How long to wait for others; none: for ever.
    pub patience: Option<Duration>,
    /// What the operator said where the node is taken away.
    pub leave: Leave,
}

impl Context<'_> {
    /// The identity, which the first step has read.
    pub fn identity(&self) -> Result<&Identity, Stop> {
        self.identity
            .as_ref()
            .ok_or_else(|| Stop::Input("this host has no identity yet".to_owned()))
    }
}

/// A step of the list.
pub struct Step {
    /// Its name in reports.
    pub name: &'static str,
    /// What it changes.
    pub scope: Scope,
    /// What it would do, in shell where that can be said in shell.
    pub describe: fn(&Context) -> Result<Vec<String>, Stop>,
    /// Units that it restarts or starts.
    pub restarts: fn(&Context) -> Vec<String>,
    /// Whether it is already so; also reads what later steps need.
    pub check: fn(&mut Context) -> Result<Check, Stop>,
    /// Makes it so. Can be repeated and cut off at any instant.
    pub apply: fn(&mut Context) -> Result<(), Stop>,
    /// What taking it back does, in shell where it can be said in shell.
    pub describe_undo: fn(&Context) -> Result<Vec<String>, Stop>,
    /// Takes it back; true where anything was. Can be repeated and cut off at any instant.
    pub undo: fn(&mut Context) -> Result<bool, Stop>,
}

/// `/var/lib/pgbundle/steps/<name>.json`: when a step last changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The step.
    pub step: String,
    /// The identity's generation then.
    pub generation: u64,
    /// When.
    pub at: Epoch,
    /// Why it had something to do.
    pub reason: String,
}

/// Runs one step; true when it changed something.
pub fn run(step: &Step, context: &mut Context) -> Result<bool, Stop> {
    context.narrator.begin(step.name)?;
    let needed = (step.check)(context)?;
    if let Check::Needed(reason) = &needed {
        context.narrator.say(reason);
        (step.apply)(context)?;
        record(step, context, reason)?;
    }
    let changed = needed != Check::AlreadySo;
    context.narrator.end(changed)?;
    Ok(changed)
}

fn record(step: &Step, context: &Context, reason: &str) -> Result<(), Stop> {
    let record = Record {
        step: step.name.to_owned(),
        generation: context.identity()?.generation,
        at: context.host.now(),
        reason: reason.to_owned(),
    };
    let mut bytes = serde_json::to_vec_pretty(&record).expect("a record is plain text");
    bytes.push(b'\n');
    let path = context.host.state(&format!("steps/{}.json", step.name));
    Ok(durable::write(&path, &bytes, Rights::own(0o644))?)
}
