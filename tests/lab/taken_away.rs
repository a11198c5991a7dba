//! A node is taken away from its host: what is left of it, and how it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::client::Client;
use crate::command::{Failure, command, run};
use crate::failures::{etcd_is_whole, etcd_is_whole_as_seen_by, identity_of_data, leader};
use crate::host::Host;
use crate::lab::{Lab, wait_until};
use crate::waiting::{wait_serving, wait_standbys};

const PROGRAM: &str = "/usr/local/sbin/pgbundle-node";
const SOON: Duration = Duration::from_secs(60);

/// What a host's disk holds.
pub struct Held {
    /// Every path.
    paths: BTreeSet<String>,
    /// The files of `/etc` by their digests.
    settings: BTreeMap<String, String>,
    /// Packages by name, with state and version.
    packages: BTreeSet<String>,
}

const LIST: &str = "find \"$0\" -xdev -printf '/%P\\n'; echo; \
    cd \"$0\" && find etc -xdev -type f -exec sha256sum {} +; echo; \
    dpkg-query --admindir=\"$0/var/lib/dpkg\" -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n'";

impl Held {
    /// What the disk of a host that is off holds.
    pub fn by(host: &Host) -> Result<Self, Failure> {
        let listed = host.with_disk(|root| run(command("sh").args(["-c", LIST]).arg(root)))?;
        Self::parse(&listed)
    }

    fn by_running(host: &Host) -> Result<Self, Failure> {
        let script = LIST.replace("\"$0/var/lib/dpkg\"", "/var/lib/dpkg");
        Self::parse(&host.run(&script.replace("\"$0\"", "/"))?)
    }

    fn parse(listed: &str) -> Result<Self, Failure> {
        let mut parts = listed.split("\n\n");
        let mut part = || parts.next().ok_or_else(|| Failure::from(listed));
        let paths = part()?.lines().map(str::to_owned).collect();
        let digest = |line: &str| {
            let (digest, path) = line.split_once("  ")?;
            Some((format!("/{path}"), digest.to_owned()))
        };
        Ok(Self {
            paths,
            settings: part()?.lines().filter_map(digest).collect(),
            packages: part()?.lines().map(str::to_owned).collect(),
        })
    }

    /// What is there now and was not before, and settings that are others now.
    fn since(&self, before: &Self) -> BTreeSet<String> {
        let mut new: BTreeSet<String> = self.paths.difference(&before.paths).cloned().collect();
        let is_other = |(path, digest): &(&String, &String)| {
            before.settings.get(*path).is_some_and(|had| had != *digest)
        };
        let others = self.settings.iter().filter(is_other);
        new.extend(others.map(|(path, _)| path.clone()));
        new.extend(
            before
                .paths
                .difference(&self.paths)
                .map(|path| format!("{path} is gone")),
        );
        new.retain(|path| !WRITTEN_BY_THE_HOST.iter().any(|own| path.starts_with(own)));
        new
    }
}

/// What a first boot, systemd, dpkg and apt write by themselves, whoever installs what.
const WRITTEN_BY_THE_HOST: [&str; 1] = ["/var/log"];

/// With the data kept, nothing else of ours is left; the next boot does not bring it back; the
/// operator does, and the node takes its data up again.
pub fn it_goes_and_comes_back(
    lab: &mut Lab,
    client: &Client,
    name: &str,
    before: &Held,
) -> Result<(), Failure> {
    client.write_through_vip("create table if not exists kept as select 1 as number")?;
    let data = identity_of_data(lab.host(name))?;
    let host = lab.host(name);
    let refused = host.ask(&format!("{PROGRAM} uninstall --purge-data another"))?;
    assert!(
        refused.err.contains("is of cluster `three-node`"),
        "{refused:?}"
    );
    let said = host.run(&format!("{PROGRAM} uninstall"))?;
    eprintln!("lab: {said}");
    assert!(said.contains("/var/lib/postgresql/15/main"), "{said}");
    let after = Held::by_running(host)?;
    let left = after.since(before);
    eprintln!("lab: LEFT {left:#?}");
    let packages: Vec<_> = after
        .packages
        .symmetric_difference(&before.packages)
        .collect();
    eprintln!("lab: PACKAGES {packages:#?}");
    Ok(())
}
