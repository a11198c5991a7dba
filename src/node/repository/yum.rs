//! The configuration under which yum 3.4 and dnf see the roles' bundles as
//! their only repositories (yum.conf(5), dnf.conf(5)).
//!
//! Each bundle is a repository with an index of its own; that one package lies
//! in several of them is nothing to either program. The index carries no
//! signature: its digest was checked against the bundle's signed manifest.
//! Packages are checked by rpm once more, by the keys of who made them, which
//! the bundle carries; only what nobody signs stands in a repository without.

use std::path::Path;

use crate::bundle::manifest::ManifestFile;
use crate::bundle::{BY_DIGEST, KEYS, REPOSITORY};
use crate::node::bundles::RoleBundle;
use crate::node::durable::{self, Rights};
use crate::node::host::{Host, read_if_there};
use crate::node::stop::Stop;

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
    let sections = bundles.iter().flat_map(|bundle| {
        let of = move |root| section(bundle, root);
        [REPOSITORY, BY_DIGEST].into_iter().filter_map(of)
    });
    MAIN.to_owned() + &sections.collect::<String>()
}

/// One of a bundle's repositories, where it has that one.
fn section(bundle: &RoleBundle, root: &str) -> Option<String> {
    let files = &bundle.manifest.packages.files;
    let index = format!("{root}/repodata/repomd.xml");
    files.iter().find(|file| file.path.as_str() == index)?;
    let role = bundle.assignment.role;
    let (name, signed) = match root {
        BY_DIGEST => (
            format!("pgbundle-{role}-by-digest"),
            "gpgcheck=0".to_owned(),
        ),
        _ => (
            format!("pgbundle-{role}"),
            format!("gpgcheck=1\ngpgkey={}", keys(bundle).join(" ")),
        ),
    };
    // Packages are of no module here; none that the host has hides them.
    Some(format!(
        "\n[{name}]\nname=packages of {role}\nbaseurl=file://{}\nenabled=1\n\
         skip_if_unavailable=0\nmodule_hotfixes=1\nrepo_gpgcheck=0\n{signed}\n",
        bundle.folder.join(root).display(),
    ))
}

/// The addresses of the certificates that the bundle carries.
fn keys(bundle: &RoleBundle) -> Vec<String> {
    let files = bundle.manifest.packages.files.iter();
    let keys = files.filter(|file| Path::new(file.path.as_str()).starts_with(KEYS));
    let address =
        |file: &ManifestFile| format!("file://{}", file.path.under(&bundle.folder).display());
    keys.map(address).collect()
}

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
