//! The time service, where the spec names time servers.
//!
//! It keeps the package's own unit: only its servers are the cluster's.

use minijinja::context;

use super::RenderError;
use super::draft::Draft;
use super::site::Site;
use crate::bundle::assignment::{Health, Service, Uptake};

/// The service's name in reports.
pub const SERVICE: &str = "timesyncd";

/// Adds the time service; first of a role, as the others wait for the clock.
pub fn render(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    let servers = &site.plan.spec.time_servers;
    if servers.is_empty() {
        return Ok(());
    }
    let settings = site.fill("common/timesyncd.conf.j2", context! { servers })?;
    draft.file(&site.path("timesyncd_configuration")?, &[SERVICE], settings)?;
    draft.service(Service {
        name: SERVICE.to_owned(),
        unit: site.component("timesyncd")?.unit.clone(),
        packages: site.packages(&["timesyncd"])?,
        on_change: Uptake::Restart,
        on_certificate: Uptake::Restart,
        health: Health::ClockInStep {
            waits_for: "the clock to be in step".to_owned(),
            servers: servers.clone(),
        },
    });
    Ok(())
}
