//! The lab proves itself: hosts with hand-made seeds, and what the stories lean on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cluster::{Cluster, example};
use crate::command::Failure;
use crate::lab::{Lab, wait_until};

/// Hosts boot from their seeds, reach each other and nothing else, and lose power for real.
#[test]
fn the_lab_keeps_its_promises() {
    crate::tell(
        "lab",
        || Lab::new("lab", Cluster::parse(&example()?)?),
        |lab| {
            plant_seeds(lab)?;
            lab.boot_all()?;
            every_host_is_up(lab)?;
            a_host_says_nothing_by_itself(lab)?;
            whatever_leaves_is_counted(lab)?;
            power_cuts_lose_what_was_not_synced(lab)?;
            the_console_is_kept(lab)
        },
    );
}

fn plant_seeds(lab: &mut Lab) -> Result<(), Failure> {
    let gateway = lab.cluster.gateway;
    for (name, address) in lab.cluster.nodes.clone() {
        let seed = lab.folder().join(format!("{name}-seed"));
        fs::create_dir(&seed)?;
        fs::write(
            seed.join("user-data"),
            "#cloud-config\nbootcmd:\n  - [touch, /root/bootcmd-ran]\n",
        )?;
        fs::write(
            seed.join("meta-data"),
            format!(r#"{{"instance-id": "lab-{name}", "local-hostname": "{name}"}}"#),
        )?;
        fs::write(
            seed.join("network-config"),
            format!(
                "version: 2\nethernets:\n  lan:\n    match: {{name: \"e*\"}}\n    \
                 accept-ra: false\n    addresses: [{address}/{}]\n    gateway4: {}\n    \
                 nameservers: {{addresses: [{}]}}\n",
                gateway.prefix_len(),
                gateway.addr(),
                gateway.addr()
            ),
        )?;
        let offered = offered_folder(lab.folder())?;
        let host = lab.host_mut(&name);
        host.plant(&seed)?;
        host.offer_bundles(&offered);
    }
    Ok(())
}

fn offered_folder(folder: &Path) -> Result<PathBuf, Failure> {
    let offered = folder.join("offered");
    fs::create_dir_all(&offered)?;
    fs::write(offered.join("file"), "offered\n")?;
    Ok(offered)
}

fn every_host_is_up(lab: &Lab) -> Result<(), Failure> {
    for host in lab.hosts() {
        let limit = Duration::from_secs(90);
        wait_until("cloud-init is done", limit, || {
            host.run("grep -q 'status: done' <<E\n$(cloud-init status)\nE")
        })?;
        assert_eq!(
            host.run("hostname")?,
            host.name,
            "cloud-init names the host"
        );
        host.run("test -e /root/bootcmd-ran")?;
        assert_eq!(host.run("cat /srv/pgbundle/file")?, "offered");
        assert_eq!(
            host.run("stat -c %a /var/lib/cloud/seed/nocloud/user-data")?,
            "600",
            "a seed is for root alone"
        );
        let failed = host.run("systemctl list-units --failed --plain --no-legend")?;
        assert_eq!(failed, "", "{}: no unit of the base image fails", host.name);
        for other in lab.hosts() {
            host.run(&format!("ping -q -c 1 -W 5 {}", other.address))?;
        }
    }
    Ok(())
}

fn a_host_says_nothing_by_itself(lab: &Lab) -> Result<(), Failure> {
    assert_eq!(
        lab.sink().seen(),
        Vec::<String>::new(),
        "a plain host is silent"
    );
    Ok(())
}

fn whatever_leaves_is_counted(lab: &Lab) -> Result<(), Failure> {
    let host = &lab.hosts()[0];
    let from = host.address;
    let said = host.ask("ping -q -c 1 -W 1 203.0.113.9")?;
    assert!(!said.is_success(), "nobody answers from outside");
    host.ask("getent ahostsv4 mirror.example.org")?;
    host.ask("curl --max-time 2 --silent http://203.0.113.9/")?;
    let seen = lab.sink().seen();
    for line in [
        format!("{from} to 203.0.113.9, protocol 1"),
        format!("{from} to 203.0.113.9, TCP port 80"),
        format!("{from} asks for mirror.example.org"),
    ] {
        assert!(seen.contains(&line), "the sink notes `{line}`: {seen:#?}");
    }
    assert_eq!(lab.sink().packets(), seen.len());
    Ok(())
}

fn power_cuts_lose_what_was_not_synced(lab: &mut Lab) -> Result<(), Failure> {
    let name = lab.hosts()[1].name.clone();
    lab.host(&name)
        .run("echo kept >/root/kept && sync && echo lost >/root/lost")?;
    lab.cut_power(&name)?;
    let left = lab.host(&name).with_disk(|root| {
        Ok((
            root.join("root/kept").exists(),
            root.join("root/lost").exists(),
        ))
    })?;
    assert_eq!(left, (true, false), "synced is kept, unsynced is gone");
    lab.boot(&name)?;
    let host = lab.host(&name);
    wait_until("the host is back", Duration::from_secs(90), || {
        host.run("systemctl is-active multi-user.target")
    })?;
    lab.host_mut(&name).reboot()?;
    let host = lab.host(&name);
    wait_until("the host is back", Duration::from_secs(90), || {
        host.run("systemctl is-active multi-user.target")
    })?;
    assert!(
        host.journal()?.matches("Journal started").count() >= 2,
        "the journal spans boots"
    );
    Ok(())
}

fn the_console_is_kept(lab: &Lab) -> Result<(), Failure> {
    let host = &lab.hosts()[0];
    host.run("echo said on the console >/dev/console")?;
    wait_until("the console has the line", Duration::from_secs(5), || {
        let console = host.console();
        let has_line = console.contains("said on the console");
        has_line.then_some(()).ok_or_else(|| Failure::from(console))
    })
}
