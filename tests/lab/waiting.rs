//! Waiting for hosts by asking them, and reading what they answer.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::client::Client;
use crate::command::Failure;
use crate::host::Host;
use crate::lab::{Lab, wait_until};

/// Long enough for a host to come up while another five share two processors with it.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Waits until a host's report of this boot says that every service serves.
pub fn wait_serving(lab: &Lab, name: &str) -> Result<(), Failure> {
    let host = lab.host(name);
    let what = format!("{name} serves");
    let report = wait_until(&what, PATIENCE, || {
        finished_report(host, &["serving", "refused"])
    })?;
    if report["state"] == "serving" {
        return Ok(());
    }
    Err(format!("{name} refused: {}", report["faults"]).into())
}

/// Waits until a host has given up, and gives its report.
pub fn wait_refused(lab: &Lab, name: &str) -> Result<Value, Failure> {
    let host = lab.host(name);
    let what = format!("{name} refuses");
    wait_until(&what, PATIENCE, || finished_report(host, &["refused"]))
}

/// An earlier boot's report says nothing of this one; /run is new with each boot.
pub fn report_of_this_boot(host: &Host) -> Result<Value, Failure> {
    let is_new = "test /var/lib/pgbundle/report.json -nt /run/systemd/private";
    host.run(is_new).map_err(|_| "no report of this boot")?;
    Ok(host.report()?.ok_or("no report")?)
}

fn finished_report(host: &Host, states: &[&str]) -> Result<Value, Failure> {
    let report = report_of_this_boot(host)?;
    let is_finished = states.iter().any(|state| report["state"] == **state);
    if is_finished {
        return Ok(report);
    }
    Err(format!("its report says {report}").into())
}

/// Who does what in a cluster.
#[derive(Debug)]
pub struct Standbys {
    /// The standby that has every commit.
    pub synchronous: BTreeSet<String>,
    /// The others.
    pub asynchronous: BTreeSet<String>,
}

/// Waits until the primary streams to so many standbys of either kind, and names them.
pub fn wait_standbys(
    client: &Client,
    synchronous: usize,
    asynchronous: usize,
) -> Result<Standbys, Failure> {
    let what = format!("{synchronous} synchronous and {asynchronous} other standbys stream");
    wait_until(&what, Duration::from_secs(120), || {
        let standbys = standbys(client)?;
        let counts = (standbys.synchronous.len(), standbys.asynchronous.len());
        if counts == (synchronous, asynchronous) {
            return Ok(standbys);
        }
        Err(format!("{standbys:?}").into())
    })
}

fn standbys(client: &Client) -> Result<Standbys, Failure> {
    let rows = client.write_through_vip(
        "select application_name, sync_state in ('sync', 'quorum') \
         from pg_stat_replication where state = 'streaming'",
    )?;
    let of = |mark: &str| {
        let names = rows.lines().filter_map(|row| row.strip_suffix(mark));
        names.map(str::to_owned).collect()
    };
    Ok(Standbys {
        synchronous: of("|t"),
        asynchronous: of("|f"),
    })
}
