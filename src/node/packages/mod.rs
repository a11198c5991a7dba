//! The host's package manager, with the bundles as its only source.
//!
//! Every other source, pin, plugin and cache of the host is left out by
//! options, and what is left are folders, so no package can come from
//! elsewhere. Each family's calls and what is read of their answers are in a
//! file of their own.

mod apt;
mod rpm;

pub(super) use rpm::root_option as rpm_root;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::bundles::RoleBundle;
use super::host::Host;
use super::stop::Stop;
use super::system::Call;
use crate::bundle::manifest::{Family, PackageEntry};

/// Installing takes minutes on a slow disk, and another manager may hold the lock for ten.
pub const LONG: Duration = Duration::from_secs(3600);

/// The package manager of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageManager {
    /// dpkg and apt.
    Apt,
    /// rpm with yum, which is dnf from EL 8 on.
    Rpm,
}

/// When what is installed comes to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushing {
    /// Each file before it gets its name, where the manager can (dpkg, and rpm
    /// from 4.14 on): a cut leaves each file as it was or as it will be. For
    /// what the host already has, and may need to boot.
    Each,
    /// At the end: faster by far, for what the host never had, under the mark
    /// of [`super::installing`].
    AtTheEnd,
}

/// What a transaction would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Packages installed or upgraded.
    pub installs: Vec<String>,
    /// Those of them that the host has in another version, or that take the
    /// place of another package.
    pub upgrades: Vec<String>,
    /// Packages removed.
    pub removals: Vec<String>,
    /// Packages taken back to an older version.
    pub downgrades: Vec<String>,
}

impl PackageManager {
    /// The manager of a family.
    pub fn of(family: Family) -> Self {
        match family {
            Family::Deb => Self::Apt,
            Family::Rpm => Self::Rpm,
        }
    }

    /// The manager that the bundles are for; none where there are none.
    pub fn of_all(bundles: &[RoleBundle]) -> Option<Self> {
        bundles
            .first()
            .map(|bundle| Self::of(bundle.manifest.family))
    }

    /// Names and versions of what is installed and configured, versions as
    /// the bundles' manifests write them.
    pub fn installed(self, host: &Host) -> Result<Vec<(String, String)>, Stop> {
        match self {
            Self::Apt => apt::installed(host),
            Self::Rpm => rpm::installed(host),
        }
    }

    /// Packages that stand half installed: what a cut left between unpacked and
    /// configured (dpkg), or in two versions side by side (rpm).
    pub fn unfinished(self, host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
        match self {
            Self::Apt => apt::unfinished(host),
            Self::Rpm => rpm::unfinished(host, bundles),
        }
    }

    /// Whether installing may replace anything. The bundles are the only source,
    /// so it does where the host has a package of theirs in another version; and
    /// an rpm may take the place of a package of another name.
    pub fn may_replace(self, host: &Host, bundles: &[RoleBundle]) -> Result<bool, Stop> {
        match self {
            Self::Apt => apt::may_replace(host, bundles),
            Self::Rpm => Ok(true),
        }
    }

    /// Has the manager read the bundles' indexes.
    pub fn read_index(self, host: &Host) -> Result<(), Stop> {
        match self {
            Self::Apt => apt::read_index(host),
            Self::Rpm => rpm::read_index(host),
        }
    }

    /// The call that does so.
    pub fn read_index_call(self, host: &Host) -> Call {
        match self {
            Self::Apt => apt::read_index_call(host),
            Self::Rpm => rpm::read_index_call(host),
        }
    }

    /// Simulates the whole transaction; an error holds the manager's own words.
    pub fn simulate(
        self,
        host: &Host,
        names: &[String],
    ) -> Result<Result<Transaction, String>, Stop> {
        match self {
            Self::Apt => apt::simulate(host, names),
            Self::Rpm => rpm::simulate(host, names),
        }
    }

    /// The call that installs `names`.
    pub fn install_call(self, host: &Host, names: &[String], flushing: Flushing) -> Call {
        match self {
            Self::Apt => apt::install_call(host, names, flushing),
            Self::Rpm => rpm::install_call(host, names, flushing),
        }
    }

    /// The call that merges what a cut left beside the manager's records, where
    /// it does nothing before that.
    pub fn merge_call(self, host: &Host) -> Option<Call> {
        match self {
            Self::Apt => Some(apt::merge_call(host)),
            Self::Rpm => None,
        }
    }

    /// The call that finishes what an interruption left, where the manager
    /// remembers what that was. rpm does not.
    pub fn repair_call(self, host: &Host) -> Option<Call> {
        match self {
            Self::Apt => Some(apt::repair_call(host)),
            Self::Rpm => None,
        }
    }

    /// Whether its records say of each package how far it came, as long as the
    /// machine stays up. rpm's do not: a package is listed before its scripts ran.
    pub fn remembers_how_far(self) -> bool {
        self == Self::Apt
    }

    /// The call that installs package files whatever the manager's records say of them.
    pub fn again_call(self, host: &Host, files: &[PathBuf], flushing: Flushing) -> Call {
        match self {
            Self::Apt => apt::again_call(host, files, flushing),
            Self::Rpm => rpm::again_call(host, files, flushing),
        }
    }

    /// What is installed again after a power cut: whatever of the bundles is
    /// there or was on its way, but for what the host `had` in that version before.
    /// First what it had in another version, then what it never had.
    pub fn to_install_again(
        self,
        host: &Host,
        bundles: &[RoleBundle],
        had: &BTreeMap<String, String>,
    ) -> Result<[Vec<PathBuf>; 2], Stop> {
        let (installed, unfinished) = (self.installed(host)?, self.unfinished(host, bundles)?);
        let is_begun = |entry: &PackageEntry| {
            unfinished.contains(&entry.name)
                || (installed.contains(&(entry.name.clone(), entry.version.clone()))
                    && had.get(&entry.name) != Some(&entry.version))
        };
        let (mut upgraded, mut new) = (Vec::new(), Vec::new());
        for (entry, file) in self.files(host, bundles)? {
            if is_begun(entry) {
                let kind = match had.contains_key(&entry.name) {
                    true => &mut upgraded,
                    false => &mut new,
                };
                kind.push(file);
            }
        }
        Ok([upgraded, new])
    }

    /// The package files of the bundles, each once.
    pub fn files<'b>(
        self,
        host: &Host,
        bundles: &'b [RoleBundle],
    ) -> Result<Vec<(&'b PackageEntry, PathBuf)>, Stop> {
        match self {
            Self::Apt => apt::files(host, bundles),
            Self::Rpm => Ok(rpm::files(bundles)),
        }
    }

    /// KiB that the bundles' packages take once installed.
    pub fn installed_kib(self, host: &Host, bundles: &[RoleBundle]) -> Result<u64, Stop> {
        match self {
            Self::Apt => apt::installed_kib(bundles),
            Self::Rpm => rpm::installed_kib(host, bundles),
        }
    }

    /// The calls that remove packages, in order: `gone`, and what they leave of
    /// themselves on the host but for `unpurged`.
    pub fn remove_calls(
        self,
        host: &Host,
        gone: &BTreeSet<String>,
        unpurged: &BTreeSet<String>,
    ) -> Vec<Call> {
        if gone.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Apt => {
                let purged: BTreeSet<String> = gone.difference(unpurged).cloned().collect();
                let remove = apt::remove_call(host, gone, false);
                let purge = apt::remove_call(host, &purged, true);
                [Some(remove), (!purged.is_empty()).then_some(purge)]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Self::Rpm => vec![rpm::remove_call(host, gone)],
        }
    }

    /// What else on the host would change if these packages went.
    pub fn changed_with(
        self,
        host: &Host,
        names: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Stop> {
        match self {
            _ if names.is_empty() => Ok(BTreeSet::new()),
            Self::Apt => apt::changed_with(host, names),
            Self::Rpm => rpm::changed_with(host, names),
        }
    }

    /// Packages of which anything is on the host.
    pub fn there(self, host: &Host) -> Result<BTreeSet<String>, Stop> {
        match self {
            Self::Apt => apt::there(host),
            Self::Rpm => rpm::there(host),
        }
    }

    /// What a package does beyond taking its files away, where there is a word
    /// for that: dpkg's purge. rpm removes what it lists, and no folder that is not empty.
    pub fn last_script(self, host: &Host, name: &str) -> Result<String, Stop> {
        match self {
            Self::Apt => apt::last_script(host, name),
            Self::Rpm => Ok(String::new()),
        }
    }

    /// Makes what the manager needs of ours to be asked anything, where the
    /// bundles may be gone.
    pub fn make_folders(self, host: &Host) -> Result<(), Stop> {
        match self {
            Self::Apt => apt::make_folders(host),
            Self::Rpm => Ok(()),
        }
    }

    /// Installed packages that are newer than the bundles', as `name have > locked`.
    pub fn newer_than(self, host: &Host, bundles: &[RoleBundle]) -> Result<Vec<String>, Stop> {
        let installed = self.installed(host)?;
        let mut newer = Vec::new();
        for entry in entries(bundles) {
            let Some((_, have)) = installed.iter().find(|(name, _)| *name == entry.name) else {
                continue;
            };
            if *have != entry.version && self.is_newer(host, have, &entry.version)? {
                newer.push(format!("{} {have} > {}", entry.name, entry.version));
            }
        }
        Ok(newer)
    }

    fn is_newer(self, host: &Host, have: &str, locked: &str) -> Result<bool, Stop> {
        match self {
            Self::Apt => apt::is_newer(host, have, locked),
            Self::Rpm => rpm::is_newer(have, locked),
        }
    }
}

/// The packages of all roles, each once.
pub fn entries(bundles: &[RoleBundle]) -> Vec<&PackageEntry> {
    let mut entries: Vec<_> = bundles
        .iter()
        .flat_map(|bundle| &bundle.manifest.package_list)
        .collect();
    entries.sort();
    entries.dedup();
    entries
}

/// The names given to the package manager, each once.
pub fn names(bundles: &[RoleBundle]) -> Vec<String> {
    let mut names: Vec<_> = bundles
        .iter()
        .flat_map(|b| b.assignment.packages.iter().cloned())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The last lines that say something.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
