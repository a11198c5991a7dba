//! dpkg's half: it flushes its own records, but not what it unpacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{empty, entries, torn};
use crate::node::bundles::RoleBundle;
use crate::node::durable::{self, Rights};
use crate::node::host::{Host, read_if_there};
use crate::node::installing::Mark;
use crate::node::packages::{self, PackageManager};
use crate::node::records::{STATUS, STATUS_BEFORE};
use crate::node::repository::flat;
use crate::node::stop::Stop;
use crate::node::system::Call;

/// Mends what can be, and says what it did.
pub(super) fn mend(host: &Host, bundles: &[RoleBundle], mark: &Mark) -> Result<Vec<String>, Stop> {
    let mut done = records(host)?;
    done.extend(lists(host, bundles)?);
    done.extend(empty(host, &mark.empty, &listed(host)?)?);
    done.extend(configuration(host)?);
    // apt reads its index again; what it made of the last reading may be torn.
    durable::remove_tree(&host.state("apt/cache"))?;
    Ok(done)
}

/// dpkg's list of packages, or the one from before.
fn records(host: &Host) -> Result<Vec<String>, Stop> {
    if PackageManager::Apt
        .installed(host)
        .is_ok_and(|installed| !installed.is_empty())
    {
        return Ok(Vec::new());
    }
    let Some(before) = read_if_there(&host.state(STATUS_BEFORE))? else {
        return Err(Stop::World(format!(
            "dpkg's list of packages, `{STATUS}`, cannot be read since the power was cut, and there is no copy of it: bring back a copy from /var/backups, or make this host anew"
        )));
    };
    // Changes that were not yet merged into the list belong to the list that is lost.
    for change in entries(&host.path("/var/lib/dpkg/updates"))? {
        durable::remove(&change)?;
    }
    durable::write(&host.path(STATUS), &before, Rights::own(0o644))?;
    PackageManager::Apt.installed(host)?;
    Ok(vec![format!(
        "`{STATUS}` could not be read: the list from before is back"
    )])
}

/// dpkg stops for good at a list of files that ends within a line, and goes on without one.
fn lists(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
    let mut done = Vec::new();
    for entry in packages::entries(bundles) {
        let names = [
            format!("{}.list", entry.name),
            format!("{}:{}.list", entry.name, entry.architecture),
        ];
        for path in names.map(|name| host.path("/var/lib/dpkg/info").join(name)) {
            let list = read_if_there(&path)?.unwrap_or_default();
            if list.last().is_some_and(|last| *last != b'\n') {
                durable::remove(&path)?;
                done.push(format!("`{}` was cut off: removed", path.display()));
            }
        }
    }
    Ok(done)
}

/// Every path that a package is known by.
fn listed(host: &Host) -> Result<BTreeSet<PathBuf>, Stop> {
    let mut listed = BTreeSet::new();
    for path in entries(&host.path("/var/lib/dpkg/info"))? {
        if path.extension().is_some_and(|kind| kind == "list") {
            let list = read_if_there(&path)?.unwrap_or_default();
            let list = String::from_utf8_lossy(&list);
            listed.extend(list.lines().map(|line| host.path(line)));
        }
    }
    Ok(listed)
}

/// Takes away configuration files that end too early.
fn configuration(host: &Host) -> Result<Vec<String>, Stop> {
    let unpacked = host.state("apt/unpacked");
    let mut done = Vec::new();
    for package in entries(&flat::folder(host).join("pool"))? {
        let names = conffiles(host, &package)?;
        if names.is_empty() {
            continue;
        }
        durable::remove_tree(&unpacked)?;
        let [from, to] = [&package, &unpacked].map(|path| path.display().to_string());
        let extract = Call::new("dpkg-deb", ["--extract", &from, &to]);
        host.system.run(&extract.within(packages::LONG))?;
        done.extend(torn(host, &names, &unpacked)?);
    }
    durable::remove_tree(&unpacked)?;
    Ok(done)
}

/// The configuration files that a package names (deb-conffiles(5)).
fn conffiles(host: &Host, package: &Path) -> Result<Vec<String>, Stop> {
    let package = package.display().to_string();
    // It fails for a package that has none.
    let said = host
        .system
        .ask(&Call::new("dpkg-deb", ["--info", &package, "conffiles"]))?;
    let paths = said.output.lines().map(str::trim);
    Ok(if said.succeeded() {
        let is_path = |line: &&str| line.starts_with('/');
        paths.filter(is_path).map(str::to_owned).collect()
    } else {
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::mend;
    use super::super::tests::{lay, mark};
    use super::*;
    use crate::bundle::manifest::Family;
    use crate::node::services::tests::role;
    use crate::node::system::recorded::Recorded;

    fn bundles() -> [RoleBundle; 1] {
        let bundle = role("etcd", "etcd.service");
        assert_eq!(bundle.manifest.family, Family::Deb);
        [bundle]
    }

    #[test]
    fn a_list_of_packages_that_cannot_be_read_gives_way_to_the_one_from_before() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        system.answer("dpkg-query", 0, "ii a 1\n");
        lay(&host, STATUS, "Package: a\n");
        let mark = mark(&host, &bundles());
        assert_eq!(
            mend(&host, &bundles(), &mark).unwrap(),
            Vec::<String>::new()
        );
        lay(&host, STATUS, "");
        lay(&host, "/var/lib/dpkg/updates/0001", "Package: b\nVers");
        // It is empty, so it lists nothing; the copy is readable.
        let list = host.path(STATUS);
        system.answer("dpkg-query", 0, "");
        let done = mend(&host, &bundles(), &mark).unwrap();
        assert!(done[0].contains("the list from before is back"), "{done:?}");
        assert_eq!(fs::read(&list).unwrap(), b"Package: a\n");
        assert!(!host.path("/var/lib/dpkg/updates/0001").exists());
        durable::remove(&host.state(STATUS_BEFORE)).unwrap();
        let stop = mend(&host, &bundles(), &mark).unwrap_err().to_string();
        assert!(stop.contains("/var/backups"), "{stop}");
    }

    #[test]
    fn what_is_empty_since_the_cut_goes_and_what_was_so_before_stays() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        system.answer("dpkg-query", 0, "ii a 1\n");
        lay(&host, "/etc/flag", "");
        let mark = mark(&host, &bundles());
        lay(&host, "/etc/ssl/certificate.pem", "");
        lay(&host, "/etc/userlist.txt", "");
        lay(
            &host,
            "/var/lib/dpkg/info/a.list",
            "/etc\n/etc/userlist.txt\n",
        );
        let done = mend(&host, &bundles(), &mark).unwrap();
        assert_eq!(done.len(), 1, "{done:?}");
        assert!(host.path("/etc/flag").exists() && host.path("/etc/userlist.txt").exists());
        assert!(!host.path("/etc/ssl/certificate.pem").exists());
    }
}
