//! rpm's half: its database may be torn, and of each package it knows only
//! that it is listed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{empty, torn};
use crate::node::bundles::RoleBundle;
use crate::node::durable;
use crate::node::host::Host;
use crate::node::installing::Mark;
use crate::node::packages::{LONG, PackageManager};
use crate::node::records::{self, database};
use crate::node::stop::Stop;
use crate::node::system::Call;

/// Mends what can be, and says what it did.
pub(super) fn mend(host: &Host, bundles: &[RoleBundle], mark: &Mark) -> Result<Vec<String>, Stop> {
    let mut done = records(host)?;
    done.extend(empty(host, &mark.empty, &listed(host)?)?);
    done.extend(configuration(host, bundles, mark)?);
    // yum reads its index again; what it made of the last reading may be torn.
    durable::remove_tree(&host.state("yum/cache"))?;
    Ok(done)
}

/// rpm's database, as it is or as it was before.
fn records(host: &Host) -> Result<Vec<String>, Stop> {
    if database::is_sound(host) {
        return Ok(Vec::new());
    }
    let mut done = Vec::new();
    // What programs of the last boot shared in memory and left there, locks
    // and all (Berkeley DB, EL 7 and 8); nothing is lost with it.
    if database::forget_sharers(host)? {
        done.push("the shared memory of rpm's database was stale: removed".to_owned());
        if database::is_sound(host) {
            return Ok(done);
        }
    }
    // A rebuild takes what it can still read and says nothing of the rest, so
    // the copy comes first.
    if database::restore(host)? {
        done.push("rpm's database could not be read: the one from before is back".to_owned());
    } else {
        host.system.run(&database::rebuild_call(host))?;
        done.push("rpm's database could not be read: made again of what is left of it".to_owned());
    }
    if database::is_sound(host) {
        return Ok(done);
    }
    Err(Stop::World(
        "rpm's database cannot be read since the power was cut, and there is no good copy of it: bring back a copy of /var/lib/rpm, or make this host anew".to_owned(),
    ))
}

/// Every path that a package is known by.
fn listed(host: &Host) -> Result<BTreeSet<PathBuf>, Stop> {
    let listed = records::rpm(host, ["--query", "--all", "--list"]);
    let said = host.system.run(&listed)?.output;
    let paths = said.lines().filter(|line| line.starts_with('/'));
    Ok(paths.map(|line| host.path(line)).collect())
}

/// Takes away configuration files that end too early, of packages that are
/// going to be installed again.
fn configuration(host: &Host, bundles: &[RoleBundle], mark: &Mark) -> Result<Vec<String>, Stop> {
    let unpacked = host.state("yum/unpacked");
    let mut done = Vec::new();
    for (entry, file) in PackageManager::Rpm.files(host, bundles)? {
        if mark.had.get(&entry.name) == Some(&entry.version) {
            continue;
        }
        let names = configuration_files(host, &file)?;
        if !names.is_empty() {
            durable::remove_tree(&unpacked)?;
            host.system.run(&unpack_call(&file, &unpacked))?;
            done.extend(torn(host, &names, &unpacked)?);
        }
    }
    durable::remove_tree(&unpacked)?;
    Ok(done)
}

/// The configuration files that a package names.
fn configuration_files(host: &Host, package: &Path) -> Result<Vec<String>, Stop> {
    let package = package.display().to_string();
    let words = ["--nosignature", "--nodigest", "--query", "--package"];
    let call = Call::new("rpm", words.iter().chain(&["--configfiles", &package]));
    let said = host.system.run(&call.with("LC_ALL", "C"))?.output;
    let paths = said.lines().filter(|line| line.starts_with('/'));
    Ok(paths.map(str::to_owned).collect())
}

/// Into a root of its own without a script: not every host can read rpm2cpio(8)'s output.
fn unpack_call(package: &Path, to: &Path) -> Call {
    let (root, package) = (
        format!("--root={}", to.display()),
        package.display().to_string(),
    );
    let words = [
        &root,
        "--install",
        "--nodeps",
        "--noscripts",
        "--ignorearch",
        "--ignoreos",
        "--nosignature",
        &package,
    ];
    Call::new("rpm", words).with("LC_ALL", "C").within(LONG)
}
