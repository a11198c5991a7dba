//! The package manager's own records, which must be readable before anything
//! can be installed again, and their copy from before.

pub mod database;

use super::durable::{self, Rights};
use super::host::{Host, read_if_there};
use super::packages::{self, PackageManager};
use super::stop::Stop;
use super::system::Call;

/// dpkg's list of packages.
pub const STATUS: &str = "/var/lib/dpkg/status";
/// Its copy from before, below `/var/lib/pgbundle`.
pub const STATUS_BEFORE: &str = "dpkg-status-before";

/// Keeps a copy for the day on which the manager's own are unreadable.
pub fn keep(host: &Host, manager: PackageManager) -> Result<(), Stop> {
    match manager {
        PackageManager::Apt => match read_if_there(&host.path(STATUS))? {
            Some(status) => Ok(durable::write(
                &host.state(STATUS_BEFORE),
                &status,
                Rights::own(0o644),
            )?),
            None => Ok(()),
        },
        PackageManager::Rpm => database::keep(host),
    }
}

/// Removes the copy.
pub fn forget(host: &Host) -> Result<(), Stop> {
    durable::remove(&host.state(STATUS_BEFORE))?;
    database::forget(host)
}

/// A call of rpm for the host's root.
pub(super) fn rpm<const N: usize>(host: &Host, words: [&str; N]) -> Call {
    let mut arguments = packages::rpm_root(host);
    arguments.extend(words.map(str::to_owned));
    Call::new("rpm", arguments)
        .with("LC_ALL", "C")
        .within(packages::LONG)
}
