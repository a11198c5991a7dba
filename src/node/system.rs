//! The one door to the system's own programs, so that tests can record what
//! would have been asked of them.

use std::fmt;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A program with its arguments and what is added to its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The program's name, looked for in PATH.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables set for it.
    pub environment: Vec<(String, String)>,
    /// What it reads from its standard input.
    pub input: String,
    /// After how long it is ended.
    pub limit: Duration,
}

impl Call {
    /// A program with arguments, ended after a minute.
    pub fn new<T: AsRef<str>>(program: &str, arguments: impl IntoIterator<Item = T>) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments
                .into_iter()
                .map(|a| a.as_ref().to_owned())
                .collect(),
            environment: Vec::new(),
            input: String::new(),
            limit: Duration::from_secs(60),
        }
    }

    /// The same with a variable set.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with something to read.
    pub fn reading(mut self, input: impl Into<String>) -> Self {
        self.input = input.into();
        self
    }

    /// The same with another limit.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// As a person would type it in a shell.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&self.program)?;
        self.arguments
            .iter()
            .try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What a program answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its exit status; none when a signal ended it.
    pub status: Option<i32>,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub errors: String,
}

impl Answer {
    /// Whether it exited with 0.
    pub fn succeeded(&self) -> bool {
        self.status == Some(0)
    }

    /// The last lines it said, for a message.
    pub fn complaint(&self) -> String {
        let said = if self.errors.trim().is_empty() {
            &self.output
        } else {
            &self.errors
        };
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

/// A call that gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum CallFault {
    /// The program could not be started.
    #[error("cannot run `{call}`: {source}")]
    NotStarted {
        /// What was asked.
        call: String,
        /// Why not.
        source: io::Error,
    },
    /// It took too long and was ended.
    #[error("`{call}` gave no answer within {seconds} s and was ended")]
    TooSlow {
        /// What was asked.
        call: String,
        /// The limit.
        seconds: u64,
    },
    /// It said no.
    #[error("`{call}` failed ({status}):\n{complaint}")]
    Failed {
        /// What was asked.
        call: String,
        /// Exit status or `signal`.
        status: String,
        /// What it said.
        complaint: String,
    },
}

/// Runs the system's programs.
pub trait System {
    /// Runs to the end and returns whatever it answered.
    fn ask(&self, call: &Call) -> Result<Answer, CallFault>;

    /// Runs to the end; anything but exit 0 is a fault.
    fn run(&self, call: &Call) -> Result<Answer, CallFault> {
        let answer = self.ask(call)?;
        if answer.succeeded() {
            return Ok(answer);
        }
        let status = answer
            .status
            .map_or("ended by a signal".to_owned(), |s| format!("exit {s}"));
        Err(CallFault::Failed {
            call: call.to_string(),
            status,
            complaint: answer.complaint(),
        })
    }
}

/// The real system.
pub struct Real;

impl System for Real {
    fn ask(&self, call: &Call) -> Result<Answer, CallFault> {
        let not_started = |source| CallFault::NotStarted {
            call: call.to_string(),
            source,
        };
        let mut child = Command::new(&call.program)
            .args(&call.arguments)
            .envs(call.environment.iter().map(|(name, value)| (name, value)))
            // It is for this program to tell systemd how far it is, not for what it runs.
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(not_started)?;
        feed(&mut child, &call.input).map_err(not_started)?;
        let output = Collected::from(child.stdout.take());
        let errors = Collected::from(child.stderr.take());
        let status = wait(&mut child, call.limit).map_err(not_started)?;
        let Some(status) = status else {
            return Err(CallFault::TooSlow {
                call: call.to_string(),
                seconds: call.limit.as_secs(),
            });
        };
        let end = Instant::now() + AFTERWARDS;
        Ok(Answer {
            status: status.code(),
            output: output.text_until(end),
            errors: errors.text_until(end),
        })
    }
}

/// Writes the few lines that a program is given; a pipe holds them all.
fn feed(child: &mut Child, input: &str) -> io::Result<()> {
    match child
        .stdin
        .take()
        .map(|mut pipe| pipe.write_all(input.as_bytes()))
    {
        // A program may end without reading; its exit status says more.
        Some(Err(fault)) if fault.kind() != io::ErrorKind::BrokenPipe => Err(fault),
        _ => Ok(()),
    }
}

/// How long the pipes are read on after a program has ended. All that it wrote
/// itself is in them then; a daemon that it left may hold them open for ever.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// What comes out of a pipe, read beside the program.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    ended: Receiver<()>,
}

impl Collected {
    fn from(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = mpsc::channel();
        let filled = Arc::clone(&bytes);
        // It goes on reading what a daemon says, or the daemon would stand still.
        thread::spawn(move || {
            if let Some(pipe) = pipe
                && drain(pipe, &filled).is_err()
            {
                locked(&filled).extend_from_slice(b"\n[output cut off]");
            }
            // Nobody listens when the answer was given before.
            drop(end);
        });
        Self { bytes, ended }
    }

    fn text_until(self, end: Instant) -> String {
        // The sender says nothing: it is dropped when the pipe has ended.
        let left = end.saturating_duration_since(Instant::now());
        let (Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) =
            self.ended.recv_timeout(left);
        String::from_utf8_lossy(&locked(&self.bytes)).into_owned()
    }
}

fn drain(mut pipe: impl Read, to: &Arc<Mutex<Vec<u8>>>) -> io::Result<()> {
    let mut buffer = [0; 1 << 14];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) if Arc::strong_count(to) > 1 => {
                locked(to).extend_from_slice(&buffer[..count]);
            }
            // The answer was given: what a daemon still says is read and forgotten.
            Ok(_) => {}
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
}

fn locked(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Most programs that are asked something end within a few milliseconds; the
/// others are looked after no more often than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<std::process::ExitStatus>> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
pub mod recorded {
    //! A system that answers from a list and remembers what it was asked.

    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::*;

    /// Answers by the first rule whose text is part of the call.
    #[derive(Default)]
    pub struct Recorded {
        rules: RefCell<Vec<(String, Answer)>>,
        units: RefCell<BTreeMap<String, String>>,
        calls: RefCell<Vec<String>>,
        left: Cell<Option<usize>>,
    }

    impl Recorded {
        /// From now on calls that contain `part` answer so; later rules win.
        pub fn answer(&self, part: &str, status: i32, output: &str) {
            let answer = Answer {
                status: Some(status),
                output: output.to_owned(),
                errors: String::new(),
            };
            self.rules.borrow_mut().insert(0, (part.to_owned(), answer));
        }

        /// The same with words on standard error.
        pub fn complain(&self, part: &str, status: i32, errors: &str) {
            let answer = Answer {
                status: Some(status),
                output: String::new(),
                errors: errors.to_owned(),
            };
            self.rules.borrow_mut().insert(0, (part.to_owned(), answer));
        }

        /// From now on systemd says that a unit is in this state; all others are inactive.
        pub fn unit(&self, unit: &str, state: &str) {
            self.units
                .borrow_mut()
                .insert(unit.to_owned(), state.to_owned());
        }

        fn states(&self, units: &[String]) -> Answer {
            let known = self.units.borrow();
            let state = |unit| known.get(unit).map_or("inactive", String::as_str);
            let lines = units
                .iter()
                .map(|unit| format!("ActiveState={}\n", state(unit)));
            Answer {
                status: Some(0),
                output: lines.collect::<Vec<_>>().join("\n"),
                errors: String::new(),
            }
        }

        /// A host that it is the system of.
        pub fn host(&self, root: &std::path::Path) -> crate::node::host::Host<'_> {
            crate::node::host::Host {
                root: root.to_owned(),
                system: self,
            }
        }

        /// So many more calls are answered; none can be started after them.
        pub fn fail_after(&self, calls: usize) {
            self.left.set(Some(calls));
        }

        /// What was asked so far; forgets it.
        pub fn take(&self) -> Vec<String> {
            self.calls.take()
        }
    }

    impl System for Recorded {
        fn ask(&self, call: &Call) -> Result<Answer, CallFault> {
            let text = call.to_string();
            self.calls.borrow_mut().push(text.clone());
            if let Some(left) = self.left.get() {
                self.left.set(Some(left.saturating_sub(1)));
                if left == 0 {
                    return Err(CallFault::NotStarted {
                        call: text,
                        source: io::ErrorKind::Interrupted.into(),
                    });
                }
            }
            let rules = self.rules.borrow();
            let rule = rules.iter().find(|(part, _)| text.contains(part));
            if let Some((_, answer)) = rule {
                return Ok(answer.clone());
            }
            let words: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
            if words.starts_with(&["show", "--property=ActiveState"]) {
                return Ok(self.states(&call.arguments[2..]));
            }
            Ok(Answer {
                status: Some(0),
                ..Answer::default()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_calls_as_shell() {
        let call = Call::new("apt-get", ["install", "a b", "it's"]).with("LC_ALL", "C");
        assert_eq!(
            call.to_string(),
            r"LC_ALL=C apt-get install 'a b' 'it'\''s'"
        );
    }

    #[test]
    fn a_daemon_that_keeps_the_pipe_is_not_waited_for() {
        let begun = Instant::now();
        let answer = Real
            .ask(&Call::new("sh", ["-c", "echo done; sleep 20 & echo $!"]))
            .unwrap();
        assert!(begun.elapsed() < Duration::from_secs(15));
        let (said, daemon) = answer.output.trim().split_once('\n').unwrap();
        assert_eq!((answer.status, said), (Some(0), "done"));
        Real.run(&Call::new("kill", [daemon])).unwrap();
    }

    #[test]
    fn answers_faults_and_limits() {
        let answer = Real
            .ask(&Call::new("sh", ["-c", "echo out; echo err >&2; exit 3"]))
            .unwrap();
        assert_eq!(
            (
                answer.status,
                answer.output.as_str(),
                answer.errors.as_str()
            ),
            (Some(3), "out\n", "err\n")
        );
        let failed = Real
            .run(&Call::new("sh", ["-c", "echo because >&2; exit 1"]))
            .unwrap_err();
        assert!(failed.to_string().contains("because"), "{failed}");
        let slow = Call::new("sleep", ["5"]).within(Duration::from_millis(50));
        assert!(matches!(Real.ask(&slow), Err(CallFault::TooSlow { .. })));
        assert!(matches!(
            Real.ask(&Call::new("no-such-program", [""])),
            Err(CallFault::NotStarted { .. })
        ));
    }
}
