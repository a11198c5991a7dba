//! rpm's database: Berkeley DB on EL 7 and 8, SQLite on EL 9.
//!
//! rpm does not flush it while it installs, and Berkeley DB has no log that a
//! cut could be mended from. A folder of plain files in either case: a copy
//! that was made while nothing was being installed is as good as the original.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::atomic::flush_file_system;
use crate::node::durable;
use crate::node::host::Host;
use crate::node::mending::entries;
use crate::node::packages::{self, LONG, PackageManager};
use crate::node::stop::Stop;
use crate::node::system::Call;

/// Where the copy lies, below `/var/lib/pgbundle`.
const BEFORE: &str = "rpmdb-before";

/// A database that is whole answers in seconds; one with stale locks never does.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where rpm has its database.
fn folder(host: &Host) -> Result<PathBuf, Stop> {
    let said = host
        .system
        .run(&Call::new("rpm", ["--eval", "%{_dbpath}"]))?;
    Ok(host.path(said.output.trim()))
}

/// Whether it is whole as far as rpm can tell, and not empty.
pub fn is_sound(host: &Host) -> bool {
    let mut words = packages::rpm_root(host);
    words.push("--verifydb".to_owned());
    let verify = Call::new("rpmdb", words).within(PATIENCE);
    host.system.run(&verify).is_ok()
        && PackageManager::Rpm
            .installed(host)
            .is_ok_and(|installed| !installed.is_empty())
}

/// Makes the copy.
pub fn keep(host: &Host) -> Result<(), Stop> {
    let (kept, new) = (host.state(BEFORE), host.state("rpmdb-before.new"));
    durable::remove_tree(&new)?;
    durable::folder(&new, durable::Rights::own(0o700))?;
    copy(&folder(host)?, &new)?;
    flush_file_system(&new)?;
    durable::remove_tree(&kept)?;
    Ok(durable::rename(&new, &kept)?)
}

/// Removes the copy.
pub fn forget(host: &Host) -> Result<(), Stop> {
    Ok(durable::remove_tree(&host.state(BEFORE))?)
}

/// Brings the copy back; false where there is none.
pub fn restore(host: &Host) -> Result<bool, Stop> {
    let (kept, folder) = (host.state(BEFORE), folder(host)?);
    if !kept.is_dir() {
        return Ok(false);
    }
    // What is beside the copied files belongs to what is lost: journals, shared memory.
    for file in entries(&folder)?.iter().filter(|path| path.is_file()) {
        durable::remove(file)?;
    }
    copy(&kept, &folder)?;
    flush_file_system(&folder)?;
    Ok(true)
}

/// Removes what programs share of it in memory; false where there was nothing.
pub fn forget_sharers(host: &Host) -> Result<bool, Stop> {
    let files = entries(&folder(host)?)?.into_iter();
    let shared: Vec<_> = files.filter(|path| is_shared(path)).collect();
    for file in &shared {
        durable::remove(file)?;
    }
    Ok(!shared.is_empty())
}

/// The call that makes it again of what can be read of it.
pub fn rebuild_call(host: &Host) -> Call {
    let mut words = packages::rpm_root(host);
    words.push("--rebuilddb".to_owned());
    Call::new("rpmdb", words).within(LONG)
}

/// Berkeley DB's environment (`__db.001`).
fn is_shared(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("__db.")
}

fn copy(from: &Path, to: &Path) -> Result<(), Stop> {
    for file in entries(from)? {
        let Some(name) = file.file_name().filter(|_| file.is_file()) else {
            continue;
        };
        if !is_shared(&file) {
            let told = |fault: io::Error| {
                Stop::World(format!("cannot copy `{}`: {fault}", file.display()))
            };
            fs::copy(&file, to.join(name)).map_err(told)?;
        }
    }
    Ok(())
}
