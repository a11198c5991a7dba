//! libsolv, which dnf decides by, in a process of its own.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

use crate::support::source;

/// Debian's own Python, which Debian's bindings are for.
pub const PYTHON: &str = "/usr/bin/python3";

/// A host, and what there is to install on it.
pub struct Solv {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

/// What would be done, packages as `name-[epoch:]version-release.arch`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Transaction {
    pub installs: BTreeSet<String>,
    pub removes: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Done(Transaction),
    Impossible { problem: String },
}

/// Why libsolv cannot be asked on this machine.
pub fn missing() -> Option<String> {
    let imports = Command::new(PYTHON)
        .args(["-c", "import rpm, solv"])
        .output();
    match imports {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!(
            "{}(install python3-rpm and python3-solv)",
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => Some(format!("{PYTHON}: {error}")),
    }
}

impl Solv {
    /// A host with the packages of one primary.xml, and another to choose from.
    pub fn new(base: &str, listed: &str, filelists: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let mut command = Command::new(PYTHON);
        command
            .arg(source("tests/it/oracle_rpm/solve.py"))
            .arg(write("base.xml", base))
            .arg(write("listed.xml", listed));
        if let Some(filelists) = filelists {
            command.arg(write("filelists.xml", filelists));
        }
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        Self {
            questions: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
            _folder: folder,
        }
    }

    /// What installing the roots comes to, with nothing to choose from but `only`.
    pub fn install(
        &mut self,
        roots: &[&str],
        only: Option<&BTreeSet<String>>,
    ) -> Result<Transaction, String> {
        let question = serde_json::json!({ "roots": roots, "only": only });
        let questions = self.questions.as_mut().expect("it is open until the end");
        writeln!(questions, "{question}").unwrap();
        questions.flush().unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        match serde_json::from_str(&line) {
            Ok(Answer::Done(transaction)) => Ok(transaction),
            Ok(Answer::Impossible { problem }) => Err(problem),
            Err(error) => panic!("libsolv's process said `{line}`: {error}"),
        }
    }
}

impl Drop for Solv {
    fn drop(&mut self) {
        drop(self.questions.take());
        self.child
            .wait()
            .expect("it ends when nothing more is asked");
    }
}

/// A process that answers each line with a line.
pub fn answers(script: &Path, questions: String) -> Vec<String> {
    let mut child = Command::new(PYTHON)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}
