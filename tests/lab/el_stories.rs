//! What is promised of hosts of the rpm family, told on el-shaped ones.

use std::cell::OnceCell;
use std::thread::sleep;
use std::time::Duration;

use crate::client::Client;
use crate::command::Failure;
use crate::el::{self, Prefix};
use crate::host::Host;
use crate::lab::{Lab, wait_until};
use crate::release::Release;
use crate::tell;
use crate::upgraded;
use crate::waiting::{PATIENCE, report_of_this_boot, wait_serving, wait_standbys};

/// Three hosts install through rpm and form the cluster.
#[test]
fn three_el_shaped_hosts() {
    let make = || el::shared()?.hosts_with_folder("three-el-shaped-hosts");
    tell("three el-shaped hosts", make, |lab| {
        lab.boot_all()?;
        the_cluster_is_whole(lab, el::shared()?, PGDGS)
    });
}

/// Three hosts take the vendor's server below /usr, then the one below /opt.
#[test]
fn a_vendors_server_moves() {
    let release = OnceCell::new();
    let make = || {
        let built = el::vendors(Prefix::Usr, None)?;
        release
            .get_or_init(|| built)
            .hosts_with_folder("a-vendors-server-moves")
    };
    tell("a vendor's server moves", make, |lab| {
        let release = release.get().ok_or("it is built with the lab")?;
        lab.boot_all()?;
        the_cluster_is_whole(lab, release, "etcd haproxy vmware-postgres")?;
        for host in lab.hosts() {
            assert_eq!(server_of(host)?, "/usr/bin/postgres", "{}", host.name);
        }
        let client = Client::of(lab, release)?;
        let next = el::vendors(Prefix::Opt, Some(release))?;
        let names = upgraded::leader_first(lab, &client, &next)?;
        upgraded::one_after_another(lab, &client, &names, &next, |host| {
            let below_opt = "/opt/vmware/postgres/15/bin";
            let programs = [server_of(host)?, pooler_of(host)?];
            let expected = ["postgres", "pgbouncer"].map(|name| format!("{below_opt}/{name}"));
            assert_eq!(programs, expected, "{}", host.name);
            // PGDG's PgBouncer has its settings where the vendor's has: one of them must go.
            let before = host.ask("rpm --query vmware-postgres pgbouncer")?;
            let gone =
                "package vmware-postgres is not installed\npackage pgbouncer is not installed";
            assert_eq!(before.out, gone, "{}", host.name);
            let saved = host.run("find /etc -name '*.rpmsave' -o -name '*.rpmnew'")?;
            assert_eq!(
                saved, "",
                "{}: rpm takes nothing for the operator's",
                host.name
            );
            nothing_is_torn(host)
        })
    });
}

/// The program of the PostgreSQL that serves.
fn server_of(host: &Host) -> Result<String, Failure> {
    host.run("readlink /proc/$(head -n 1 /var/lib/pgsql/15/data/postmaster.pid)/exe")
}

fn pooler_of(host: &Host) -> Result<String, Failure> {
    host.run("readlink /proc/$(systemctl show --property=MainPID --value pgbouncer)/exe")
}

/// One of them loses its power while rpm installs, and comes up by itself.
#[test]
fn power_is_cut_while_rpm_installs() {
    let make = || el::shared()?.hosts_with_folder("power-is-cut-while-rpm-installs");
    tell("power is cut while rpm installs", make, |lab| {
        lab.boot_all()?;
        wait_until("db-2 installs", PATIENCE, || {
            let report = report_of_this_boot(lab.host("db-2"))?;
            let is_there = report["step"] == "packages";
            is_there
                .then_some(())
                .ok_or_else(|| format!("its report says {report}").into())
        })?;
        // rpm's database is written first, then file by file: a file of the largest is there.
        let is_amid = "test -e /var/lib/pgbundle/installing.json && test -e /usr/bin/etcd";
        wait_until("rpm is amid its packages", PATIENCE, || {
            lab.host("db-2").run(is_amid)
        })?;
        sleep(Duration::from_millis(200));
        lab.cut_power("db-2")?;
        lab.boot("db-2")?;
        the_cluster_is_whole(lab, el::shared()?, PGDGS)
    });
}

const PGDGS: &str = "etcd haproxy postgresql15-server";

/// Each host serves, a write goes through the VIP, and every package is whole, these among them.
fn the_cluster_is_whole(lab: &Lab, release: &Release, packages: &str) -> Result<(), Failure> {
    for host in lab.hosts() {
        wait_serving(lab, &host.name)?;
    }
    let client = Client::of(lab, release)?;
    wait_until(
        "a write goes through the VIP",
        Duration::from_secs(60),
        || {
            client.write_through_vip(
                "create table story (line text); insert into story values ('through rpm')",
            )
        },
    )?;
    wait_standbys(&client, 1, 1)?;
    for host in lab.hosts() {
        nothing_is_torn(host)?;
        let read = host.run(&format!(
            "rpm --query --queryformat '%{{NAME}} ' {packages}"
        ))?;
        assert_eq!(read, packages, "{}: rpm has installed them", host.name);
    }
    assert_eq!(
        lab.sink().seen(),
        Vec::<String>::new(),
        "nothing tries to leave the cluster's network"
    );
    Ok(())
}

/// What a host is asked once it serves. Each question says nothing when all is well.
const QUESTIONS: [(&str, &str); 5] = [
    (
        "pgbundle-node verify finds no drift",
        "pgbundle-node verify | grep -v '^everything is as'",
    ),
    (
        "each file of each package is as it was delivered",
        PACKAGE_FILES,
    ),
    (
        "no package is there twice",
        "rpm --query --all --queryformat '%{NAME}.%{ARCH}\n' | grep -v gpg-pubkey | sort | uniq --repeated",
    ),
    // For `centos` cloud-init has hostnamectl write the host's name, before Debian's
    // order of units has a bus: that one fails in the lab, and the name stays.
    (
        "no unit has failed",
        "systemctl list-units --failed --plain --no-legend | grep -v '^cloud-init.service '",
    ),
    (
        "nothing of dpkg or apt is there",
        "command -v dpkg apt-get apt",
    ),
];

/// Files of the packages' configuration that are ours are compared by
/// `pgbundle-node verify`, and so is PostgreSQL's folder; cloud-init opens sudo's,
/// and the kernel mounts its own. (Not what they need: a few of Debian's
/// programs have parts that serve only who has dpkg, or a library that it recommends.)
const PACKAGE_FILES: &str = "rpm --verify --all --nodeps 2>&1 | grep -v -E \
     ' c (/etc/haproxy/haproxy.cfg|/etc/pgbouncer/|/etc/keepalived/)|^.M.......    (/proc|/sys|/etc/sudoers.d|/var/lib/pgsql/15)$'";

fn nothing_is_torn(host: &Host) -> Result<(), Failure> {
    for (promise, question) in QUESTIONS {
        let said = host.ask(question)?;
        assert_eq!(said.out, "", "{}: {promise}: {}", host.name, said.err);
    }
    Ok(())
}
