//! `pgbundle-node up`: every step in order, one run at a time.

use std::fs::File;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::durable::{self, Rights};
use super::host::Host;
use super::narrator::Narrator;
use super::step::{self, Context};
use super::steps;
use super::stop::Stop;
use super::undoing::Leave;
use super::uninstalled;
use crate::base::atomic::parent_of;

const LOCK: &str = "/run/pgbundle/lock";

/// Runs the steps; the report and the console say how it went.
///
/// `again` is the operator's word that a node which was taken away comes back.
pub fn up(host: &Host, patience: Option<Duration>, again: bool) -> Result<(), Stop> {
    // What starts this program may be strict; what packages leave must be as packages mean it.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let mut context = context(host, patience);
    let _lock = match lock(host) {
        Ok(lock) => lock,
        Err(stop) => {
            // The report is the other run's to write.
            context.narrator.complain(&stop);
            return Err(stop);
        }
    };
    let outcome = uninstalled::let_up(host, again).and_then(|()| run_all(&mut context));
    context.narrator.finish(outcome.as_ref().map(drop))?;
    let changed = outcome?;
    context.narrator.say(if changed {
        "every service serves"
    } else {
        "every service serves; nothing was changed"
    });
    Ok(())
}

pub(super) fn run_all(context: &mut Context) -> Result<bool, Stop> {
    let mut changed = false;
    for step in steps::all() {
        changed |= step::run(&step, context)?;
    }
    Ok(changed)
}

/// A context in which nothing has been read yet.
pub fn context<'a>(host: &'a Host<'a>, patience: Option<Duration>) -> Context<'a> {
    Context {
        host,
        narrator: Narrator::new(host),
        identity: None,
        bundles: Vec::new(),
        simulated: None,
        patience,
        leave: Leave::default(),
    }
}

/// Whether a run is under way. The lock is held for the blink of this question.
pub fn is_running(host: &Host) -> bool {
    let held = |file: File| flock(&file, FlockOperation::NonBlockingLockShared);
    File::open(host.path(LOCK))
        .map(held)
        .is_ok_and(|lock| lock == Err(rustix::io::Errno::WOULDBLOCK))
}

/// Two runs at once would undo each other's masks.
pub(super) fn lock(host: &Host) -> Result<File, Stop> {
    let path = host.path(LOCK);
    durable::folder(parent_of(&path), Rights::own(0o755))?;
    let world = |fault: &dyn std::fmt::Display| {
        Stop::World(format!("cannot lock `{}`: {fault}", path.display()))
    };
    let file = File::create(&path).map_err(|fault| world(&fault))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Stop::World(
            "another `pgbundle-node up` is running on this host".to_owned(),
        )),
        Err(fault) => Err(world(&fault)),
    }
}
