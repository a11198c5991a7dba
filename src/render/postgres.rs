//! What PostgreSQL needs beside Patroni: its folder, the package kept from
//! making a cluster, the guard of `initdb`, and the SQL of the first minute.

use minijinja::context;

use super::draft::{Draft, access, owned};
use super::etcd::json;
use super::site::{Site, url};
use super::{RenderError, patroni, places};
use crate::base::{Role, SchemaVersion};
use crate::bundle::start::{BOOTSTRAP, Bootstrap, PatroniPeer};

/// The SQL that Patroni runs once.
pub const POST_BOOTSTRAP: &str = "/etc/pgbundle/post-bootstrap.sql";

/// Adds what lies beside Patroni's own configuration.
pub fn render(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    let component = site.component("postgresql")?;
    let data_directory = site.path("postgres_data")?;
    let user = component.user.as_str();
    // Patroni and pg_basebackup remove, rename and make the data folder: its parent is theirs.
    draft.directory(&site.path("postgres_home")?, access(user, user, 0o755))?;
    draft.data(&data_directory, user, "PG_VERSION")?;
    draft.early_file(
        &site.path("createcluster")?,
        site.fill("postgres/createcluster.conf.j2", context! {})?,
    )?;
    draft.file(BOOTSTRAP, &[], bootstrap(site, &data_directory)?)?;
    let sql = site.fill("postgres/post-bootstrap.sql.j2", context! { user })?;
    draft.file(POST_BOOTSTRAP, &[], sql)?;
    draft
        .assignment
        .masked_units
        .extend(component.masked_units.iter().cloned());
    draft.assignment.ports.push(site.ports().postgres);
    Ok(())
}

fn bootstrap(site: &Site<'_>, data_directory: &str) -> Result<String, RenderError> {
    let others = site
        .plan
        .nodes_with(Role::Postgres)
        .filter(|node| node.name != site.node.name);
    let port = site.ports().patroni;
    let peers = others.map(|node| PatroniPeer {
        name: node.name.clone(),
        address: node.address.addr(),
        url: format!("{}/patroni", url(node.address.addr(), port)),
    });
    let bootstrap = Bootstrap {
        format: SchemaVersion,
        cluster: site.plan.spec.cluster.clone(),
        cluster_id: site.cluster.id.to_owned(),
        name: site.node.name.clone(),
        data_directory: data_directory.parse()?,
        initdb: format!("{}/initdb", site.path("postgres_bin")?).parse()?,
        arguments: owned(&initdb_arguments()),
        peers: peers.collect(),
        etcd: site
            .addresses(Role::Etcd)
            .map(|address| url(address, site.ports().etcd_client))
            .collect(),
        initialize_key: format!("{}{}/initialize", patroni::NAMESPACE, site.cluster_name()),
        tls: places::client("patroni")?,
    };
    Ok(json(&bootstrap))
}

/// How `initdb` makes the first node's data.
///
/// C.UTF-8 is there without generating locales, and its order does not change
/// with the C library. Patroni replaces pg_hba.conf before the first start.
pub fn initdb_arguments() -> [&'static str; 6] {
    [
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--data-checksums",
        "--auth-local=peer",
        "--auth-host=scram-sha-256",
    ]
}
