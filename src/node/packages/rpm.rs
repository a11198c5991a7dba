//! rpm, and yum, which on EL 7 is yum 3.4 and from EL 8 on dnf by its old name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Flushing, LONG, Transaction, entries, tail};
use crate::base::evr::Evr;
use crate::bundle::manifest::PackageEntry;
use crate::node::bundles::RoleBundle;
use crate::node::durable::{self, Rights};
use crate::node::host::Host;
use crate::node::repository::yum;
use crate::node::stop::Stop;
use crate::node::system::{Answer, Call};

/// rpm's own settings while what it replaces is flushed file by file: a home
/// with macros. rpm before 4.14 does not know this one and passes it over.
const FLUSHING: &str = "yum/flushing";
const MACROS: &str = "%_flush_io 1\n";

/// The call that installs `names`.
pub(super) fn install_call(host: &Host, names: &[String], flushing: Flushing) -> Call {
    let words = ["--assumeyes", "install"];
    flushed(yum_call(host, words, names), host, flushing)
}

/// The call that installs package files whatever rpm has of them, scripts and
/// all: rpm lists a package before its scripts ran.
pub(super) fn again_call(host: &Host, files: &[PathBuf], flushing: Flushing) -> Call {
    let mut arguments = root_option(host);
    // All of them were on their way together, in an order that rpm made; it makes
    // the same again. An older version that a cut left beside the new one goes.
    let words = [
        "--upgrade",
        "--replacepkgs",
        "--replacefiles",
        "--oldpackage",
        "--nodeps",
    ];
    arguments.extend(words.map(str::to_owned));
    arguments.extend(files.iter().map(|file| file.display().to_string()));
    flushed(quiet(Call::new("rpm", arguments)), host, flushing)
}

fn flushed(call: Call, host: &Host, flushing: Flushing) -> Call {
    match flushing {
        Flushing::Each => call.with("HOME", &host.state(FLUSHING).display().to_string()),
        // What is new does not run yet; units are reloaded once for all of them.
        Flushing::AtTheEnd => call.with("SYSTEMD_OFFLINE", "1"),
    }
}

/// The call that reads the bundles' indexes.
pub(super) fn read_index_call(host: &Host) -> Call {
    yum_call(host, ["makecache"], &[])
}

/// Forgets what was read of other bundles, and has the indexes read.
pub(super) fn read_index(host: &Host) -> Result<(), Stop> {
    let macros = host.state(FLUSHING).join(".rpmmacros");
    durable::write(&macros, MACROS.as_bytes(), Rights::own(0o644))?;
    durable::remove_tree(&host.state("yum/cache"))?;
    host.system.run(&read_index_call(host))?;
    Ok(())
}

/// Simulates the whole transaction; an error holds yum's own words.
pub(super) fn simulate(host: &Host, names: &[String]) -> Result<Result<Transaction, String>, Stop> {
    let answer = host
        .system
        .ask(&yum_call(host, ["--assumeno", "install"], names))?;
    // Both exit with 1 where they were told not to go on, as where they cannot.
    let has_a_plan = answer.output.contains("\nTransaction Summary\n");
    Ok(if answer.succeeded() || has_a_plan {
        Ok(transaction(&answer))
    } else {
        // yum says what it tried on its output, the rest among its errors.
        Err(format!(
            "{}\n{}",
            tail(&answer.output),
            tail(&answer.errors)
        ))
    })
}

pub(super) fn is_newer(have: &str, locked: &str) -> Result<bool, Stop> {
    let read = |text| Evr::parse(text).map_err(|fault| Stop::World(fault.to_string()));
    Ok(read(have)? > read(locked)?)
}

/// Names and versions of what is installed.
pub(super) fn installed(host: &Host) -> Result<Vec<(String, String)>, Stop> {
    let listed = listed(host)?;
    Ok(listed
        .into_iter()
        .map(|(name, _, version)| (name, version))
        .collect())
}

/// Packages of the bundles of which two versions are there: the new one is
/// listed before the old one goes.
pub(super) fn unfinished(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
    let mut counts = BTreeMap::new();
    for (name, architecture, _) in listed(host)? {
        *counts.entry((name, architecture)).or_insert(0) += 1;
    }
    let is_doubled = |entry: &&PackageEntry| {
        let key = (entry.name.clone(), entry.architecture.clone());
        counts.get(&key).is_some_and(|count| *count > 1)
    };
    let entries = entries(bundles).into_iter().filter(is_doubled);
    Ok(entries.map(|entry| entry.name.clone()).collect())
}

/// Name, architecture and version of each installed package.
fn listed(host: &Host) -> Result<Vec<(String, String, String)>, Stop> {
    let mut arguments = root_option(host);
    let format = "%{NAME} %{ARCH} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\\n";
    arguments.extend(["--query", "--all", "--queryformat", format].map(str::to_owned));
    let answer = host.system.run(&quiet(Call::new("rpm", arguments)))?;
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, architecture, version) = (words.next()?, words.next()?, words.next()?);
        // Keys that were imported are listed among the packages.
        (name != "gpg-pubkey").then_some(())?;
        // Manifests leave out an epoch of 0.
        let version = version.strip_prefix("0:").unwrap_or(version);
        Some((name.to_owned(), architecture.to_owned(), version.to_owned()))
    };
    Ok(answer.output.lines().filter_map(parse).collect())
}

/// The package files of the bundles.
pub(super) fn files<'b>(bundles: &'b [RoleBundle]) -> Vec<(&'b PackageEntry, PathBuf)> {
    let mut places = BTreeMap::new();
    for bundle in bundles {
        let packages = &bundle.manifest.packages.files;
        for file in packages
            .iter()
            .filter(|file| file.path.as_str().ends_with(".rpm"))
        {
            places.insert(file.sha256, file.path.under(&bundle.folder));
        }
    }
    let place = |entry: &'b PackageEntry| Some((entry, places.get(&entry.sha256)?.clone()));
    entries(bundles).into_iter().filter_map(place).collect()
}

/// KiB that the packages take once installed, as they say themselves.
pub(super) fn installed_kib(host: &Host, bundles: &[RoleBundle]) -> Result<u64, Stop> {
    let format = "%{LONGSIZE}\\n";
    let words = ["--nosignature", "--nodigest", "--query", "--package"];
    let mut arguments: Vec<String> = words.map(str::to_owned).to_vec();
    arguments.extend(["--queryformat".to_owned(), format.to_owned()]);
    let files = files(bundles).into_iter();
    arguments.extend(files.map(|(_, file)| file.display().to_string()));
    let answer = host.system.run(&quiet(Call::new("rpm", arguments)))?;
    let sizes = answer
        .output
        .lines()
        .filter_map(|size| size.parse::<u64>().ok());
    Ok(sizes.sum::<u64>() / 1024)
}

/// The call that removes packages: just these, whatever yum would make of it.
pub(super) fn remove_call(host: &Host, names: &BTreeSet<String>) -> Call {
    erasure(host, &[], names)
}

fn erasure(host: &Host, words: &[&str], names: &BTreeSet<String>) -> Call {
    let mut arguments = root_option(host);
    arguments.push("--erase".to_owned());
    arguments.extend(words.iter().map(|&word| word.to_owned()));
    arguments.extend(names.iter().cloned());
    quiet(Call::new("rpm", arguments))
}

/// What else would have to go if these packages went: `… is needed by (installed)
/// name-version-release.architecture`.
pub(super) fn changed_with(
    host: &Host,
    names: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Stop> {
    let call = erasure(host, &["--test"], names);
    let answer = host.system.ask(&call)?;
    if answer.succeeded() {
        return Ok(BTreeSet::new());
    }
    let needing = |line: &str| {
        let (_, package) = line.split_once(" is needed by (installed) ")?;
        package.trim().rsplitn(3, '-').nth(2).map(str::to_owned)
    };
    let found: BTreeSet<String> = answer.errors.lines().filter_map(needing).collect();
    if found.is_empty() {
        return Err(Stop::World(format!(
            "`{call}` failed: {}",
            answer.complaint()
        )));
    }
    Ok(found)
}

/// Packages that are on the host.
pub(super) fn there(host: &Host) -> Result<BTreeSet<String>, Stop> {
    Ok(listed(host)?.into_iter().map(|(name, _, _)| name).collect())
}

fn yum_call<const N: usize>(host: &Host, words: [&str; N], names: &[String]) -> Call {
    let configuration = host.path(yum::CONFIGURATION);
    let mut arguments = vec!["-c".to_owned(), configuration.display().to_string()];
    if host.root.as_os_str() != "/" {
        arguments.push(format!("--installroot={}", host.root.display()));
    }
    arguments.extend(words.map(str::to_owned));
    arguments.extend(names.iter().cloned());
    quiet(Call::new("yum", arguments))
}

/// What makes rpm work on another root than its own.
pub(in crate::node) fn root_option(host: &Host) -> Vec<String> {
    if host.root.as_os_str() == "/" {
        return Vec::new();
    }
    vec![format!("--root={}", host.root.display())]
}

/// Its words are read, so they are English; and it waits for its lock.
fn quiet(call: Call) -> Call {
    call.with("LC_ALL", "C").within(LONG)
}

/// Reads what yum lists before it would ask whether to go on. Each section has
/// a heading at the line's beginning (`Installing:`, `Updating for dependencies:`,
/// dnf `Upgrading:`), each package a line with one space before its name; what
/// does not fit goes on in a line with more. `replacing` follows what takes
/// another's place.
fn transaction(answer: &Answer) -> Transaction {
    let mut transaction = Transaction::default();
    let mut heading = "";
    for line in answer.output.lines() {
        let Some(rest) = line.strip_prefix(' ') else {
            heading = line.split_whitespace().next().unwrap_or_default();
            continue;
        };
        let mut words = rest.split_whitespace();
        let Some(first) = words.next().map(str::to_owned) else {
            continue;
        };
        if rest.starts_with(' ') {
            if first == "replacing" {
                let by = transaction.installs.last();
                let by = by.filter(|by| !transaction.upgrades.contains(by)).cloned();
                transaction.upgrades.extend(by);
            }
            continue;
        }
        match heading.trim_end_matches(':') {
            "Installing" => transaction.installs.push(first),
            "Updating" | "Upgrading" => {
                transaction.upgrades.push(first.clone());
                transaction.installs.push(first);
            }
            "Removing" => transaction.removals.push(first),
            "Downgrading" => transaction.downgrades.push(first),
            _ => {}
        }
    }
    transaction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::services::tests::role;
    use crate::node::system::recorded::Recorded;

    /// As yum 3.4 of CentOS 7 writes it where nobody looks on: eighty columns.
    const YUM: &str = "Resolving Dependencies
--> Running transaction check
---> Package etcd.x86_64 0:3.3.11-2.el7.centos will be installed
---> Package postgresql13-libs.x86_64 0:13.15-1PGDG.rhel7 will be updated
--> Finished Dependency Resolution

Dependencies Resolved

================================================================================
 Package          Arch   Version              Repository                   Size
================================================================================
Installing:
 etcd             x86_64 3.3.11-2.el7.centos  pgbundle-etcd                10 M
 mariadb-compat   x86_64 10.2-1               pgbundle-proxy              2.1 M
     replacing  mariadb-libs.x86_64 1:5.5.68-1.el7
     replacing  mysql-libs.x86_64 5.1-1
Updating:
 postgresql13-libs
                  x86_64 13.16-1PGDG.rhel7    pgbundle-postgres           385 k
Removing:
 old              noarch 1-1                  installed                   812  
Downgrading:
 libpq5           x86_64 13.1-1               pgbundle-postgres           100 k
Installing for dependencies:
 libicu           x86_64 50.2-4.el7_7         pgbundle-postgres           6.9 M
Removing for dependencies:
 older            noarch 1-1                  installed                   812  

Transaction Summary
================================================================================
Install   2 Packages (+1 Dependent package)
Upgrade   1 Package
Remove    1 Package  (+1 Dependent package)
Downgrade 1 Package

Total download size: 19 M
Exiting on user command
";

    #[test]
    fn reads_what_yum_would_do() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let words = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>();
        system.answer("--assumeno", 1, YUM);
        let expected = Transaction {
            installs: words(&["etcd", "mariadb-compat", "postgresql13-libs", "libicu"]),
            upgrades: words(&["mariadb-compat", "postgresql13-libs"]),
            removals: words(&["old", "older"]),
            downgrades: words(&["libpq5"]),
        };
        let asked = words(&["etcd"]);
        assert_eq!(simulate(&host, &asked).unwrap(), Ok(expected));
        // It fails with the status of a no.
        system.answer("--assumeno", 1, "Error: Package: a\n  Requires: b\n");
        let refused = simulate(&host, &asked).unwrap().unwrap_err();
        assert!(refused.contains("Requires: b"), "{refused}");
        system.answer("--assumeno", 0, "Nothing to do\n");
        let nothing = Ok(Transaction::default());
        assert_eq!(simulate(&host, &asked).unwrap(), nothing);
    }

    #[test]
    fn a_package_in_two_versions_is_unfinished_and_in_two_architectures_is_not() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let listed = "gpg-pubkey (none) 0:1-1\ngpg-pubkey (none) 0:2-2\n\
            a x86_64 0:1-1\na x86_64 0:2-1\nb x86_64 2:1-1\nb i686 2:1-1\n\
            kernel x86_64 0:1-1\nkernel x86_64 0:2-1\n";
        system.answer("--query --all", 0, listed);
        let installed = installed(&host).unwrap();
        assert!(installed.contains(&("a".to_owned(), "2-1".to_owned())));
        assert!(installed.contains(&("b".to_owned(), "2:1-1".to_owned())));
        assert!(!installed.iter().any(|(name, _)| name == "gpg-pubkey"));
        let mut bundle = role("etcd", "etcd.service");
        let entry = |name: &str, version: &str| {
            serde_json::from_value(serde_json::json!({
                "name": name, "version": version, "architecture": "x86_64", "sha256": "0".repeat(64),
            }))
            .unwrap()
        };
        bundle.manifest.package_list = vec![entry("a", "2-1"), entry("b", "2:1-1")];
        assert_eq!(unfinished(&host, &[bundle]).unwrap(), ["a"]);
    }

    #[test]
    fn versions_compare_as_rpm_has_it() {
        assert!(is_newer("1:1.0-1", "2.0-1").unwrap());
        assert!(!is_newer("13.9-1PGDG.rhel7", "13.16-1PGDG.rhel7").unwrap());
        assert!(!is_newer("1.0~rc1-1", "1.0-1").unwrap());
    }
}
