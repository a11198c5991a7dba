//! The host's end of the lab's way into a virtual machine; `shell.sh` is the other.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::command::{Failure, Said};

/// A connection to a running machine.
pub struct Shell {
    stream: UnixStream,
    asked: Cell<u64>,
}

impl Shell {
    /// Connects to the emulator's socket, which is there soon after it was started.
    pub fn connect(socket: &Path) -> Result<Self, Failure> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(50)),
                Err(cause) => return Err(format!("{}: {cause}", socket.display()).into()),
            }
        };
        let asked = Cell::new(0);
        Ok(Self { stream, asked })
    }

    /// Runs a shell script to the end, whatever the end is; `limit` is for each wait.
    pub fn ask(&self, script: &str, limit: Duration) -> Result<Said, Failure> {
        self.stream.set_read_timeout(Some(limit))?;
        self.asked.set(self.asked.get() + 1);
        let number = self.asked.get().to_string();
        let script = BASE64_STANDARD.encode(script);
        writeln!(&self.stream, "{number} {script}")?;
        let mut answers = BufReader::new(&self.stream).lines();
        loop {
            let line = answers.next().ok_or("the machine hung up")?;
            let line = line.map_err(|cause| format!("no answer within {limit:?}: {cause}"))?;
            // The answer to an earlier question came too late for it.
            if let Some(answer) = line.strip_prefix(&format!("{number} ")) {
                return read(answer).ok_or_else(|| format!("not an answer: {line}").into());
            }
        }
    }
}

/// `<exit code> <base64>- <base64>-`
fn read(answer: &str) -> Option<Said> {
    let (code, said) = answer.split_once(' ')?;
    let (out, err) = said.split_once(' ')?;
    let text = |word: &str| {
        let bytes = BASE64_STANDARD.decode(word.strip_suffix('-')?).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    Some(Said {
        code: code.parse().ok()?,
        out: text(out)?,
        err: text(err)?,
    })
}
