//! What PostgreSQL needs beside Patroni: its folder, the package kept from
//! making a cluster, the guard of `initdb`, and the SQL of the first minute.

use minijinja::context;

use super::draft::{Draft, access};
use super::etcd::json;
use super::site::{Site, url};
use super::{RenderError, dialect, patroni, places};
use crate::base::{Role, SchemaVersion};
use crate::bundle::start::{BOOTSTRAP, Bootstrap, PatroniPeer};
use crate::plan::Plan;

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
    if let Some(path) = site.path_if_any("createcluster") {
        let text = site.fill("postgres/createcluster.conf.j2", context! {})?;
        draft.early_file(&path, text)?;
    }
    socket_folder(site, user, draft)?;
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

/// The socket's folder, where no unit can keep it for the next one.
fn socket_folder(site: &Site<'_>, user: &str, draft: &mut Draft) -> Result<(), RenderError> {
    if site.systemd()?.keeps_runtime_directory {
        return Ok(());
    }
    let path = site.path("postgres_socket")?;
    let folder = context! { path => path.as_str(), user, mode => "2775" };
    let text = site.fill("common/tmpfiles.conf.j2", context! { folders => [folder] })?;
    draft.file(&site.path("tmpfiles")?, &[], text)?;
    draft.directory(&path, access(user, user, 0o2775))
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
        arguments: initdb_arguments(site.plan).into(),
        peers: peers.collect(),
        etcd: site
            .addresses(Role::Etcd)
            .map(|address| url(address, site.ports().etcd_client))
            .collect(),
        etcd_gateway: site.dialect::<dialect::Etcd>("etcd")?.gateway(),
        initialize_key: format!("{}{}/initialize", patroni::NAMESPACE, site.cluster_name()),
        tls: places::client("patroni")?,
    };
    Ok(json(&bootstrap))
}

/// How `initdb` makes the first node's data.
///
/// The profile's locale is there without generating any, and its order does not
/// change with the C library. Patroni replaces pg_hba.conf before the first start.
pub fn initdb_arguments(plan: &Plan) -> [String; 6] {
    [
        "--username=postgres".to_owned(),
        "--encoding=UTF8".to_owned(),
        format!("--locale={}", plan.profile.postgres.locale),
        "--data-checksums".to_owned(),
        "--auth-local=peer".to_owned(),
        "--auth-host=scram-sha-256".to_owned(),
    ]
}
