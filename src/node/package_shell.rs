//! What installing the packages comes to, in shell: for who wants to do it by
//! hand, or to know before.

use super::bundles::RoleBundle;
use super::host::Host;
use super::packages::{Flushing, PackageManager, names};
use super::stop::Stop;

/// The lines of the step `packages`, from the mark on.
pub(super) fn install(
    host: &Host,
    manager: PackageManager,
    bundles: &[RoleBundle],
) -> Result<Vec<String>, Stop> {
    let names = names(bundles);
    let files = manager.files(host, bundles)?.into_iter();
    let files: Vec<_> = files.map(|(_, file)| file).collect();
    let install = manager.install_call(host, &names, Flushing::AtTheEnd);
    let again = manager.again_call(host, &files, Flushing::AtTheEnd);
    let mark = "touch /var/lib/pgbundle/installing.json && sync   # a mark: what is installed is not on the disk yet";
    let end =
        "sync && rm /var/lib/pgbundle/installing.json && sync   # with each file system's answer";
    let mut lines = Vec::new();
    match manager {
        PackageManager::Apt => {
            lines.push("printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d   # until the packages are installed".to_owned());
            lines.push(mark.to_owned());
            lines.extend(manager.repair_call(host).map(|call| call.to_string()));
            lines.extend([
                "# first, each file flushed by dpkg, those of them that this host has in an older version; then:".to_owned(),
                install.to_string(),
                end.to_owned(),
                "# and where the mark was there from before, the power was cut in between: dpkg's status is not".to_owned(),
                "# believed, and what this host did not have before is unpacked again, before the above:".to_owned(),
            ]);
            lines.extend(
                manager
                    .merge_call(host)
                    .map(|call| format!("{call} < /dev/null")),
            );
        }
        PackageManager::Rpm => lines.extend([
            "cp -a /var/lib/rpm /var/lib/pgbundle/rpmdb-before".to_owned(),
            mark.to_owned(),
            "# without what an earlier generation brought and this one has no more: rpm --erase NAME, where nothing needs it".to_owned(),
            "# first, and with a `sync` at the end, those of them that this host has in an older version; then:".to_owned(),
            install.to_string(),
            format!("{end} && rm -r /var/lib/pgbundle/rpmdb-before"),
            "# and where the mark was there from before, installing was cut off: rpm lists a package before its".to_owned(),
            "# scripts ran, so what is listed and this host did not have before is installed again, before the above:".to_owned(),
        ]),
    }
    lines.push(again.to_string());
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::manifest::Family;
    use crate::node::services::tests::role;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn each_family_is_told_its_own_calls_and_no_other() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let said = |family| {
            let mut bundle = role("etcd", "etcd.service");
            bundle.manifest.family = family;
            bundle.assignment.packages = vec!["etcd".to_owned()];
            let lines = install(&host, PackageManager::of(family), &[bundle]).unwrap();
            lines.join("\n")
        };
        let (deb, rpm) = (said(Family::Deb), said(Family::Rpm));
        for word in ["apt-get", "dpkg", "policy-rc.d"] {
            assert!(deb.contains(word) && !rpm.contains(word), "{word}");
        }
        for word in [" yum ", "rpmdb-before", "--replacepkgs"] {
            assert!(rpm.contains(word) && !deb.contains(word), "{word}");
        }
        assert!(system.take().is_empty(), "nothing is asked for that");
    }
}
