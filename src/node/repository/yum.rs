//! The configuration under which yum 3.4 and dnf see the roles' bundles as
//! their only repositories (yum.conf(5), dnf.conf(5)).
//!
//! Each bundle is a repository with an index of its own; that one package lies
//! in several of them is nothing to either program. The index carries no
//! signature: its digest was checked against the bundle's signed manifest.
//! Packages are checked by rpm once more, by the keys of who made them, which
//! the bundle carries; only what nobody signs stands in a repository without.

use super::super::bundles::RoleBundle;
use super::super::durable::{self, Rights};
use super::super::host::{Host, read_if_there};
use super::super::stop::Stop;

/// Where it lies on the host.
pub const CONFIGURATION: &str = "/var/lib/pgbundle/yum/yum.conf";

/// What holds for all of them. Each line is known to both programs, or passed
/// over by the one that does not know it: yum reads the options it knows, dnf
/// notes the others in its log.
const MAIN: &str = "\
[main]
# nothing of the host's own: no repositories, plugins, caches
reposdir=/dev/null
plugins=0
cachedir=/var/lib/pgbundle/yum/cache
persistdir=/var/lib/pgbundle/yum/persist
metadata_expire=0
keepcache=0
gpgcheck=1
# what is asked for in the bundles' version, or it fails; and nothing besides
best=1
install_weak_deps=0
clean_requirements_on_remove=0
installonly_limit=0
multilib_policy=best
obsoletes=1
# yum goes on without a name that it does not find, and keeps what was refused in /tmp
skip_missing_names_on_install=0
autosavets=0
";

/// The whole configuration.
pub fn configuration(bundles: &[RoleBundle]) -> String {
    let sections = bundles.iter().map(section);
    MAIN.to_owned() + &sections.collect::<String>()
}

fn section(bundle: &RoleBundle) -> String {
    let role = bundle.assignment.role;
    let keys = bundle.manifest.packages.files.iter().filter(|file| {
        let path = file.path.as_str();
        path.starts_with(KEYS)
    });
    let keys: String = keys
        .map(|file| format!(" file://{}", file.path.under(&bundle.folder).display()))
        .collect();
    // Packages are of no module here; none that the host has hides them.
    format!(
        "\n[pgbundle-{role}]\nname=the packages of {role}\nbaseurl=file://{}\nenabled=1\n\
         skip_if_unavailable=0\nmodule_hotfixes=1\nrepo_gpgcheck=0\ngpgcheck=1\ngpgkey={}\n",
        bundle.folder.join("packages").display(),
        keys.trim_start(),
    )
}

/// Where a bundle has the certificates of those who sign its packages.
const KEYS: &str = "packages/keys/";

/// Whether the host has it so.
pub fn is_current(host: &Host, bundles: &[RoleBundle]) -> Result<bool, Stop> {
    let stored = read_if_there(&host.path(CONFIGURATION))?;
    Ok(stored == Some(configuration(bundles).into_bytes()))
}

/// Writes it.
pub fn build(host: &Host, bundles: &[RoleBundle]) -> Result<(), Stop> {
    let text = configuration(bundles);
    let place = host.path(CONFIGURATION);
    Ok(durable::write(&place, text.as_bytes(), Rights::own(0o644))?)
}
