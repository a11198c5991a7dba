//! Keeping units from starting: masks, and a policy-rc.d of our own.
//!
//! A mask is a symlink to /dev/null in /etc/systemd/system (systemd.unit(5)).
//! policy-rc.d exiting 101 forbids invoke-rc.d every action while packages are
//! installed; ours carries a marker line, so that only ours is ever removed.

use std::fs;
use std::path::{Path, PathBuf};

use super::durable::{self, Rights};
use super::host::{Host, read_if_there};
use super::stop::Stop;

const MASK: &str = "/dev/null";
const POLICY: &str = "/usr/sbin/policy-rc.d";
const ASIDE: &str = "/usr/sbin/policy-rc.d.before-pgbundle";
const MARKER: &str = "# made by pgbundle-node while it installs packages; removed by it";

/// Where the administrator's unit files lie.
pub fn path(host: &Host, unit: &str) -> PathBuf {
    host.path("/etc/systemd/system").join(unit)
}

/// Whether the unit is masked.
pub fn is_masked(host: &Host, unit: &str) -> bool {
    fs::read_link(path(host, unit)).is_ok_and(|target| target == Path::new(MASK))
}

/// Masks a unit unless a unit file of ours has its name already.
pub fn mask(host: &Host, unit: &str) -> Result<(), Stop> {
    let path = path(host, unit);
    if is_masked(host, unit) || path.is_file() {
        return Ok(());
    }
    Ok(durable::link(&path, Path::new(MASK))?)
}

/// Takes a mask away; anything else of that name stays.
pub fn unmask(host: &Host, unit: &str) -> Result<(), Stop> {
    if is_masked(host, unit) {
        durable::remove(&path(host, unit))?;
    }
    Ok(())
}

fn is_ours(path: &Path) -> Result<bool, Stop> {
    let text = read_if_there(path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).contains(MARKER))
}

/// Forbids packages to start anything; the host's own policy is put aside.
pub fn forbid_starts(host: &Host) -> Result<(), Stop> {
    let policy = host.path(POLICY);
    if is_ours(&policy)? {
        return Ok(());
    }
    if policy.exists() {
        durable::rename(&policy, &host.path(ASIDE))?;
    }
    let script = format!("#!/bin/sh\n{MARKER}\nexit 101\n");
    Ok(durable::write(
        &policy,
        script.as_bytes(),
        Rights::own(0o755),
    )?)
}

/// Takes our policy away and gives the host its own back.
pub fn allow_starts(host: &Host) -> Result<(), Stop> {
    let (policy, aside) = (host.path(POLICY), host.path(ASIDE));
    if is_ours(&policy)? {
        durable::remove(&policy)?;
    }
    if aside.exists() && !policy.exists() {
        durable::rename(&aside, &policy)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn the_hosts_own_policy_comes_back_also_after_a_cut() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let policy = host.path(POLICY);
        durable::write(&policy, b"#!/bin/sh\nexit 0\n", Rights::own(0o755)).unwrap();
        forbid_starts(&host).unwrap();
        forbid_starts(&host).unwrap();
        assert!(is_ours(&policy).unwrap());
        // Cut between the two renames of `allow_starts`, then again.
        durable::remove(&policy).unwrap();
        allow_starts(&host).unwrap();
        allow_starts(&host).unwrap();
        assert_eq!(fs::read(&policy).unwrap(), b"#!/bin/sh\nexit 0\n");
    }

    #[test]
    fn masks_and_unmasks_but_never_a_unit_file() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        mask(&host, "etcd.service").unwrap();
        assert!(is_masked(&host, "etcd.service"));
        unmask(&host, "etcd.service").unwrap();
        durable::write(
            &path(&host, "etcd.service"),
            b"[Unit]\n",
            Rights::own(0o644),
        )
        .unwrap();
        mask(&host, "etcd.service").unwrap();
        unmask(&host, "etcd.service").unwrap();
        assert!(path(&host, "etcd.service").is_file());
    }
}
