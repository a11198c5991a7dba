//! What keeps the system's own automatisms away from the cluster's services.
//!
//! needrestart and unattended-upgrades restart what they upgrade; for these
//! services that is a failover, or the loss of a quorum. Only some systems have
//! them: what a profile has no path for is not written.

use minijinja::context;

use super::RenderError;
use super::draft::Draft;
use super::site::Site;

const COMPONENTS: &[&str] = &[
    "etcd",
    "patroni",
    "postgresql",
    "pgbouncer",
    "haproxy",
    "keepalived",
];

/// Adds the guards. They name every unit and package of the cluster, so that
/// all roles of a node bring the same bytes.
pub fn render(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    let units = COMPONENTS
        .iter()
        .map(|name| Ok(site.component(name)?.unit.clone()))
        .collect::<Result<Vec<_>, RenderError>>()?;
    let mut packages: Vec<String> = site.plan.packages.values().flatten().cloned().collect();
    packages.sort();
    packages.dedup();
    if let Some(path) = site.path_if_any("needrestart") {
        let text = site.fill("common/needrestart.conf.j2", context! { units })?;
        draft.early_file(&path, text)?;
    }
    if let Some(path) = site.path_if_any("unattended_upgrades") {
        let text = site.fill("common/unattended-upgrades.conf.j2", context! { packages })?;
        draft.early_file(&path, text)?;
    }
    draft
        .assignment
        .guarded_units
        .extend(site.plan.profile.disturbing_units.iter().cloned());
    Ok(())
}
