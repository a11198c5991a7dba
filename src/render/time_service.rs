//! The time service, where the spec names time servers.
//!
//! It keeps the package's own unit: only its servers are the cluster's. Which
//! service a system has, the profile says by the path of its configuration.

use minijinja::context;

use super::RenderError;
use super::draft::Draft;
use super::site::Site;
use crate::bundle::assignment::{Health, Service, TimeKeeper, Uptake};

/// The service's name in reports.
pub const SERVICE: &str = "time";

/// Adds the time service; first of a role, as the others wait for the clock.
pub fn render(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    let servers = &site.plan.spec.time_servers;
    if servers.is_empty() {
        return Ok(());
    }
    let (keeper, template, path) = match site.path_if_any("chrony_configuration") {
        Some(path) => (TimeKeeper::Chrony, "common/chrony.conf.j2", path),
        None => (
            TimeKeeper::Timesyncd,
            "common/timesyncd.conf.j2",
            site.path("timesyncd_configuration")?,
        ),
    };
    draft.file(
        &path,
        &[SERVICE],
        site.fill(template, context! { servers })?,
    )?;
    draft.service(Service {
        name: SERVICE.to_owned(),
        unit: site.component("time")?.unit.clone(),
        packages: site.packages(&["time"])?,
        on_change: Uptake::Restart,
        on_certificate: Uptake::Restart,
        health: Health::ClockInStep {
            waits_for: "the clock to be in step".to_owned(),
            servers: servers.clone(),
            keeper,
        },
    });
    Ok(())
}
