//! One seed on two hosts: the newcomer does nothing while the node runs, and takes its place
//! when it is gone.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::command::Failure;
use crate::failures::{Rows, etcd_is_whole_as_seen_by, identity_of_data, leader, lose_power};
use crate::lab::{Lab, wait_until};
use crate::release::Release;
use crate::stream::{Stream, longest_gap, nothing_is_lost};
use crate::waiting::{PATIENCE, wait_refused, wait_standbys};

const TWIN: &str = "twin";
const SOON: Duration = Duration::from_secs(60);

/// A fresh host boots with the seed of a standby that runs.
pub fn another_host_has_the_same_seed(
    lab: &mut Lab,
    client: &Client,
    rows: &mut Rows,
) -> Result<(), Failure> {
    let release = Release::shared()?;
    let standbys = wait_standbys(client, 1, 1)?;
    // The one on which every commit waits: what disturbs it would be felt.
    let name = standbys.synchronous.first().ok_or("no such standby")?;
    let led = leader(lab, client)?;
    let before = (identity_of_data(lab.host(name))?, members(lab, &led)?);
    let stream = Stream::begin(client);
    lab.add_twin(TWIN, name)?;
    lab.host(TWIN).plant(&release.seeds.join(name))?;
    lab.host_mut(TWIN).offer_bundles(&release.public);
    lab.boot(TWIN)?;
    it_refuses(lab, name)?;
    wait_standbys(client, 1, 1)?;
    stream.wait_after(Instant::now(), SOON, |row| row.waited_for_standby)?;
    let now = (identity_of_data(lab.host(name))?, members(lab, &led)?);
    assert_eq!(now, before, "{name} is the member that it was");

    let disturbed = longest_gap(&stream.acknowledged());
    lose_power(lab, name)?;
    lab.host(TWIN).run("systemctl restart pgbundle.service")?;
    // Its report says "refused" until the new run has written its own.
    wait_until("the twin serves", PATIENCE, || {
        let report = lab.host(TWIN).report()?.ok_or("no report")?;
        let serves = report["state"] == "serving";
        serves
            .then_some(())
            .ok_or_else(|| Failure::from(report.to_string()))
    })?;
    wait_standbys(client, 1, 1)?;
    etcd_is_whole_as_seen_by(lab.host(TWIN), lab.cluster.nodes.len())?;
    let written = stream.end();
    eprintln!(
        "lab: a twin of {name}, the synchronous standby, refused and later took its place; no pause in {} writes was longer than {:.1} s, before {name} was lost than {:.1} s",
        written.len(),
        longest_gap(&written).as_secs_f64(),
        disturbed.as_secs_f64()
    );
    assert_eq!(
        leader(lab, client)?,
        led,
        "a host lost beside the leader costs no failover"
    );
    rows.extend(written.iter().map(|row| row.number));
    nothing_is_lost(client, rows)
}

fn members(lab: &Lab, asked: &str) -> Result<String, Failure> {
    lab.host(asked)
        .run("bash -lc 'etcdctl member list -w simple' | sort")
}

fn it_refuses(lab: &Lab, name: &str) -> Result<(), Failure> {
    let report = wait_refused(lab, TWIN)?;
    let host = lab.host(TWIN);
    let reason = format!("{}, the address of {name}, is in use", host.address);
    let faults = report["faults"].to_string();
    assert!(faults.contains(&reason), "the report says why: {faults}");
    let console = host.console();
    let is_told = |line: &str| line.contains("error: ") && line.contains(&reason);
    assert!(
        console.lines().any(is_told),
        "so does the console:\n{console}"
    );
    let installed = host.ask("command -v etcd || command -v patroni")?;
    assert_eq!(installed.out, "", "nothing was installed");
    Ok(())
}
