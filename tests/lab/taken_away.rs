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

/// What a boot, cloud-init, dpkg, ucf (which keeps its last seven lists) and others write
/// by themselves, whoever installs what.
const WRITTEN_BY_THE_HOST: [&str; 30] = [
    "/dev/",
    "/run/",
    "/home/debian",
    "/root/",
    "/srv/pgbundle",
    "/var/cache/",
    "/var/lib/apt/",
    "/var/lib/cloud/",
    "/var/lib/dbus/machine-id",
    "/var/lib/dpkg/",
    "/var/lib/private",
    "/var/lib/systemd/",
    "/var/lib/ucf/",
    "/var/log/",
    "/var/tmp/",
    "/usr/share/netplan/netplan/",
    "/etc/hostname",
    "/etc/machine-id",
    "/etc/netplan/50-cloud-init.yaml",
    "/etc/ssh/ssh_host_",
    "/etc/sudoers.d/90-cloud-init-users",
    // Users and groups stay as the packages leave them.
    "/etc/group",
    "/etc/gshadow",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/subgid",
    "/etc/subuid",
    "/etc/locale",
    "/etc/.pwd.lock",
    "/etc/resolv.conf",
];

/// What stays where the data does: the data with its markers, what it takes to come up again,
/// and what packages that are removed but not purged leave.
const KEPT_WITH_THE_DATA: [&str; 9] = [
    "/var/lib/etcd",
    "/var/lib/postgresql",
    "/var/lib/pgbundle",
    "/usr/local/sbin/pgbundle-node",
    "/etc/default/etcd",
    "/etc/init.d/etcd",
    "/etc/rc",
    "/etc/postgresql-common",
    "/etc/postgresql",
];

/// With the data kept, nothing else of ours is left; the next boot does not bring it back; the
/// operator does, and the node takes its data up again.
pub fn it_goes_and_comes_back(
    lab: &mut Lab,
    client: &Client,
    name: &str,
    before: &Held,
) -> Result<(), Failure> {
    wait_standbys(client, 1, 1)?;
    let data = identity_of_data(lab.host(name))?;
    let host = lab.host(name);
    let refused = host.ask(&format!("{PROGRAM} uninstall --purge-data another"))?;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused.err.contains("is of cluster `three-node`"),
        "{refused:?}"
    );
    it_is_cut_off_and_goes_on(lab, name)?;
    let host = lab.host(name);
    let after = Held::by_running(host)?;
    let mut left = after.since(before);
    left.retain(|path| !KEPT_WITH_THE_DATA.iter().any(|kept| path.starts_with(kept)));
    assert!(
        left.is_empty(),
        "{name}: nothing else of ours is left: {left:#?}"
    );
    let packages = packages_left(before, &after);
    assert!(
        packages.iter().all(|line| line.starts_with("rc ")),
        "{name}: no package of ours is left: {packages:#?}"
    );
    let quiet = host.ask(&format!("{PROGRAM} up"))?;
    assert_eq!(quiet.code, 1, "{quiet:?}");
    lab.host_mut(name).reboot()?;
    let host = lab.host(name);
    wait_until("the boot is over", SOON, || {
        host.run("test -e /run/cloud-init/result.json")
    })?;
    let unit = host.ask("systemctl is-active etcd pgbundle")?;
    assert!(
        !unit.is_success(),
        "{name}: the seed does not bring it back: {unit:?}"
    );
    let again = host.ask(&format!("{PROGRAM} up --again --wait 240"))?;
    assert!(again.is_success(), "{name}: {again:?}");
    wait_serving(lab, name)?;
    wait_standbys(client, 1, 1)?;
    etcd_is_whole(lab)?;
    assert_eq!(
        identity_of_data(lab.host(name))?,
        data,
        "{name}: its data folder is the one that it had"
    );
    Ok(())
}

/// The host loses power while its packages are being removed; the next run goes on.
fn it_is_cut_off_and_goes_on(lab: &mut Lab, name: &str) -> Result<(), Failure> {
    let host = lab.host(name);
    host.run(&format!(
        "systemd-run --quiet --unit=taking-away {PROGRAM} uninstall"
    ))?;
    wait_until("packages are being removed", SOON, || {
        host.run("pgrep -x dpkg && ! test -e /usr/sbin/haproxy")
    })?;
    lab.cut_power(name)?;
    lab.boot(name)?;
    let host = lab.host(name);
    let said = wait_until("the host can be asked", SOON, || {
        let said = host.ask(&format!("{PROGRAM} status"))?;
        said.err
            .contains("not finished")
            .then_some(said.err)
            .ok_or(Failure::from(said.out))
    })?;
    assert!(said.contains("pgbundle-node uninstall"), "{said}");
    wait_until("the boot is over", SOON, || {
        host.run("test -e /run/cloud-init/result.json")
    })?;
    let told = host.ask(&format!("{PROGRAM} uninstall"))?;
    assert!(told.is_success(), "{name}: {told:?}");
    assert!(told.out.contains("/var/lib/postgresql/15/main"), "{told:?}");
    Ok(())
}

fn packages_left(before: &Held, after: &Held) -> Vec<String> {
    after
        .packages
        .difference(&before.packages)
        .cloned()
        .collect()
}

/// The leader goes with its data: another one leads, etcd's list is shorter by one, and of ours
/// there is the mark alone.
pub fn the_leader_goes_for_good(lab: &Lab, client: &Client) -> Result<(), Failure> {
    wait_standbys(client, 1, 1)?;
    let name = leader(lab, client)?;
    let host = lab.host(&name);
    let said = host.ask(&format!("{PROGRAM} uninstall --purge-data three-node"))?;
    assert!(said.is_success(), "{name}: {said:?}");
    assert!(said.out.contains("another one takes over"), "{said:?}");
    for gone in [
        "/var/lib/etcd",
        "/var/lib/postgresql/15",
        PROGRAM,
        "/etc/pgbundle",
    ] {
        let is_there = host.ask(&format!("test -e {gone}"))?;
        assert!(!is_there.is_success(), "{name}: {gone} is gone");
    }
    let left = host.run("find /var/lib/pgbundle -type f")?;
    assert_eq!(left, "/var/lib/pgbundle/uninstalled.json", "{name}");
    let other = lab
        .hosts()
        .iter()
        .find(|host| host.name != name)
        .ok_or("no other")?;
    etcd_is_whole_as_seen_by(other, lab.cluster.nodes.len() - 1)?;
    wait_until("the cluster goes on", SOON, || {
        client.write_through_vip("insert into story values ('without it')")
    })?;
    wait_standbys(client, 1, 0).map(drop)
}
