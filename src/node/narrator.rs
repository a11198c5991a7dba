//! What the host says of itself: a line a step on the console, and a report
//! that people and programs can read.
//!
//! How long something took is told by a clock that nobody sets: this host's may
//! be put right by years while it is waited for.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::console;
use super::durable::{self, Rights};
use super::host::Host;
use super::notify;
use super::reminder::Reminder;
use super::stop::Stop;
use crate::base::Epoch;

/// The report, below `/var/lib/pgbundle`.
pub const REPORT: &str = "report.json";

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
    /// Since when; the narrator puts it right.
    pub since: Epoch,
    /// What somebody can do about it.
    #[serde(default)]
    pub remedy: String,
}

/// In one sentence, without the time.
impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waiting for {} from {}", self.what, self.of)
    }
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
    /// How long it took.
    #[serde(default)]
    pub seconds: u64,
}

/// Keeps the report and speaks on the console.
pub struct Narrator<'a> {
    host: &'a Host<'a>,
    report: Report,
    reminder: Reminder,
    /// When the step began.
    begun: Instant,
    /// When each wait began, by what is waited for.
    waiting: BTreeMap<String, Instant>,
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
        Self {
            host,
            report,
            reminder: Reminder::default(),
            begun: Instant::now(),
            waiting: BTreeMap::new(),
        }
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
        self.begun = Instant::now();
        self.report.state = State::Working;
        self.forget_waits();
        self.save()
    }

    /// What is said from here on is about this; nothing is written.
    pub fn at(&mut self, step: &str) {
        self.report.step = step.to_owned();
        self.begun = Instant::now();
    }

    fn forget_waits(&mut self) {
        self.report.waiting.clear();
        self.waiting.clear();
    }

    /// A text on the console, under the current step's name.
    pub fn say(&self, text: &str) {
        for line in console::fold(&format!("pgbundle-node: {}: ", self.report.step), text) {
            // A console that is gone must not stop a host from coming up.
            if writeln!(io::stdout(), "{line}").is_err() {
                return;
            }
        }
    }

    /// Why it stopped, on the console and for `systemctl status`.
    pub fn complain(&self, stop: &Stop) {
        let reasons = stop.reasons();
        let kind = match stop {
            Stop::World(_) => "failed",
            Stop::Refused(_) | Stop::Input(_) => "refused",
        };
        reasons
            .iter()
            .for_each(|reason| self.say(&format!("error: {reason}")));
        if kind == "refused" {
            self.say("this is not tried again by itself; when it is mended: systemctl restart pgbundle (or boot)");
        }
        notify::status(&format!("{kind}: {}", reasons.join("; ")));
    }

    /// A step is done.
    pub fn end(&mut self, changed: bool) -> Result<(), Stop> {
        let step = self.report.step.clone();
        self.say(if changed { "done" } else { "nothing to do" });
        self.report.done.push(Done {
            step,
            changed,
            at: self.host.now(),
            seconds: self.begun.elapsed().as_secs(),
        });
        self.forget_waits();
        self.save()
    }

    /// What is waited for now. The console hears of it when it begins, when the
    /// answer changes, each minute, and when it is over; the report always.
    pub fn waits(&mut self, mut waiting: Vec<Wait>) -> Result<(), Stop> {
        let known = std::mem::take(&mut self.report.waiting);
        let now = self.host.now();
        for wait in &mut waiting {
            let begun = self.waiting.entry(wait.what.clone());
            let elapsed = begun.or_insert_with(Instant::now).elapsed();
            let told = known.iter().find(|known| known.what == wait.what);
            wait.since = since(told.map(|told| told.since), now, elapsed);
        }
        self.report.since = since(Some(self.report.since), now, self.begun.elapsed());
        let is_over = |known: &&Wait| !waiting.iter().any(|wait| wait.what == known.what);
        for wait in known.iter().filter(is_over) {
            let seconds = self.seconds_waited(wait);
            self.say(&format!(
                "no longer waiting for {} ({seconds} s)",
                wait.what
            ));
        }
        self.waiting
            .retain(|what, _| waiting.iter().any(|wait| wait.what == *what));
        for wait in &waiting {
            if self.reminder.is_due(&wait.to_string(), Instant::now()) {
                self.announce(wait);
            }
        }
        let is_news = waiting != known;
        self.report.waiting = waiting;
        self.report.state = if self.report.waiting.is_empty() {
            State::Working
        } else {
            State::Waiting
        };
        if is_news { self.save() } else { Ok(()) }
    }

    fn seconds_waited(&self, wait: &Wait) -> u64 {
        let begun = self.waiting.get(&wait.what);
        begun.map_or(0, |begun| begun.elapsed().as_secs())
    }

    fn announce(&self, wait: &Wait) {
        let (since, seconds) = (self.host.local(wait.since), self.seconds_waited(wait));
        self.say(&format!("{wait}, since {since} ({seconds} s)"));
        if !wait.remedy.is_empty() {
            self.say(&format!("to do: {}", wait.remedy));
        }
        notify::status(&format!("{}: {wait}, since {since}", self.report.step));
    }

    /// The end: it serves, or it stopped.
    pub fn finish(&mut self, outcome: Result<(), &Stop>) -> Result<(), Stop> {
        self.forget_waits();
        self.report.since = self.host.now();
        match outcome {
            Ok(()) => {
                self.report.state = State::Serving;
                notify::status("every service serves");
            }
            Err(stop) => {
                self.report.state = match stop {
                    Stop::World(_) => State::Failed,
                    Stop::Refused(_) | Stop::Input(_) => State::Refused,
                };
                self.report.faults = stop.reasons();
                self.complain(stop);
            }
        }
        self.save()
    }

    fn save(&self) -> Result<(), Stop> {
        let mut bytes =
            serde_json::to_vec_pretty(&self.report).expect("a report has only text keys");
        bytes.push(b'\n');
        durable::write(&self.host.state(REPORT), &bytes, Rights::own(0o640))?;
        Ok(())
    }
}

/// Since when something lasts, on the clock as it stands now: what was told
/// before, unless the clock was set meanwhile. It is not another each second.
fn since(told: Option<Epoch>, now: Epoch, elapsed: Duration) -> Epoch {
    let elapsed = i64::try_from(elapsed.as_secs()).unwrap_or(0);
    let since = Epoch::from_seconds(now.seconds() - elapsed).unwrap_or(now);
    let is_near = |told: &Epoch| (told.seconds() - since.seconds()).abs() <= 2;
    told.filter(is_near).unwrap_or(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn a_wait_is_as_long_as_it_was_whatever_the_clock_says() {
        let at = |seconds: i64| Epoch::from_seconds(1_800_000_000 + seconds).unwrap();
        let minute = Duration::from_secs(60);
        assert_eq!(since(None, at(0), Duration::ZERO), at(0));
        // Told to the second, and not anew for a second that was rounded away.
        assert_eq!(since(Some(at(0)), at(61), minute), at(0));
        // Put right by a year, and back by an hour.
        assert_eq!(since(Some(at(0)), at(31_536_060), minute), at(31_536_000));
        assert_eq!(since(Some(at(0)), at(-3_540), minute), at(-3_600));
    }

    #[test]
    fn what_is_waited_for_on_and_on_is_waited_for_since_the_first_time() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let mut narrator = Narrator::new(&host);
        let wait = |of: &str| Wait {
            what: "the right time".to_owned(),
            of: of.to_owned(),
            since: host.now().plus_days(-200),
            remedy: String::new(),
        };
        narrator.waits(vec![wait("this host")]).unwrap();
        let since = narrator.report().waiting[0].since;
        assert!((host.now().seconds() - since.seconds()).abs() < 60);
        narrator.waits(vec![wait("a time server")]).unwrap();
        assert_eq!(narrator.report().waiting[0].since, since);
        assert!(narrator.seconds_waited(&wait("")) < 60);
        narrator.waits(Vec::new()).unwrap();
        assert!(narrator.waiting.is_empty());
    }
}
