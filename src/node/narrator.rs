//! What the host says of itself: a line a step on the console, and a report
//! that people and programs can read.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::durable::{self, Rights};
use super::host::Host;
use super::stop::Stop;
use crate::base::Epoch;

/// `/var/lib/pgbundle/report.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Format of this file.
    pub format: u32,
    /// The cluster, once the identity is known.
    pub cluster: Option<String>,
    /// This node.
    pub node: Option<String>,
    /// The identity's generation.
    pub generation: Option<u64>,
    /// Where the host stands.
    pub state: State,
    /// The step it is at.
    pub step: String,
    /// Since when it is at it.
    pub since: Epoch,
    /// What it waits for, each with whom it asks and since when.
    pub waiting: Vec<Wait>,
    /// Why it stopped.
    pub faults: Vec<String>,
    /// The steps that were done, in order.
    pub done: Vec<Done>,
}

/// Where the host stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A step is running.
    Working,
    /// It asks and has no answer yet.
    Waiting,
    /// Every service serves.
    Serving,
    /// It will not go on: see `faults`.
    Refused,
    /// It could not go on: see `faults`; trying again may help.
    Failed,
}

/// Something that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What, in words.
    pub what: String,
    /// Of whom: an address, a unit, a place.
    pub of: String,
    /// Since when.
    pub since: Epoch,
}

/// A step that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The step.
    pub step: String,
    /// Whether it changed anything.
    pub changed: bool,
    /// When.
    pub at: Epoch,
}

/// Keeps the report and speaks on the console.
pub struct Narrator<'a> {
    host: &'a Host<'a>,
    report: Report,
}

impl<'a> Narrator<'a> {
    /// Begins a report.
    pub fn new(host: &'a Host<'a>) -> Self {
        let report = Report {
            format: 1,
            cluster: None,
            node: None,
            generation: None,
            state: State::Working,
            step: "start".to_owned(),
            since: host.now(),
            waiting: Vec::new(),
            faults: Vec::new(),
            done: Vec::new(),
        };
        Self { host, report }
    }

    /// The report as it stands.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Says whose report this is.
    pub fn name(&mut self, identity: &crate::seed::identity::Identity) {
        self.report.cluster = Some(identity.cluster.to_string());
        self.report.node = Some(identity.node.to_string());
        self.report.generation = Some(identity.generation);
    }

    /// A step begins.
    pub fn begin(&mut self, step: &str) -> Result<(), Stop> {
        self.report.step = step.to_owned();
        self.report.since = self.host.now();
        self.report.state = State::Working;
        self.report.waiting.clear();
        self.save()
    }

    /// A line on the console, under the current step's name.
    pub fn say(&self, text: &str) {
        for line in text.lines() {
            // A console that is gone must not stop a host from coming up.
            if writeln!(io::stdout(), "pgbundle-node: {}: {line}", self.report.step).is_err() {
                return;
            }
        }
    }

    /// A step is done.
    pub fn end(&mut self, changed: bool) -> Result<(), Stop> {
        let step = self.report.step.clone();
        self.say(if changed { "done" } else { "nothing to do" });
        self.report.done.push(Done {
            step,
            changed,
            at: self.host.now(),
        });
        self.report.waiting.clear();
        self.save()
    }

    /// What is waited for now; the console hears of it when it changed.
    pub fn waits(&mut self, waiting: Vec<Wait>) -> Result<(), Stop> {
        if waiting == self.report.waiting {
            return Ok(());
        }
        let known = std::mem::replace(&mut self.report.waiting, waiting);
        for wait in self
            .report
            .waiting
            .iter()
            .filter(|wait| !known.contains(wait))
        {
            self.say(&format!(
                "waiting for {} from {} since {}",
                wait.what, wait.of, wait.since
            ));
        }
        self.report.state = if self.report.waiting.is_empty() {
            State::Working
        } else {
            State::Waiting
        };
        self.save()
    }

    /// The end: it serves, or it stopped.
    pub fn finish(&mut self, outcome: Result<(), &Stop>) -> Result<(), Stop> {
        self.report.waiting.clear();
        self.report.since = self.host.now();
        match outcome {
            Ok(()) => self.report.state = State::Serving,
            Err(stop) => {
                self.report.state = match stop {
                    Stop::World(_) => State::Failed,
                    Stop::Refused(_) | Stop::Input(_) => State::Refused,
                };
                self.report.faults = stop.reasons();
                self.report
                    .faults
                    .iter()
                    .for_each(|fault| self.say(&format!("error: {fault}")));
            }
        }
        self.save()
    }

    fn save(&self) -> Result<(), Stop> {
        let mut bytes =
            serde_json::to_vec_pretty(&self.report).expect("a report has only text keys");
        bytes.push(b'\n');
        durable::write(&self.host.state("report.json"), &bytes, Rights::own(0o640))?;
        Ok(())
    }
}
