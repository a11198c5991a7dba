//! The host as the steps see it: a root folder and a way to run programs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;

use super::stop::Stop;
use super::system::{Call, System};
use crate::base::Epoch;

/// Where this program keeps what it must remember.
pub const STATE: &str = "/var/lib/pgbundle";

/// A host, or what stands for one in a test or an image.
pub struct Host<'a> {
    /// Its root folder: `/` on a running host.
    pub root: PathBuf,
    /// Its programs.
    pub system: &'a dyn System,
}

impl Host<'_> {
    /// An absolute path of the host below its root.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// A path below `/var/lib/pgbundle`.
    pub fn state(&self, relative: &str) -> PathBuf {
        self.path(STATE).join(relative)
    }

    /// The host's clock.
    pub fn now(&self) -> Epoch {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(0);
        Epoch::from_seconds(seconds)
            .unwrap_or_else(|_| Epoch::from_seconds(0).expect("1970 is a time"))
    }

    /// A time on the clock that the host's people read: local where the host
    /// says how, else UTC.
    pub fn local(&self, time: Epoch) -> String {
        let at = format!("--date=@{}", time.seconds());
        let call = Call::new("date", [at.as_str(), "+%F %T %Z"]);
        let told = self.system.run(&call).map(|answer| answer.output);
        let told = told.unwrap_or_default().trim().to_owned();
        if told.is_empty() {
            time.to_string()
        } else {
            told
        }
    }

    /// Whole seconds from `time` until now.
    pub fn seconds_since(&self, time: Epoch) -> u64 {
        u64::try_from(self.now().seconds() - time.seconds()).unwrap_or(0)
    }
}

/// Reads a file that may be absent.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Stop> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(Stop::World(format!(
            "cannot read `{}`: {fault}",
            path.display()
        ))),
    }
}

/// Reads a JSON file that may be absent.
///
/// The fault names the line and column, never the content: it may be secret.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Stop> {
    let Some(bytes) = read_if_there(path)? else {
        return Ok(None);
    };
    parse_json(path, &bytes).map(Some)
}

/// Parses the content of a JSON file, as [`read_json`] does.
pub fn parse_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Stop> {
    serde_json::from_slice(bytes).map_err(|fault| {
        let (line, column) = (fault.line(), fault.column());
        Stop::Input(format!(
            "`{}` cannot be read: fault at line {line}, column {column}; if it came with the seed, attach that again",
            path.display()
        ))
    })
}

/// Reads a JSON file that must be there.
pub fn require_json<T: DeserializeOwned>(path: &Path) -> Result<T, Stop> {
    read_json(path)?.ok_or_else(|| Stop::Input(format!("`{}` is missing", path.display())))
}
