//! A clean room for the program: its own folder, an empty environment.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with nothing of the machine around it.
pub struct Sandbox {
    folder: tempfile::TempDir,
}

/// What a run of the program left behind.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Sandbox {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The program, about to run here with nothing in its environment.
    pub fn command(&self) -> Command {
        self.clean(Command::new(PROGRAM))
    }

    /// Any command, in the same clean room.
    pub fn clean(&self, mut command: Command) -> Command {
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        ended(self.command().args(arguments))
    }

    /// The program with these arguments as another command runs it, in the same clean room.
    pub fn run_by(&self, command: Command, arguments: &[String]) -> Ran {
        ended(self.clean(command).arg(PROGRAM).args(arguments))
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_pgbundle");

/// Runs to the end.
pub fn ended(command: &mut Command) -> Ran {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ran {
        code: output.status.code().expect("the program was not killed"),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

/// A file of the source tree.
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Its text.
pub fn read_source(path: &str) -> String {
    std::fs::read_to_string(source(path)).expect("the source tree is whole")
}
