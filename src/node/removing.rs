//! Taking packages away: exactly those that came with us, and nothing with them.

use std::collections::BTreeSet;

use super::brought::Brought;
use super::host::Host;
use super::packages::PackageManager;
use super::stop::Stop;
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
/// All of ours at once first. While others would go with them, each of ours is
/// asked about alone: who takes another one's package with it stays.
pub fn plan(
    host: &Host,
    manager: PackageManager,
    brought: &Brought,
    kept: &[DataDirectory],
) -> Result<Removal, Stop> {
    let mut removal = Removal {
        gone: manager.there(host)?,
        ..Removal::default()
    };
    removal.gone.retain(|name| brought.is_ours(name));
    loop {
        let others = manager.changed_with(host, &removal.gone)?;
        if others.is_empty() {
            break;
        }
        let mut needed = BTreeSet::new();
        for name in &removal.gone {
            let alone = manager.changed_with(host, &BTreeSet::from([name.clone()]))?;
            if !alone.is_subset(&removal.gone) {
                needed.insert(name.clone());
            }
        }
        if needed.is_empty() {
            let others: Vec<String> = others.into_iter().collect();
            return Err(Stop::refuse(format!(
                "without our packages [{}] would go, too: remove them first",
                others.join(" ")
            )));
        }
        removal.gone.retain(|name| !needed.contains(name));
        removal.needed.extend(needed);
    }
    for name in &removal.gone {
        if names_data(&manager.last_script(host, name)?, kept) {
            removal.unpurged.insert(name.clone());
        }
    }
    Ok(removal)
}

/// Whether a script names one of these folders, a folder above it, or its owner.
/// (Debian's etcd-server removes /var/lib/etcd and the user when it is purged.)
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
            "rm -rf /var/lib/etcd/",
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
        let all = "--simulate purge etcd-server libpq5 libssl3";
        system.answer(
            all,
            0,
            "Purg etcd-server [1]\nPurg libssl3 [1]\nPurg libpq5 [1]\n",
        );
        let removal = plan(&host, PackageManager::Apt, &brought, &[]).unwrap();
        assert_eq!(
            Vec::from_iter(&removal.gone),
            ["etcd-server", "libpq5", "libssl3"]
        );
        assert!(removal.needed.is_empty());
        // Something that was installed since needs libssl3, which needs nothing of ours.
        system.answer(
            "purge etcd-server",
            0,
            "Purg etcd-server [1]\nPurg libpq5 [1]\n",
        );
        system.answer("purge libpq5", 0, "Purg libpq5 [1]\n");
        system.answer("purge libssl3", 0, "Purg libssl3 [1]\nRemv theirs [1]\n");
        system.answer(all, 0, "Purg libssl3 [1]\nRemv theirs [1]\n");
        let removal = plan(&host, PackageManager::Apt, &brought, &[]).unwrap();
        assert_eq!(Vec::from_iter(&removal.gone), ["etcd-server", "libpq5"]);
        assert_eq!(Vec::from_iter(&removal.needed), ["libssl3"]);
        let kept = BTreeSet::from(["etcd-server".to_owned()]);
        let calls = PackageManager::Apt.remove_calls(&host, &removal.gone, &kept);
        assert!(
            calls[0]
                .to_string()
                .ends_with("--yes remove etcd-server libpq5")
        );
        assert!(calls[1].to_string().ends_with("--yes purge libpq5"));
    }

    #[test]
    fn rpm_is_asked_again_until_only_what_nobody_needs_is_left() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let mut brought = Brought::default();
        for name in ["a", "b", "c"] {
            brought.packages.insert(name.to_owned(), None);
        }
        let list = "a x86_64 0:1-1\nb x86_64 0:1-1\nc x86_64 0:1-1\ntheirs x86_64 0:1-1\n";
        system.answer("--queryformat", 0, list);
        let needs = |names: &str, errors: &str| {
            let status = i32::from(!errors.is_empty());
            system.complain(&format!("--test {names}"), status, errors);
        };
        // theirs needs a, and a needs b.
        let by_theirs = "\ta is needed by (installed) their-s-1-1.x86_64\n";
        let by_a = "\tb is needed by (installed) a-1-1.x86_64\n";
        needs("a", by_theirs);
        needs("b", by_a);
        needs("c", "");
        needs("b c", by_a);
        needs("a b c", by_theirs);
        let removal = plan(&host, PackageManager::Rpm, &brought, &[]).unwrap();
        assert_eq!(Vec::from_iter(&removal.gone), ["c"]);
        assert_eq!(Vec::from_iter(&removal.needed), ["a", "b"]);
        let calls = PackageManager::Rpm.remove_calls(&host, &removal.gone, &BTreeSet::new());
        assert_eq!(calls.len(), 1);
        assert!(calls[0].to_string().ends_with("--erase c"), "{}", calls[0]);
    }
}
