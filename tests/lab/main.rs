//! The lab: real Debian 12 hosts, booted on a network from which nothing leads out.
//!
//! `stories` says what is promised of a cluster; `selftest` says what is
//! promised of the lab. The rest boots hosts: a [`lab::Lab`] is a network with
//! a sink behind its gateway and a host for each node of a spec.
//! See README.md beside this file.

mod base;
mod bench;
mod byhand;
mod cgroup;
mod client;
mod cluster;
mod command;
mod cuts;
mod disk;
mod el;
mod el_stories;
mod failures;
mod host;
mod lab;
mod lost_etcd;
mod needs;
mod network;
mod partition;
mod release;
mod secrets;
mod selftest;
mod server;
mod sink;
mod stories;
mod stream;
mod taken_away;
mod tampering;
mod twin;
mod up;
mod upgraded;
mod vm;
mod vm_stories;
mod waiting;
mod workspace;

use command::Failure;
use lab::Lab;
use needs::Decision;

/// Tells one story on one lab, or says why it is not told.
///
/// It panics while the lab still stands, so that the lab keeps its logs.
fn tell(
    name: &str,
    make: impl FnOnce() -> Result<Lab, Failure>,
    story: impl FnOnce(&mut Lab) -> Result<(), Failure>,
) {
    match needs::decide() {
        Decision::Run => {}
        Decision::Skip => {
            eprintln!("lab: `{name}` was NOT run (PGBUNDLE_LAB=skip)");
            return;
        }
        Decision::Fail(reason) => panic!("{reason}"),
    }
    let mut lab = make().unwrap_or_else(|cause| panic!("{name}: the lab cannot be made: {cause}"));
    if let Err(cause) = story(&mut lab) {
        panic!("{name}: {cause}");
    }
}
