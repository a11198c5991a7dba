//! Taking packages away: exactly those that came with us, and nothing with them.

use std::collections::BTreeSet;

use super::brought::Brought;
use super::host::{Host, read_if_there};
use super::packages::{self, PackageManager, Transaction};
use super::stop::Stop;
use super::system::Call;
use crate::bundle::assignment::DataDirectory;

/// What becomes of the packages that came with us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// They go.
    pub gone: BTreeSet<String>,
    /// Those of them whose own last word (a `purge`) is not said, since it takes
    /// data with it that is to be kept.
    pub unpurged: BTreeSet<String>,
    /// They stay: something else on the host needs them.
    pub needed: BTreeSet<String>,
}

/// Decides, by asking the package manager what would go with what.
///
/// All of ours at once first. Where others would go with them, each of ours is
/// asked about alone: who takes another one's package with it stays.
pub fn plan(
    host: &Host,
    manager: PackageManager,
    brought: &Brought,
    kept: &[DataDirectory],
) -> Result<Removal, Stop> {
    let there = manager.present(host)?;
    let ours: BTreeSet<String> = there
        .into_iter()
        .filter(|name| brought.is_ours(name))
        .collect();
    let mut removal = Removal::default();
    if !others_with(host, manager, &ours, &ours)?.is_empty() {
        for name in &ours {
            let alone = BTreeSet::from([name.clone()]);
            if !others_with(host, manager, &alone, &ours)?.is_empty() {
                removal.needed.insert(name.clone());
            }
        }
    }
    removal.gone = ours.difference(&removal.needed).cloned().collect();
    let others = others_with(host, manager, &removal.gone, &ours)?;
    if !others.is_empty() {
        return Err(Stop::refuse(format!(
            "without our packages [{}] would go, too: remove them first, or say to the package manager that they stay",
            others.into_iter().collect::<Vec<_>>().join(" ")
        )));
    }
    for name in &removal.gone {
        if manager.takes_data(host, name, kept)? {
            removal.unpurged.insert(name.clone());
        }
    }
    Ok(removal)
}

/// Packages that are not ours and would be changed if some of ours went.
fn others_with(
    host: &Host,
    manager: PackageManager,
    names: &BTreeSet<String>,
    ours: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Stop> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let Transaction {
        installs, removals, ..
    } = manager.simulate_removal(host, names)?;
    let changed = installs.into_iter().chain(removals);
    Ok(changed.filter(|name| !ours.contains(name)).collect())
}

impl PackageManager {
    /// The calls that take packages away, in order.
    pub fn remove_calls(self, host: &Host, removal: &Removal) -> Vec<Call> {
        if removal.gone.is_empty() {
            return Vec::new();
        }
        let purged: BTreeSet<String> = removal
            .gone
            .difference(&removal.unpurged)
            .cloned()
            .collect();
        let mut calls = vec![self.apt_call(host, &["--yes", "remove"], &removal.gone)];
        if !purged.is_empty() {
            calls.push(self.apt_call(host, &["--yes", "purge"], &purged));
        }
        calls
    }

    fn simulate_removal(self, host: &Host, names: &BTreeSet<String>) -> Result<Transaction, Stop> {
        let call = self.apt_call(host, &["--simulate", "purge"], names);
        Ok(packages::transaction(&host.system.run(&call)?))
    }

    fn apt_call(self, host: &Host, words: &[&str], names: &BTreeSet<String>) -> Call {
        let mut arguments = packages::options(host);
        // What came with a package of ours and is not ours stays.
        arguments.extend(["-o", "APT::Get::AutomaticRemove=false"].map(str::to_owned));
        arguments.extend(words.iter().map(|&word| word.to_owned()));
        arguments.extend(names.iter().cloned());
        packages::quiet(Call::new("apt-get", arguments))
    }

    /// Names of packages of which anything is on the host, their configuration alone included.
    fn present(self, host: &Host) -> Result<BTreeSet<String>, Stop> {
        let status = packages::status(host)?;
        let parse = |line: &str| {
            let mut words = line.split_whitespace();
            let state = words.next()?.chars().nth(1)?;
            (state != 'n').then_some(())?;
            words.next().map(str::to_owned)
        };
        Ok(status.lines().filter_map(parse).collect())
    }

    /// Whether what a package does when it is purged names one of these folders,
    /// a folder above it, or its owner. (Debian's etcd-server removes
    /// /var/lib/etcd and the user.)
    fn takes_data(self, host: &Host, name: &str, kept: &[DataDirectory]) -> Result<bool, Stop> {
        let script = host.path(&format!("/var/lib/dpkg/info/{name}.postrm"));
        let script = read_if_there(&script)?.unwrap_or_default();
        Ok(names_data(&String::from_utf8_lossy(&script), kept))
    }
}

fn names_data(script: &str, kept: &[DataDirectory]) -> bool {
    let is_word = |c: char| !(c.is_ascii_alphanumeric() || "-_/.".contains(c));
    let words: BTreeSet<&str> = script.split(is_word).collect();
    kept.iter().any(|data| {
        let path = data.path.as_str();
        let ends = path.match_indices('/').map(|(end, _)| end);
        // From the third part on: /var/lib is everybody's.
        let mut above = ends.skip(3).map(|end| &path[..end]);
        let names = |folder: &str| {
            words
                .iter()
                .any(|word| word.trim_end_matches('/') == folder)
        };
        above.any(names) || names(path) || words.contains(data.access.owner.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    fn folder(path: &str, owner: &str) -> DataDirectory {
        let access = serde_json::json!({"owner": owner, "group": owner, "mode": "0700"});
        serde_json::from_value(
            serde_json::json!({"path": path, "access": access, "witness": "member"}),
        )
        .unwrap()
    }

    #[test]
    fn a_purge_that_takes_data_or_its_owner_is_known_by_its_script() {
        let kept = [
            folder("/var/lib/etcd/pgbundle", "etcd"),
            folder("/var/lib/postgresql/15/main", "postgres"),
        ];
        for script in [
            "rm -rf /var/lib/etcd || true",
            "deluser --system etcd",
            "clean_dir /var/lib/postgresql/$VERSION",
        ] {
            assert!(names_data(script, &kept), "{script}");
        }
        for script in [
            "rm -rf /var/lib/haproxy",
            "rm -rf /var/cache/postgresql",
            "update-rc.d postgresql remove",
            "",
        ] {
            assert!(!names_data(script, &kept), "{script}");
        }
    }

    #[test]
    fn what_others_need_stays_and_nothing_of_others_goes() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let mut brought = Brought::default();
        for name in ["etcd-server", "libssl3", "libpq5", "absent"] {
            brought.packages.insert(name.to_owned(), None);
        }
        brought
            .packages
            .insert("tzdata".to_owned(), Some("1".to_owned()));
        let list = "ii etcd-server 1\nii libssl3 1\nrc libpq5 1\nun absent\nii tzdata 2\n";
        system.answer("dpkg-query", 0, list);
        let ours = "Purg etcd-server [1]\nPurg libssl3 [1]\nPurg libpq5 [1]\n";
        let with = |others: &str| {
            system.answer(
                "--simulate purge etcd-server libpq5 libssl3",
                0,
                &format!("{ours}{others}"),
            )
        };
        with("");
        let removal = plan(&host, PackageManager::Apt, &brought, &[]).unwrap();
        assert_eq!(
            Vec::from_iter(&removal.gone),
            ["etcd-server", "libpq5", "libssl3"]
        );
        assert!(removal.needed.is_empty());
        // Something that was installed since needs libssl3.
        with("Remv theirs [1]\n");
        system.answer(
            "purge etcd-server",
            0,
            "Purg etcd-server [1]\nPurg libpq5 [1]\n",
        );
        system.answer("purge libpq5", 0, "Purg libpq5 [1]\n");
        system.answer("purge libssl3", 0, "Purg libssl3 [1]\nRemv theirs [1]\n");
        with("Remv theirs [1]\n");
        system.answer(
            "purge etcd-server libpq5",
            0,
            "Purg etcd-server [1]\nPurg libpq5 [1]\n",
        );
        with("Remv theirs [1]\n");
        let removal = plan(&host, PackageManager::Apt, &brought, &[]).unwrap();
        assert_eq!(Vec::from_iter(&removal.gone), ["etcd-server", "libpq5"]);
        assert_eq!(Vec::from_iter(&removal.needed), ["libssl3"]);
        let calls = PackageManager::Apt.remove_calls(&host, &removal);
        assert!(
            calls[1]
                .to_string()
                .ends_with("--yes purge etcd-server libpq5")
        );
    }
}
