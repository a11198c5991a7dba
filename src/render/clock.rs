//! The gate before all services: a unit that ends once the clock is in step.
//!
//! It is ordered before them (`bundles/common/start.conf.j2`) and only wanted,
//! not required: who stops it stops nothing else, and it never fails.

use minijinja::context;

use super::RenderError;
use super::draft::Draft;
use super::site::Site;

const UNIT: &str = "pgbundle-clock.service";

/// Adds the gate; it is the same in all roles of all nodes.
pub fn render(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    let unit = site.fill(
        "common/clock.service.j2",
        context! { node_program => site.path("node_program")? },
    )?;
    draft.file(&format!("{}/{UNIT}", site.path("units")?), &[], unit)
}
