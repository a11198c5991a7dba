//! dpkg and apt.
//!
//! `[trusted=yes]` is right here and nowhere else: the index has no signature
//! because each file's digest was checked against a signed manifest before.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Flushing, LONG, Transaction, entries, tail};
use crate::bundle::manifest::PackageEntry;
use crate::node::bundles::RoleBundle;
use crate::node::durable::{self, Rights};
use crate::node::host::{Host, read_if_there};
use crate::node::repository::flat;
use crate::node::stop::Stop;
use crate::node::system::{Answer, Call};

/// The call that installs `names`.
pub(super) fn install_call(host: &Host, names: &[String], flushing: Flushing) -> Call {
    let mut arguments = options(host);
    if flushing == Flushing::AtTheEnd {
        arguments.extend(dpkg_option("--force-unsafe-io"));
    }
    // Fixing what a cut left may add packages of ours, but never take one away.
    arguments.extend(["--yes", "--fix-broken", "--no-remove", "install"].map(str::to_owned));
    arguments.extend(names.iter().cloned());
    let call = quiet(Call::new("apt-get", arguments));
    match flushing {
        Flushing::Each => call,
        // What is new does not run yet. Each of its scripts has systemd reload all
        // units; that is done once for all of them, before anything is started.
        Flushing::AtTheEnd => call.with("SYSTEMD_OFFLINE", "1"),
    }
}

/// The call that unpacks package files whatever dpkg has of them. apt is not
/// asked: what is half configured it does not install again ("No file name for").
pub(super) fn again_call(host: &Host, files: &[PathBuf], flushing: Flushing) -> Call {
    let mut arguments = root_option(host);
    // All of them were installed together before, in an order that apt made;
    // what they need of one another is there when they are configured.
    arguments.push("--force-depends".to_owned());
    if flushing == Flushing::AtTheEnd {
        arguments.push("--force-unsafe-io".to_owned());
    }
    arguments.push("--unpack".to_owned());
    arguments.extend(files.iter().map(|file| file.display().to_string()));
    quiet(Call::new("dpkg", arguments))
}

/// The call that merges the changes to dpkg's list that a cut left beside
/// it; without that apt does nothing. It asks for no other change.
pub(super) fn merge_call(host: &Host) -> Call {
    let admin = format!("--admindir={}", host.path("/var/lib/dpkg").display());
    quiet(Call::new("dpkg", [admin.as_str(), "--set-selections"]))
}

fn simulate_call(host: &Host, names: &[String]) -> Call {
    let mut arguments = options(host);
    arguments.extend(["--simulate", "install"].map(str::to_owned));
    arguments.extend(names.iter().cloned());
    quiet(Call::new("apt-get", arguments))
}

/// The call that reads our index.
pub(super) fn read_index_call(host: &Host) -> Call {
    let mut arguments = options(host);
    arguments.push("update".to_owned());
    quiet(Call::new("apt-get", arguments))
}

/// The call that finishes what a power cut interrupted.
pub(super) fn repair_call(host: &Host) -> Call {
    let mut arguments = root_option(host);
    // A configuration file that is missing since a cut comes back.
    let words = ["--force-confold", "--force-confmiss", "--configure", "-a"];
    arguments.extend(words.map(str::to_owned));
    quiet(Call::new("dpkg", arguments)).with("UCF_FORCE_CONFFMISS", "1")
}

/// Makes the folders that apt keeps its state in for us.
pub(super) fn make_folders(host: &Host) -> Result<(), Stop> {
    for folder in ["apt/lists/partial", "apt/cache/archives/partial"] {
        durable::folder(&host.state(folder), Rights::own(0o755))?;
    }
    Ok(())
}

/// The call that removes packages, with their configuration where `purge` says so.
pub(super) fn remove_call(host: &Host, names: &BTreeSet<String>, purge: bool) -> Call {
    removal(
        host,
        &["--yes", if purge { "purge" } else { "remove" }],
        names,
    )
}

fn removal(host: &Host, words: &[&str], names: &BTreeSet<String>) -> Call {
    let mut arguments = options(host);
    // What came with a package of ours and is not ours stays.
    arguments.extend(["-o", "APT::Get::AutomaticRemove=false"].map(str::to_owned));
    arguments.extend(words.iter().map(|&word| word.to_owned()));
    arguments.extend(names.iter().cloned());
    quiet(Call::new("apt-get", arguments))
}

/// What else would change if these packages went.
pub(super) fn changed_with(
    host: &Host,
    names: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Stop> {
    let call = removal(host, &["--simulate", "purge"], names);
    let simulated = transaction(&host.system.run(&call)?);
    let all = simulated.installs.into_iter().chain(simulated.removals);
    Ok(all.filter(|name| !names.contains(name)).collect())
}

/// Packages of which anything is on the host, their configuration alone included.
pub(super) fn there(host: &Host) -> Result<BTreeSet<String>, Stop> {
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next()?.chars().nth(1)? != 'n').then_some(())?;
        words.next().map(str::to_owned)
    };
    Ok(status(host)?.lines().filter_map(parse).collect())
}

/// What a package does when it is purged.
pub(super) fn last_script(host: &Host, name: &str) -> Result<String, Stop> {
    let path = host.path(&format!("/var/lib/dpkg/info/{name}.postrm"));
    let script = read_if_there(&path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Writes our sources file and has the index read.
pub(super) fn read_index(host: &Host) -> Result<(), Stop> {
    make_folders(host)?;
    let line = format!(
        "deb [trusted=yes] file:{} ./\n",
        flat::folder(host).display()
    );
    durable::write(
        &host.state("apt/sources.list"),
        line.as_bytes(),
        Rights::own(0o644),
    )?;
    host.system.run(&read_index_call(host))?;
    Ok(())
}

/// Simulates the whole transaction; an error holds the manager's own words.
pub(super) fn simulate(host: &Host, names: &[String]) -> Result<Result<Transaction, String>, Stop> {
    let answer = host.system.ask(&simulate_call(host, names))?;
    Ok(if answer.succeeded() {
        Ok(transaction(&answer))
    } else {
        // apt names the unmet dependencies on its output, the rest among its errors.
        Err(format!(
            "{}\n{}",
            tail(&answer.output),
            tail(&answer.errors)
        ))
    })
}

pub(super) fn is_newer(host: &Host, have: &str, locked: &str) -> Result<bool, Stop> {
    let arguments = ["--compare-versions", have, "gt", locked];
    Ok(host.system.ask(&Call::new("dpkg", arguments))?.succeeded())
}

/// Names and versions of what is installed and configured.
pub(super) fn installed(host: &Host) -> Result<Vec<(String, String)>, Stop> {
    Ok(whole(&status(host)?))
}

/// Packages that a cut left between unpacked and configured.
pub(super) fn unfinished(host: &Host) -> Result<Vec<String>, Stop> {
    Ok(halves(&status(host)?))
}

/// A line a package: what is wanted and what it is (`ii`, `iU`, `rc`), name, version.
fn status(host: &Host) -> Result<String, Stop> {
    let admin = format!("--admindir={}", host.path("/var/lib/dpkg").display());
    let format = "-f=${db:Status-Abbrev} ${Package} ${Version}\\n";
    let call = Call::new("dpkg-query", [admin.as_str(), "-W", format]);
    Ok(host.system.run(&call)?.output)
}

/// Whether installing may replace anything. Our repository is the only source,
/// so it does where the host has a package of the bundles in another version.
pub(super) fn may_replace(host: &Host, bundles: &[RoleBundle]) -> Result<bool, Stop> {
    let had = present(&status(host)?);
    let is_other = |entry: &PackageEntry| {
        had.iter()
            .any(|(name, version)| *name == entry.name && *version != entry.version)
    };
    Ok(entries(bundles).into_iter().any(is_other))
}

/// Names and versions of what has files on the host, whole or not.
fn present(status: &str) -> Vec<(String, String)> {
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let state = words.next()?.chars().nth(1)?;
        (!"nc".contains(state)).then_some(())?;
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    status.lines().filter_map(parse).collect()
}

fn whole(status: &str) -> Vec<(String, String)> {
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        // A package on hold (`hi`) is installed as well.
        words.next()?.ends_with('i').then_some(())?;
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    status.lines().filter_map(parse).collect()
}

/// The second letter is neither `i`nstalled, `n`ot installed nor `c`onfiguration alone.
fn halves(status: &str) -> Vec<String> {
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let state = words.next()?.chars().nth(1)?;
        (!"inc".contains(state)).then_some(())?;
        Some(words.next()?.to_owned())
    };
    status.lines().filter_map(parse).collect()
}

/// The package files of the repository.
pub(super) fn files<'b>(
    host: &Host,
    bundles: &'b [RoleBundle],
) -> Result<Vec<(&'b PackageEntry, PathBuf)>, Stop> {
    let mut files = flat::files(host)?;
    let file = |entry: &'b PackageEntry| Some((entry, files.remove(&entry.name)?));
    Ok(entries(bundles).into_iter().filter_map(file).collect())
}

/// KiB that the packages take once installed.
pub(super) fn installed_kib(bundles: &[RoleBundle]) -> Result<u64, Stop> {
    Ok(flat::installed_kib(&flat::index(bundles)?))
}

fn options(host: &Host) -> Vec<String> {
    let state = |relative: &str| host.state(relative).display().to_string();
    let settings = [
        format!("Dir::Etc::sourcelist={}", state("apt/sources.list")),
        "Dir::Etc::sourceparts=/dev/null".to_owned(),
        "Dir::Etc::preferences=/dev/null".to_owned(),
        "Dir::Etc::preferencesparts=/dev/null".to_owned(),
        format!("Dir::State::lists={}", state("apt/lists")),
        format!("Dir::Cache={}", state("apt/cache")),
        "Acquire::Languages=none".to_owned(),
        // Our folders need not be readable by apt's own user.
        "APT::Sandbox::User=root".to_owned(),
        "APT::Get::AllowUnauthenticated=false".to_owned(),
        "Dpkg::Options::=--force-confold".to_owned(),
        "DPkg::Lock::Timeout=600".to_owned(),
        "APT::Install-Recommends=false".to_owned(),
        "APT::Install-Suggests=false".to_owned(),
        "Dpkg::Use-Pty=0".to_owned(),
    ];
    let mut options = vec!["--quiet".to_owned()];
    if host.root.as_os_str() != "/" {
        options.extend(["-o".to_owned(), format!("RootDir={}", host.root.display())]);
    }
    settings
        .into_iter()
        .for_each(|setting| options.extend(["-o".to_owned(), setting]));
    options
}

/// What makes dpkg work on another root than its own.
fn root_option(host: &Host) -> Vec<String> {
    if host.root.as_os_str() == "/" {
        return Vec::new();
    }
    vec![format!("--root={}", host.root.display())]
}

/// An option that apt hands on to dpkg.
fn dpkg_option(option: &str) -> [String; 2] {
    ["-o".to_owned(), format!("Dpkg::Options::={option}")]
}

fn quiet(call: Call) -> Call {
    call.with("DEBIAN_FRONTEND", "noninteractive")
        .with("NEEDRESTART_SUSPEND", "1")
        .with("LC_ALL", "C")
        .within(LONG)
}

/// Reads apt's simulation: `Inst name [old] (new …)`, `Remv name [old]`.
fn transaction(answer: &Answer) -> Transaction {
    let mut transaction = Transaction::default();
    let mut in_downgrades = false;
    for line in answer.output.lines() {
        let mut words = line.split_whitespace();
        in_downgrades =
            line.contains("will be DOWNGRADED") || (in_downgrades && line.starts_with(' '));
        match words.next() {
            Some("Inst") => {
                let name = words.next().map(str::to_owned);
                let is_there = words.next().is_some_and(|word| word.starts_with('['));
                transaction
                    .upgrades
                    .extend(name.clone().filter(|_| is_there));
                transaction.installs.extend(name);
            }
            Some("Remv" | "Purg") => transaction.removals.extend(words.next().map(str::to_owned)),
            Some(_) if in_downgrades && line.starts_with(' ') => {
                transaction
                    .downgrades
                    .extend(line.split_whitespace().map(str::to_owned));
            }
            _ => {}
        }
    }
    transaction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_simulation() {
        let output = "Reading package lists...\nThe following packages will be DOWNGRADED:\n  libc6\n\
            0 upgraded, 1 newly installed\nInst libc6 [2.37] (2.36 x [amd64])\nInst new (1 x [amd64])\nRemv old [1]\nConf libc6 (2.36 x)\n";
        let answer = Answer {
            status: Some(0),
            output: output.to_owned(),
            errors: String::new(),
        };
        let expected = Transaction {
            installs: vec!["libc6".to_owned(), "new".to_owned()],
            upgrades: vec!["libc6".to_owned()],
            removals: vec!["old".to_owned()],
            downgrades: vec!["libc6".to_owned()],
        };
        assert_eq!(transaction(&answer), expected);
    }

    #[test]
    fn tells_whole_packages_from_halves() {
        let status = "ii  a 1\nhi  b 2\niU  c 3\niHR d 4\nrc  e 5\nit  f 6\n";
        let names: Vec<_> = whole(status).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(halves(status), ["c", "d", "f"]);
        let names: Vec<_> = present(status).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "c", "d", "f"]);
    }
}
