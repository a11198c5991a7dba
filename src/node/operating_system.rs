//! Is this the operating system, the release and the processor that the
//! bundles were built for?

use super::bundles::RoleBundle;
use super::facts::{self, Running};
use super::host::{Host, read_if_there};
use super::stop::Stop;
use super::system::Call;
use crate::base::Numbers;
use crate::bundle::manifest::{Family, LeastRelease, OsRelease};
use crate::seed::identity::Identity;

/// What is wrong, in sentences. Of another system nothing further is asked: it
/// may not even have the programs that would answer.
pub fn faults(
    host: &Host,
    identity: &Identity,
    bundles: &[RoleBundle],
) -> Result<Vec<String>, Stop> {
    let (found, wanted) = (facts::os_release(host)?, &identity.os);
    if !is_of(&found, wanted) {
        return Ok(vec![format!(
            "this host runs {} {}, the bundles are for {} {}: install that on it, or build with a profile for what it runs",
            found.id, found.version, wanted.id, wanted.version
        )]);
    }
    let mut faults = Vec::new();
    if let Some(least) = &wanted.release {
        faults.extend(too_early(host, wanted, least)?);
    }
    // Where there is no bundle there is nothing to install either.
    if let Some(bundle) = bundles.first() {
        let machine = host
            .system
            .run(&architecture_call(bundle.manifest.family))?;
        let architecture = machine.output.trim();
        if architecture != identity.architecture.as_str() {
            faults.push(format!(
                "this host is {architecture}, the bundles are for {}: build with `--architecture`",
                identity.architecture
            ));
        }
    }
    Ok(faults)
}

/// Whether a host is of the kind: its version begins with the wanted one,
/// number by number. 9.4 is of 9, and 90 is not.
fn is_of(found: &Running, wanted: &OsRelease) -> bool {
    let mut numbers = found.version.split('.');
    let begins = wanted
        .version
        .split('.')
        .all(|number| numbers.next() == Some(number));
    found.id == wanted.id && begins
}

fn too_early(
    host: &Host,
    wanted: &OsRelease,
    least: &LeastRelease,
) -> Result<Option<String>, Stop> {
    let bytes = read_if_there(&least.file.under(&host.root))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let (id, file, at_least) = (&wanted.id, &least.file, &least.at_least);
    Ok(match release_of(&text) {
        Some(release) if release >= *at_least => None,
        Some(release) => Some(format!(
            "this host is {id} {release}, the bundles are for {at_least} or later: bring it up to {at_least} with its own package manager, or install it anew from an image of that release"
        )),
        None => Some(format!(
            "`{file}` does not say of which release this host is, and the bundles are for {id} {at_least} or later"
        )),
    })
}

/// The release in `CentOS Linux release 7.4.1708 (Core)`.
fn release_of(text: &str) -> Option<Numbers> {
    let mut words = text.split_whitespace();
    words.by_ref().find(|word| *word == "release")?;
    words.next()?.parse().ok()
}

/// The architecture by the family's name for it. dpkg knows that of the
/// userland; rpm takes the kernel's, which is the name that packages have.
fn architecture_call(family: Family) -> Call {
    match family {
        Family::Deb => Call::new("dpkg", ["--print-architecture"]),
        Family::Rpm => Call::new("uname", ["-m"]),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::node::identity::tests::example;
    use crate::node::services::tests::role;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn a_version_begins_with_the_wanted_one_number_by_number() {
        let is_of = |found: &str, wanted: &str| {
            let found = Running {
                id: "rocky".to_owned(),
                version: found.to_owned(),
            };
            let wanted = OsRelease {
                id: "rocky".to_owned(),
                version: wanted.to_owned(),
                release: None,
            };
            super::is_of(&found, &wanted)
        };
        assert!(is_of("9", "9") && is_of("9.4", "9") && is_of("22.04", "22.04"));
        assert!(!is_of("90", "9") && !is_of("8.10", "9") && !is_of("22", "22.04"));
        assert!(!is_of("", "9"));
    }

    #[test]
    fn an_earlier_release_and_another_processor_are_refused_in_a_sentence_each() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        fs::create_dir(folder.path().join("etc")).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("etc/os-release", "ID=\"centos\"\nVERSION_ID=\"7\"\n");
        let mut identity = example();
        identity.architecture = "x86_64".parse().unwrap();
        identity.os = OsRelease {
            id: "centos".to_owned(),
            version: "7".to_owned(),
            release: Some(LeastRelease {
                at_least: "7.9".parse().unwrap(),
                file: "/etc/centos-release".parse().unwrap(),
            }),
        };
        let mut bundles = [role("etcd", "etcd.service")];
        bundles[0].manifest.family = Family::Rpm;
        system.answer("uname -m", 0, "x86_64\n");

        let told = |release: &str| {
            write("etc/centos-release", release);
            faults(&host, &identity, &bundles).unwrap()
        };
        assert!(told("CentOS Linux release 7.9.2009 (Core)\n").is_empty());
        let [early] = &told("CentOS Linux release 7.4.1708 (Core)\n")[..] else {
            panic!("one fault");
        };
        assert!(
            early.contains("is centos 7.4.1708, the bundles are for 7.9 or later"),
            "{early}"
        );
        let [unknown] = &told("CentOS Stream\n")[..] else {
            panic!("one fault");
        };
        assert!(unknown.contains("`/etc/centos-release` does not say"));

        system.answer("uname -m", 0, "i686\n");
        let [other] = &told("CentOS Linux release 7.9.2009 (Core)\n")[..] else {
            panic!("one fault");
        };
        assert!(other.starts_with("this host is i686"), "{other}");

        // Another system is not asked for what only the right one has.
        system.take();
        write("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
        assert_eq!(faults(&host, &identity, &bundles).unwrap().len(), 1);
        assert_eq!(system.take(), Vec::<String>::new());
    }
}
