//! What is promised of hosts of the rpm family, told on el-shaped ones.

use crate::command::Failure;
use crate::el;
use crate::lab::Lab;
use crate::tell;

/// Three hosts install through rpm and form the cluster.
#[test]
fn three_el_shaped_hosts() {
    let make = || el::shared()?.hosts_with_folder("three-el-shaped-hosts");
    tell("three el-shaped hosts", make, |lab| the_cluster_forms(lab));
}

fn the_cluster_forms(lab: &mut Lab) -> Result<(), Failure> {
    lab.boot_all()?;
    for (name, _) in lab.cluster.nodes.clone() {
        crate::waiting::wait_serving(lab, &name)?;
    }
    Ok(())
}
