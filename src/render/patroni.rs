//! Patroni: its settings as a folder (what is secret is a file of its own there), and its unit.

use std::collections::BTreeMap;

use minijinja::context;
use serde::Serialize;

use super::draft::{Draft, access};
use super::site::{Site, socket, url};
use super::{RenderError, dialect, places, postgres};
use crate::base::Role;
use crate::bundle::assignment::{Health, Service, Uptake};
use crate::bundle::environment::PythonEnvironment;
use crate::plan::Plan;
use crate::spec::Synchronous;

/// The service's name in reports.
pub const SERVICE: &str = "patroni";
/// Where its keys lie in etcd.
pub const NAMESPACE: &str = "/pgbundle/";
/// PostgreSQL's own default, 100, is soon used up by applications with pools.
const MAX_CONNECTIONS: u32 = 200;

#[derive(Serialize)]
struct Settings {
    scope: String,
    namespace: &'static str,
    name: String,
    restapi: Rest,
    ctl: Ctl,
    etcd3: Etcd3,
    bootstrap: Bootstrap,
    postgresql: Postgresql,
    watchdog: Watchdog,
}

#[derive(Serialize)]
struct Rest {
    listen: String,
    connect_address: String,
    certfile: String,
    keyfile: String,
    cafile: &'static str,
    verify_client: &'static str,
}

#[derive(Serialize)]
struct Ctl {
    insecure: bool,
    cacert: &'static str,
    certfile: String,
    keyfile: String,
}

#[derive(Serialize)]
struct Etcd3 {
    hosts: Vec<String>,
    protocol: &'static str,
    cacert: &'static str,
    cert: String,
    key: String,
}

#[derive(Serialize)]
struct Bootstrap {
    dcs: Dynamic,
    method: &'static str,
    pgbundle: Method,
    post_bootstrap: String,
    initdb: Vec<String>,
    pg_hba: Vec<String>,
}

#[derive(Serialize)]
struct Method {
    command: String,
    no_params: bool,
}

#[derive(Serialize)]
struct Dynamic {
    ttl: u32,
    loop_wait: u32,
    retry_timeout: u32,
    maximum_lag_on_failover: u32,
    check_timeline: bool,
    failsafe_mode: bool,
    synchronous_mode: bool,
    synchronous_mode_strict: bool,
    synchronous_node_count: u32,
    postgresql: DynamicPostgresql,
}

#[derive(Serialize)]
struct DynamicPostgresql {
    use_pg_rewind: bool,
    use_slots: bool,
    parameters: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Postgresql {
    listen: String,
    connect_address: String,
    data_dir: String,
    bin_dir: String,
    pgpass: String,
    use_unix_socket: bool,
    use_unix_socket_repl: bool,
    basebackup: Vec<&'static str>,
    authentication: Authentication,
    parameters: BTreeMap<&'static str, String>,
    pg_hba: Vec<String>,
    pg_ident: Vec<String>,
}

#[derive(Serialize)]
struct Authentication {
    superuser: Login,
    replication: Login,
    rewind: Login,
}

#[derive(Serialize)]
struct Login {
    username: &'static str,
    sslmode: &'static str,
    sslrootcert: &'static str,
}

#[derive(Serialize)]
struct Watchdog {
    mode: &'static str,
}

/// Adds what Patroni needs.
pub fn render(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    let component = site.component("patroni")?;
    let configuration = site.path("patroni_configuration")?;
    draft.directory(&configuration, access("root", "root", 0o755))?;
    let path = format!("{configuration}/10-cluster.yml");
    let text = yaml(
        &path,
        "Patroni's settings; passwords are in 20-secrets.yml, which is merged over this.",
        &settings(site)?,
    )?;
    draft.file(&path, &[SERVICE], text)?;
    let profile = site.fill(
        "postgres/patronictl.sh.j2",
        context! { user => component.user.as_str(), configuration => configuration.as_str() },
    )?;
    draft.file(&site.path("patronictl_profile")?, &[], profile)?;
    let environment = environment(site);
    let python = match &environment {
        Some(environment) => environment.python(),
        None => site.path("python")?,
    };
    draft.assignment.python = environment;
    let program = site.fill(
        "postgres/patroni.py.j2",
        context! {
            patroni => site.dialect::<dialect::Patroni>(SERVICE)?,
            python,
            etcd => site
                .addresses(Role::Etcd)
                .map(|address| url(address, site.ports().etcd_client))
                .collect::<Vec<_>>(),
            ca => places::CA,
            certificate => places::certificate("patroni"),
            key => places::key("patroni"),
        },
    )?;
    draft.program(&site.path("patronictl")?, &[], program.clone())?;
    draft.program(&site.path("patroni")?, &[SERVICE], program)?;
    let unit = unit(site, &component.user, &configuration)?;
    site.unit(draft, component, SERVICE, unit)?;
    let port = site.ports().patroni;
    draft.assignment.ports.push(port);
    draft.service(Service {
        name: SERVICE.to_owned(),
        unit: component.unit.clone(),
        packages: site.packages(&["patroni", "postgresql"])?,
        on_change: Uptake::Reload,
        on_certificate: Uptake::Reload,
        health: Health::Http {
            url: format!("{}/health", site.own_url(port)),
            status: 200,
            waits_for: "PostgreSQL to run as a member of the cluster".to_owned(),
        },
    });
    Ok(())
}

/// The environment that Patroni runs on, where no package has it.
fn environment(site: &Site<'_>) -> Option<PythonEnvironment> {
    let python = site.plan.profile.python.as_ref()?;
    (python.component == SERVICE).then(|| PythonEnvironment {
        path: python.environment.clone(),
        interpreter: python.program.clone(),
        pip: python.pip.to_string(),
        services: vec![SERVICE.to_owned()],
    })
}

fn unit(site: &Site<'_>, user: &str, configuration: &str) -> Result<String, RenderError> {
    site.fill(
        "postgres/patroni.service.j2",
        context! {
            cluster => site.cluster_name(),
            major => site.plan.postgres_major,
            user,
            node_program => site.path("node_program")?,
            program => site.path("patroni")?,
            configuration,
            runtime_directory => runtime_directory(site)?,
        },
    )
}

/// The socket's folder as systemd names it: relative to /run.
pub fn runtime_directory(site: &Site<'_>) -> Result<String, RenderError> {
    let folder = site.path("postgres_socket")?;
    Ok(folder.strip_prefix("/run/").unwrap_or(&folder).to_owned())
}

/// PostgreSQL's `max_connections`, as the spec or this module sets it.
pub fn max_connections(plan: &Plan) -> u32 {
    let wanted = plan.spec.postgres.parameters.get("max_connections");
    wanted
        .and_then(|text| text.parse().ok())
        .unwrap_or(MAX_CONNECTIONS)
}

/// YAML with a line that says what it is.
pub fn yaml(path: &str, title: &str, value: &impl Serialize) -> Result<String, RenderError> {
    // A value stays on its line, however long: people search these files.
    let options = serde_yaml::ser_options! { prefer_block_scalars: false };
    let text =
        serde_yaml::to_string_with_options(value, options).map_err(|error| RenderError::Yaml {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
    Ok(format!("# {title}\n{text}"))
}

fn settings(site: &Site<'_>) -> Result<Settings, RenderError> {
    let rest = socket(site.address(), site.ports().patroni);
    let (certificate, key) = (places::certificate("patroni"), places::key("patroni"));
    let port = site.ports().etcd_client;
    Ok(Settings {
        scope: site.cluster_name().to_owned(),
        namespace: NAMESPACE,
        name: site.node.name.to_string(),
        restapi: Rest {
            listen: rest.clone(),
            connect_address: rest,
            certfile: certificate.clone(),
            keyfile: key.clone(),
            cafile: places::CA,
            // HAProxy asks without a certificate; a write needs one, and a password.
            verify_client: "optional",
        },
        ctl: Ctl {
            insecure: false,
            cacert: places::CA,
            certfile: certificate.clone(),
            keyfile: key.clone(),
        },
        etcd3: Etcd3 {
            hosts: site
                .addresses(Role::Etcd)
                .map(|address| socket(address, port))
                .collect(),
            protocol: "https",
            cacert: places::CA,
            cert: certificate,
            key,
        },
        bootstrap: bootstrap(site)?,
        postgresql: postgresql(site)?,
        watchdog: Watchdog { mode: "off" },
    })
}

fn bootstrap(site: &Site<'_>) -> Result<Bootstrap, RenderError> {
    let psql = format!("{}/psql", site.path("postgres_bin")?);
    let node_program = site.path("node_program")?;
    Ok(Bootstrap {
        dcs: dynamic(site.plan),
        method: "pgbundle",
        pgbundle: Method {
            command: format!("{node_program} initdb"),
            no_params: true,
        },
        post_bootstrap: format!(
            "{node_program} finish-bootstrap {psql} --no-psqlrc --quiet --file={}",
            postgres::POST_BOOTSTRAP
        ),
        // Patroni uses neither with a method of one's own and with
        // postgresql.pg_hba, but `patroni --validate-config` asks for both.
        initdb: postgres::initdb_arguments(site.plan)
            .iter()
            .map(|argument| argument.trim_start_matches('-').to_owned())
            .collect(),
        pg_hba: pg_hba(site),
    })
}

fn dynamic(plan: &Plan) -> Dynamic {
    let synchronous = plan.spec.postgres.synchronous;
    Dynamic {
        // A leader that is gone is succeeded when its lease ends: 15 to 20 s
        // after the cut with these, 20 to 30 s with Patroni's defaults (30, 10,
        // 10). Where etcd's own leader was on the same host it takes up to 6 s
        // more: its successor gives every lease its whole time again. 20 is the shortest lease that Patroni takes; it must hold
        // loop_wait and two times retry_timeout, so that a leader that cannot
        // reach etcd has stepped down before another may lead. Seven seconds
        // outlast an election of etcd's (1.5 to 3 s, and once more where the
        // votes were split): a host lost beside the leader costs no failover.
        ttl: 20,
        loop_wait: 5,
        retry_timeout: 7,
        maximum_lag_on_failover: 1_048_576,
        check_timeline: true,
        failsafe_mode: true,
        synchronous_mode: synchronous != Synchronous::Off,
        synchronous_mode_strict: synchronous == Synchronous::Strict,
        synchronous_node_count: 1,
        postgresql: DynamicPostgresql {
            use_pg_rewind: true,
            use_slots: true,
            parameters: parameters(plan),
        },
    }
}

/// Parameters of the whole cluster: defaults, and the spec's over them.
fn parameters(plan: &Plan) -> BTreeMap<String, String> {
    let defaults = [
        ("log_checkpoints", "on"),
        ("log_line_prefix", "%m [%p] %q%u@%d "),
        ("log_lock_waits", "on"),
        ("wal_keep_size", "512MB"),
    ];
    let mut parameters: BTreeMap<String, String> = defaults
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    parameters.insert("max_connections".to_owned(), MAX_CONNECTIONS.to_string());
    parameters.extend(plan.spec.postgres.parameters.clone());
    parameters
}

fn postgresql(site: &Site<'_>) -> Result<Postgresql, RenderError> {
    let port = site.ports().postgres;
    let socket_directory = site.path("postgres_socket")?;
    let user = &site.component("postgresql")?.user;
    Ok(Postgresql {
        listen: format!("{},127.0.0.1:{port}", site.address()),
        connect_address: socket(site.address(), port),
        data_dir: site.path("postgres_data")?,
        bin_dir: site.path("postgres_bin")?,
        // In memory; the WAL receiver reads it even when Patroni is down.
        pgpass: format!("{socket_directory}/patroni.pgpass"),
        use_unix_socket: true,
        use_unix_socket_repl: true,
        // A new member does not wait for a checkpoint that is spread over minutes.
        basebackup: vec!["checkpoint=fast"],
        authentication: Authentication {
            superuser: login("postgres"),
            replication: login("replicator"),
            rewind: login("rewind"),
        },
        parameters: BTreeMap::from([
            ("password_encryption", "scram-sha-256".to_owned()),
            ("ssl", "on".to_owned()),
            ("ssl_ca_file", places::CA.to_owned()),
            ("ssl_cert_file", places::certificate("postgres")),
            ("ssl_key_file", places::key("postgres")),
            ("unix_socket_directories", socket_directory),
        ]),
        pg_hba: pg_hba(site),
        pg_ident: vec![format!("pgbundle {user} pgbouncer_lookup")],
    })
}

/// Any server with a certificate of this cluster's CA is a member: nothing else is signed by it.
fn login(username: &'static str) -> Login {
    Login {
        username,
        sslmode: "verify-ca",
        sslrootcert: places::CA,
    }
}

/// The first line that matches decides (PostgreSQL manual, 21.1).
fn pg_hba(site: &Site<'_>) -> Vec<String> {
    let mut lines = vec![
        "local all postgres peer".to_owned(),
        "local all pgbouncer_lookup peer map=pgbundle".to_owned(),
        "local all all scram-sha-256".to_owned(),
        "local replication replicator scram-sha-256".to_owned(),
    ];
    for address in site.addresses(Role::Postgres) {
        let network = ipnet::IpNet::from(address);
        lines.push(format!(
            "hostssl replication replicator {network} scram-sha-256"
        ));
        lines.push(format!("hostssl all rewind {network} scram-sha-256"));
    }
    lines.push("hostssl all replicator,rewind,pgbouncer_lookup all reject".to_owned());
    lines.push("hostssl all all all scram-sha-256".to_owned());
    lines
}
