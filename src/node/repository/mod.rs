//! What the package manager installs from: the roles' bundles, and nothing else.

pub mod flat;
pub mod yum;

use super::bundles::RoleBundle;
use super::host::Host;
use super::packages::PackageManager;
use super::stop::Stop;

/// Whether it lies as the bundles want it.
pub fn is_current(host: &Host, bundles: &[RoleBundle]) -> Result<bool, Stop> {
    match PackageManager::of_all(bundles) {
        Some(PackageManager::Apt) => flat::is_current(host, bundles),
        Some(PackageManager::Rpm) => yum::is_current(host, bundles),
        None => Ok(true),
    }
}

/// Lays it so.
pub fn build(host: &Host, bundles: &[RoleBundle]) -> Result<(), Stop> {
    match PackageManager::of_all(bundles) {
        Some(PackageManager::Apt) => flat::build(host, bundles),
        Some(PackageManager::Rpm) => yum::build(host, bundles),
        None => Ok(()),
    }
}

/// How to say so in shell.
pub fn describe(bundles: &[RoleBundle]) -> Option<String> {
    let lines = match PackageManager::of_all(bundles)? {
        PackageManager::Apt => {
            "# put the roles' packages side by side into /var/lib/pgbundle/repository".to_owned()
        }
        PackageManager::Rpm => format!(
            "cat > {} <<'end'\n{}end",
            yum::CONFIGURATION,
            yum::configuration(bundles)
        ),
    };
    Some(lines)
}
