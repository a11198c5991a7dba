//! PgBouncer: its settings and its unit.

use minijinja::context;

use super::draft::Draft;
use super::site::{Site, socket};
use super::{RenderError, dialect, patroni, places, postgres};
use crate::bundle::assignment::{Health, Service, Uptake};

/// The service's name in reports.
pub const SERVICE: &str = "pgbouncer";
/// Connections kept for Patroni, replication and people.
const RESERVED: u32 = 20;

/// Adds what PgBouncer needs.
pub fn render(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    let component = site.component("pgbouncer")?;
    let configuration = site.path("pgbouncer_configuration")?;
    draft.file(&configuration, &[SERVICE], settings(site)?)?;
    let unit = site.fill(
        "postgres/pgbouncer.service.j2",
        context! {
            cluster => site.cluster_name(),
            user => component.user.as_str(),
            program => site.path("pgbouncer")?,
            configuration,
            runtime_directory => patroni::runtime_directory(site)?,
            notifies => component.notifies,
        },
    )?;
    site.unit(draft, component, SERVICE, unit)?;
    let port = site.ports().pgbouncer;
    draft.assignment.ports.push(port);
    draft.service(Service {
        name: SERVICE.to_owned(),
        unit: component.unit.clone(),
        packages: site.packages(&["pgbouncer"])?,
        on_change: Uptake::Reload,
        on_certificate: Uptake::Reload,
        health: Health::Tcp {
            address: socket(site.address(), port),
            waits_for: "PgBouncer to accept connections".to_owned(),
        },
    });
    Ok(())
}

fn settings(site: &Site<'_>) -> Result<String, RenderError> {
    site.fill(
        "postgres/pgbouncer.ini.j2",
        context! {
            pgbouncer => site.dialect::<dialect::Pgbouncer>(SERVICE)?,
            sql => postgres::POST_BOOTSTRAP,
            name => site.node.name.as_str(),
            user => site.component("pgbouncer")?.user.as_str(),
            socket_directory => site.path("postgres_socket")?,
            postgres_port => site.ports().postgres,
            address => site.address().to_string(),
            port => site.ports().pgbouncer,
            certificate => places::certificate("postgres"),
            key => places::key("postgres"),
            ca => places::CA,
            pool_size => pool_size(patroni::max_connections(site.plan)),
        },
    )
}

/// As many as PostgreSQL takes, less the reserved; half of a very small number.
fn pool_size(max_connections: u32) -> u32 {
    max_connections
        .saturating_sub(RESERVED)
        .max(max_connections / 2)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::pool_size;

    #[test]
    fn leaves_connections_for_people() {
        assert_eq!(pool_size(200), 180);
        assert_eq!(pool_size(30), 15);
        assert_eq!(pool_size(1), 1);
    }
}
