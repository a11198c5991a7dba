//! The files of a node that hold a secret: they travel in its seed alone.

use minijinja::context;
use serde::Serialize;

use super::draft::{access, owned};
use super::site::{component, profile_path};
use super::{RenderError, etcd, haproxy, patroni, pgbouncer, places, templates};
use crate::bundle::assignment::Access;
use crate::plan::Plan;
use crate::seed::identity::SecretFile;

/// A certificate with its key, both PEM.
#[derive(Clone, Copy)]
pub struct KeyPair<'a> {
    /// The certificate, and what must follow it up to the CA.
    pub certificate: &'a str,
    /// The private key.
    pub key: &'a str,
}

/// What a member of etcd keeps to itself.
#[derive(Clone, Copy)]
pub struct EtcdSecrets<'a> {
    /// For its clients and for its peers, in both directions.
    pub tls: KeyPair<'a>,
}

/// What a data node keeps to itself.
#[derive(Clone, Copy)]
pub struct PostgresSecrets<'a> {
    /// Patroni's: REST API, and client of etcd and of the other members.
    pub patroni: KeyPair<'a>,
    /// PostgreSQL's and PgBouncer's.
    pub postgres: KeyPair<'a>,
    /// Password of the superuser `postgres`.
    pub superuser: &'a str,
    /// Password of `replicator`.
    pub replication: &'a str,
    /// Password of `rewind`.
    pub rewind: &'a str,
    /// Password of `patroni`, who may write through the REST API.
    pub rest: &'a str,
}

/// What a proxy keeps to itself.
#[derive(Clone, Copy)]
pub struct ProxySecrets<'a> {
    /// Password of `statistics`: letters and digits.
    pub statistics: &'a str,
}

/// The secrets of a node, one part for each role that it carries.
#[derive(Clone, Copy, Default)]
pub struct NodeSecretsInput<'a> {
    /// As a member of etcd.
    pub etcd: Option<EtcdSecrets<'a>>,
    /// As a data node.
    pub postgres: Option<PostgresSecrets<'a>>,
    /// As a proxy.
    pub proxy: Option<ProxySecrets<'a>>,
}

/// Renders a node's secret files, sorted by path.
pub fn secret_files(
    plan: &Plan,
    secrets: &NodeSecretsInput<'_>,
) -> Result<Vec<SecretFile>, RenderError> {
    let mut files = Vec::new();
    if let Some(secrets) = &secrets.etcd {
        let user = &component(plan, "etcd")?.user;
        files.extend(key_pair("etcd", user, &[etcd::SERVICE], secrets.tls)?);
    }
    if let Some(secrets) = &secrets.postgres {
        files.extend(postgres(plan, secrets)?);
    }
    if let Some(secrets) = &secrets.proxy {
        files.push(statistics(plan, secrets)?);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn postgres(plan: &Plan, secrets: &PostgresSecrets<'_>) -> Result<Vec<SecretFile>, RenderError> {
    let user = &component(plan, "postgresql")?.user;
    let mut files = key_pair("patroni", user, &[patroni::SERVICE], secrets.patroni)?;
    files.extend(key_pair(
        "postgres",
        user,
        &[patroni::SERVICE, pgbouncer::SERVICE],
        secrets.postgres,
    )?);
    let path = format!(
        "{}/20-secrets.yml",
        profile_path(plan, "patroni_configuration")?
    );
    files.push(SecretFile {
        content: passwords(&path, secrets)?,
        path: path.parse()?,
        access: access("root", user, 0o640),
        services: owned(&[patroni::SERVICE]),
        is_certificate: false,
    });
    Ok(files)
}

fn statistics(plan: &Plan, secrets: &ProxySecrets<'_>) -> Result<SecretFile, RenderError> {
    let values = context! { password => secrets.statistics };
    Ok(SecretFile {
        path: profile_path(plan, "haproxy_secrets")?.parse()?,
        access: access("root", &component(plan, "haproxy")?.user, 0o640),
        content: templates::fill("proxy/haproxy-secrets.cfg.j2", values)?,
        services: owned(&[haproxy::SERVICE]),
        is_certificate: false,
    })
}

fn key_pair(
    name: &str,
    user: &str,
    services: &[&str],
    pair: KeyPair<'_>,
) -> Result<Vec<SecretFile>, RenderError> {
    let file = |path: String, access: Access, content: &str| {
        Ok::<_, RenderError>(SecretFile {
            path: path.parse()?,
            access,
            content: content.to_owned(),
            services: owned(services),
            is_certificate: true,
        })
    };
    Ok(vec![
        file(
            places::certificate(name),
            access("root", "root", 0o644),
            pair.certificate,
        )?,
        file(places::key(name), access(user, user, 0o600), pair.key)?,
    ])
}

#[derive(Serialize)]
struct Passwords<'a> {
    restapi: Rest<'a>,
    postgresql: Postgresql<'a>,
}

#[derive(Serialize)]
struct Rest<'a> {
    authentication: Login<'a>,
}

#[derive(Serialize)]
struct Postgresql<'a> {
    authentication: Authentication<'a>,
}

#[derive(Serialize)]
struct Authentication<'a> {
    superuser: Password<'a>,
    replication: Password<'a>,
    rewind: Password<'a>,
}

#[derive(Serialize)]
struct Login<'a> {
    username: &'a str,
    password: &'a str,
}

#[derive(Serialize)]
struct Password<'a> {
    password: &'a str,
}

fn passwords(path: &str, secrets: &PostgresSecrets<'_>) -> Result<String, RenderError> {
    let password = |password| Password { password };
    let passwords = Passwords {
        restapi: Rest {
            authentication: Login {
                username: "patroni",
                password: secrets.rest,
            },
        },
        postgresql: Postgresql {
            authentication: Authentication {
                superuser: password(secrets.superuser),
                replication: password(secrets.replication),
                rewind: password(secrets.rewind),
            },
        },
    };
    patroni::yaml(
        path,
        "Patroni's passwords, merged over 10-cluster.yml.",
        &passwords,
    )
}
