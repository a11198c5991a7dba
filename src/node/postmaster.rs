//! Whether a PostgreSQL runs in a data folder: it may outlive Patroni, whose
//! unit ends Patroni alone.
//!
//! The first line of `postmaster.pid` is a process id (PostgreSQL manual, 73.1). After a
//! power cut that id may be any other program's; a postmaster is told by where
//! it stands: it changes into its data folder at its start.

use std::fs;
use std::path::{Path, PathBuf};

use super::durable;
use super::stop::Stop;

/// The id of the process that serves `folder`; none where there is none.
pub fn of(folder: &Path) -> Result<Option<u32>, Stop> {
    let Some(text) = durable::read(&folder.join("postmaster.pid"))? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&text);
    // A postmaster that does not know its folder (`postgres --single`) writes it negative.
    let id = text.lines().next().unwrap_or_default();
    let Ok(id) = id.trim().trim_start_matches('-').parse::<u32>() else {
        return Ok(None);
    };
    Ok(stands_in(id, folder)?.then_some(id))
}

fn stands_in(id: u32, folder: &Path) -> Result<bool, Stop> {
    let process = PathBuf::from(format!("/proc/{id}/cwd"));
    // Another user's process does not tell, and a postmaster is the folder's owner.
    let Ok(stands) = fs::read_link(process) else {
        return Ok(false);
    };
    let folder = fs::canonicalize(folder)
        .map_err(|fault| Stop::World(format!("cannot look up `{}`: {fault}", folder.display())))?;
    Ok(stands == folder)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_in_the_folder_counts_and_a_reused_number_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let left = |id: u32| {
            let text = format!("{id}\n{}\n", folder.path().display());
            fs::write(folder.path().join("postmaster.pid"), text).unwrap();
        };
        assert_eq!(of(folder.path()).unwrap(), None);
        left(std::process::id());
        assert_eq!(of(folder.path()).unwrap(), None);
        let mut serving = Command::new("sleep")
            .arg("60")
            .current_dir(folder.path())
            .spawn()
            .unwrap();
        left(serving.id());
        assert_eq!(of(folder.path()).unwrap(), Some(serving.id()));
        serving.kill().unwrap();
        serving.wait().unwrap();
        assert_eq!(of(folder.path()).unwrap(), None);
    }
}
