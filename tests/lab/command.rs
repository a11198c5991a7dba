//! Running the machine's programs, with an error that says what was run and what it said.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Whatever goes wrong in the lab, in words.
pub type Failure = Box<dyn std::error::Error>;

/// What a program said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; a signal counts as -1.
    pub code: i32,
    /// Its standard output, without the last line's end.
    pub out: String,
    /// Its standard error, likewise.
    pub err: String,
}

impl Said {
    /// Whether it ended with 0.
    pub fn is_success(&self) -> bool {
        self.code == 0
    }

    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// A command in an environment that holds nothing of the caller's.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

/// Enters a network namespace before it becomes `program`.
///
/// `ip netns exec` would mount another /sys, in which there are no cgroups.
pub fn command_in(namespace: &Path, program: &str) -> Command {
    let mut command = command("nsenter");
    command.arg(format!("--net={}", namespace.display()));
    command.arg("--").arg(program);
    command
}

/// Runs to the end, whatever the end is.
pub fn ask(command: &mut Command) -> Result<Said, Failure> {
    let output = command
        .output()
        .map_err(|cause| format!("cannot run {}: {cause}", line(command)))?;
    Ok(Said::from(output))
}

/// Runs to the end with `input` on standard input.
pub fn ask_with_input(command: &mut Command, input: &str) -> Result<Said, Failure> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|cause| format!("cannot run {}: {cause}", line(command)))?;
    let mut stdin = child.stdin.take().ok_or("standard input was not piped")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    Ok(Said::from(child.wait_with_output()?))
}

/// Runs to a good end and gives the output.
pub fn run(command: &mut Command) -> Result<String, Failure> {
    let said = ask(command)?;
    if said.is_success() {
        return Ok(said.out);
    }
    Err(format!(
        "{} ended with {}\n{}\n{}",
        line(command),
        said.code,
        said.out,
        said.err
    )
    .into())
}

/// What was run, without its environment: there may be a password in it.
fn line(command: &Command) -> String {
    let arguments = command.get_args().map(OsStr::to_string_lossy);
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(arguments);
    words.join(" ")
}
