//! The same cluster set up by hand, in a hurry: the floor beside which `bench` puts ours.
//!
//! The same packages come from an ordinary apt mirror nearby, by plain HTTP; there is no TLS, no
//! password and no check of anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::client::{self, READ_WRITE};
use crate::cluster::Cluster;
use crate::command::{Failure, command, command_in, run};
use crate::lab::Lab;
use crate::release::Release;
use crate::server::Server;

/// What each node runs at its first boot.
const NODE: &str = include_str!("byhand/node.sh");
/// What a person would name; the rest is apt's to find.
const PACKAGES: &str =
    "etcd-server etcd-client patroni python3-etcd postgresql-15 pgbouncer haproxy keepalived";

/// Hosts with such seeds, all of them off.
pub fn hosts(release: &Release) -> Result<Lab, Failure> {
    let mut lab = Lab::new("by-hand", release.cluster.clone())?;
    let mirror = mirror(release, lab.folder())?;
    for (index, (name, _)) in release.cluster.nodes.iter().enumerate() {
        let seed = lab.folder().join(format!("{name}-seed"));
        fs::create_dir(&seed)?;
        fs::write(seed.join("user-data"), node(&release.cluster, index))?;
        for part in ["meta-data", "network-config"] {
            fs::copy(release.seeds.join(name).join(part), seed.join(part))?;
        }
        lab.host(name).plant(&seed)?;
    }
    let server = Server::start(&lab.namespace(), release.cluster.gateway.addr(), &mirror)?;
    lab.serve(server);
    Ok(lab)
}

/// Runs SQL on the primary, through the VIP and HAProxy.
pub fn write_through_vip(lab: &Lab, sql: &str) -> Result<String, Failure> {
    let mut psql: Command = command_in(&lab.namespace(), "psql");
    psql.args(client::QUIETLY).args(["-c", sql]).arg(format!(
        "host={} port={READ_WRITE} user=postgres dbname=postgres connect_timeout=5",
        lab.cluster.vip
    ));
    run(&mut psql)
}

/// The packages of all bundles, as a flat apt repository without a signature.
fn mirror(release: &Release, folder: &Path) -> Result<PathBuf, Failure> {
    let mirror = folder.join("mirror");
    let pool = mirror.join("pool");
    fs::create_dir_all(&pool)?;
    for role in ["etcd", "postgres", "proxy"] {
        let bundle = release.public.join(format!("bundles/{role}.tar.gz"));
        run(command("tar")
            .args(["--extract", "--gzip", "--strip-components=2", "--file"])
            .arg(bundle)
            .arg("--directory")
            .arg(&pool)
            .args(["--wildcards", "packages/pool/*"]))?;
    }
    let index = run(command("apt-ftparchive")
        .args(["packages", "pool"])
        .current_dir(&mirror))?;
    fs::write(pool.join("Packages"), index + "\n")?;
    Ok(mirror)
}

fn node(cluster: &Cluster, index: usize) -> String {
    let (name, address) = &cluster.nodes[index];
    let joined = |separator: &str, line: fn(&str, &str) -> String| {
        let lines = cluster
            .nodes
            .iter()
            .map(|(name, address)| line(name, &address.to_string()));
        lines.collect::<Vec<_>>().join(separator)
    };
    let servers = joined("\n", |name, address| {
        format!("    server {name} {address}:6432")
    });
    NODE.replace("@NAME@", name)
        .replace("@ADDRESS@", &address.to_string())
        .replace("@MIRROR@", &Server::url(cluster.gateway.addr()))
        .replace("@PACKAGES@", PACKAGES)
        .replace(
            "@MEMBERS@",
            &joined(",", |name, address| format!("{name}=http://{address}:2380")),
        )
        .replace(
            "@ENDPOINTS@",
            &joined(",", |_, address| format!("{address}:2379")),
        )
        .replace("@SERVERS@", &servers)
        .replace("@PRIORITY@", &(100 + index).to_string())
        .replace("@VIP@", &cluster.vip.to_string())
}
