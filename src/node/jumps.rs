//! Versions that cannot follow on those that this host has: etcd's data is read
//! by the next minor version alone (etcd: "Upgrading etcd clusters"), and
//! PostgreSQL's by its own major version alone.

use std::fs;

use super::bundles::RoleBundle;
use super::files::{all_services, data_folders};
use super::host::Host;
use super::packages;
use super::stop::Stop;
use super::system::Call;
use crate::bundle::assignment::Service;

/// What the bundles would make of this host's data, where it has any.
pub fn faults(host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
    let mut faults = Vec::new();
    faults.extend(of_etcd(host, bundles)?);
    faults.extend(of_postgres(host, bundles));
    Ok(faults)
}

fn of_etcd(host: &Host, bundles: &[RoleBundle]) -> Result<Option<String>, Stop> {
    let Some(locked) = locked(bundles, "etcd", |name| name.contains("etcd")) else {
        return Ok(None);
    };
    if !has_data(host, bundles, "member") {
        return Ok(None);
    }
    // Absent where the data outlived its packages: there is nothing to compare with.
    let Ok(said) = host.system.ask(&Call::new("etcd", ["--version"])) else {
        return Ok(None);
    };
    let word = |line: &str| {
        line.strip_prefix("etcd Version:")
            .map(|v| v.trim().to_owned())
    };
    let Some(installed) = said.output.lines().find_map(word) else {
        return Ok(None);
    };
    let (Some(from), Some(to)) = (major_minor(&installed), major_minor(&locked)) else {
        return Ok(None);
    };
    let is_next = to == from || to == (from.0, from.1 + 1);
    Ok((!is_next).then(|| {
        format!(
            "this host has etcd {installed} and data of it, the bundles have {locked}: etcd goes up by one minor version at a time and never back; build with a lock of {}.{} first",
            from.0,
            from.1 + 1
        )
    }))
}

fn of_postgres(host: &Host, bundles: &[RoleBundle]) -> Option<String> {
    let locked = locked(bundles, "patroni", |name| name.contains("postgres"))?;
    let mut folders = data_folders(bundles).map(|data| data.path.under(&host.root));
    let (folder, has) = folders.find_map(|folder| {
        let version = fs::read_to_string(folder.join("PG_VERSION")).ok()?;
        Some((folder, version.trim().to_owned()))
    })?;
    let major = locked.split('.').next().unwrap_or_default();
    (has != major).then(|| {
        format!(
            "the data in `{}` is of PostgreSQL {has}, the bundles have {locked}: another major version does not read it; nothing was touched: keep `postgres.major = {has}`, and take the data to a new cluster by pg_dump or logical replication",
            folder.display()
        )
    })
}

fn has_data(host: &Host, bundles: &[RoleBundle], witness: &str) -> bool {
    data_folders(bundles)
        .filter(|data| data.witness == witness)
        .any(|data| data.path.under(&host.root).join(witness).exists())
}

/// The upstream version of the package that a service is made of.
fn locked(bundles: &[RoleBundle], service: &str, is_it: impl Fn(&str) -> bool) -> Option<String> {
    let service: &Service = all_services(bundles).find(|found| found.name == service)?;
    let entries = packages::entries(bundles);
    let mut made_of = service.packages.iter().filter(|name| is_it(name));
    made_of.find_map(|name| {
        let entry = entries.iter().find(|entry| entry.name == *name)?;
        let version = &entry.version;
        let upstream = version
            .split_once(':')
            .map_or(version.as_str(), |(_, rest)| rest);
        let end = upstream.find(|c: char| !(c.is_ascii_digit() || c == '.'));
        let upstream = &upstream[..end.unwrap_or(upstream.len())];
        upstream
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| upstream.to_owned())
    })
}

fn major_minor(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::durable::{self, Rights};
    use crate::node::services::tests::role;
    use crate::node::system::recorded::Recorded;

    fn bundle(
        service: &str,
        package: &str,
        version: &str,
        folder: &str,
        witness: &str,
    ) -> RoleBundle {
        let mut bundle = role("etcd", &format!("{service}.service"));
        for found in &mut bundle.assignment.services {
            if found.unit == format!("{service}.service") {
                found.name = service.to_owned();
                found.packages = vec![package.to_owned()];
            }
        }
        let entry = serde_json::json!({
            "name": package, "version": version, "architecture": "amd64", "sha256": "0".repeat(64),
        });
        bundle.manifest.package_list = vec![serde_json::from_value(entry).unwrap()];
        let access = serde_json::json!({"owner": "a", "group": "a", "mode": "0700"});
        let data = serde_json::json!({"path": folder, "access": access, "witness": witness});
        bundle.assignment.data = vec![serde_json::from_value(data).unwrap()];
        bundle
    }

    #[test]
    fn etcd_goes_up_by_one_minor_version_and_never_back() {
        let (root, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(root.path());
        let faults = |version: &str| {
            let bundle = bundle("etcd", "etcd-server", version, "/var/lib/etcd/x", "member");
            super::faults(&host, &[bundle]).unwrap()
        };
        system.answer("etcd --version", 0, "etcd Version: 3.4.23\nGit SHA: x\n");
        assert!(faults("3.6.1-1").is_empty(), "there is no data yet");
        durable::write(
            &host.path("/var/lib/etcd/x/member/snap"),
            b"",
            Rights::own(0o600),
        )
        .unwrap();
        for good in ["3.4.23+dfsg-4", "3.4.30-1", "0:3.5.9-1.el8"] {
            assert!(faults(good).is_empty(), "{good}");
        }
        for bad in ["3.6.1-1", "3.3.11-2.el7", "4.0.0-1"] {
            let told = faults(bad).join("");
            assert!(
                told.contains("has etcd 3.4.23") && told.contains("lock of 3.5"),
                "{told}"
            );
        }
    }

    #[test]
    fn every_other_major_version_of_postgresql_is_refused() {
        let (root, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(root.path());
        let folder = "/var/lib/pgsql/15/data";
        let faults = |name: &str, version: &str| {
            super::faults(
                &host,
                &[bundle("patroni", name, version, folder, "PG_VERSION")],
            )
            .unwrap()
        };
        assert!(
            faults("postgresql-16", "16.1-1").is_empty(),
            "there is no data yet"
        );
        durable::write(
            &host.path(&format!("{folder}/PG_VERSION")),
            b"15\n",
            Rights::own(0o600),
        )
        .unwrap();
        assert!(faults("postgresql15-server", "15.14-1PGDG.rhel7").is_empty());
        assert!(faults("vmware-postgres15", "1:15.4-1").is_empty());
        for (name, version) in [
            ("postgresql-16", "16.1-1"),
            ("postgresql14-server", "14.9-1"),
        ] {
            let told = faults(name, version).join("");
            assert!(told.contains("is of PostgreSQL 15"), "{told}");
        }
    }
}
