//! The only printer: words for people on stderr, results for programs on stdout.

use std::io::{self, IsTerminal, Write};

use annotate_snippets::Renderer;
use indicatif::{ProgressBar, ProgressStyle};

use super::report::Failure;

/// Where words go, and how much of them is wanted.
pub struct Ui {
    is_quiet: bool,
    is_terminal: bool,
    renderer: Renderer,
}

impl Ui {
    /// Looks once at what kind of place stderr is (`NO_COLOR` and `TERM=dumb` are respected).
    pub fn new(is_quiet: bool) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let renderer = if is_terminal && !plain {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        Self {
            is_quiet,
            is_terminal: is_terminal && !plain,
            renderer,
        }
    }

    /// One line on what is being done.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.is_quiet {
            self.stderr(line.as_ref());
        }
    }

    /// A line that the operator should not miss.
    pub fn warn(&self, line: impl AsRef<str>) {
        self.stderr(&format!("warning: {}", line.as_ref()));
    }

    /// A result, on stdout. A reader that has gone away is no failure.
    pub fn result(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let ended = if text.ends_with('\n') { "" } else { "\n" };
        match write!(stdout, "{text}{ended}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::world(
                format!("cannot write to standard output: {error}"),
            )),
            _ => Ok(()),
        }
    }

    /// A result as JSON, on stdout.
    pub fn json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).expect("these types have text keys only");
        self.result(&text)
    }

    /// Shows what failed.
    pub fn failure(&self, failure: &Failure) {
        self.stderr(&failure.render(&self.renderer));
    }

    /// A bar for `bytes` of work; on a pipe it stays silent and the lines around it speak.
    pub fn bytes_bar(&self, bytes: u64, what: &'static str) -> ProgressBar {
        if self.is_quiet || !self.is_terminal || bytes == 0 {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template(
            "{msg:>12} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left",
        )
        .expect("the template is a constant");
        ProgressBar::new(bytes).with_style(style).with_message(what)
    }

    fn stderr(&self, text: &str) {
        // Nobody is left to tell when stderr itself is gone.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Bytes as people read them (binary units).
pub fn human_size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
