//! The mark of a host from which the node was taken away: `up` does nothing
//! while it lies there, and the seed's script plants nothing.
//!
//! It is written before anything goes, so that a host that is cut off in the
//! middle does not come up again by itself at its next boot. Two things lift it:
//! the operator's word, `pgbundle-node up --again`, and a seed of a higher
//! generation than the one that was taken away.

use std::fs;

use serde::{Deserialize, Serialize};

use super::bundles::RoleBundle;
use super::durable::{self, Rights};
use super::files;
use super::host::{Host, read_if_there, read_json};
use super::identity;
use super::stop::Stop;
use super::systemctl;
use super::units;
use crate::base::{Epoch, NodePath, SchemaVersion};
use crate::bundle::assignment::DataDirectory;
use crate::bundle::manifest::Family;
use crate::seed::identity::Identity;

/// The mark, below `/var/lib/pgbundle`; the seed's script knows its name.
pub const FILE: &str = "uninstalled.json";
/// The unit that brings the host up.
pub const UNIT: &str = "pgbundle.service";
/// Where the seed's stub puts this program.
pub const PROGRAM: &str = "/usr/local/sbin/pgbundle-node";
/// Where that unit is kept meanwhile, below `/var/lib/pgbundle`.
const UNIT_ASIDE: &str = "seed/pgbundle.service";
/// The digest of what the seed planted, below `/var/lib/pgbundle`.
pub const PLANTED: &str = "seed/planted";

/// `/var/lib/pgbundle/uninstalled.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uninstalled {
    /// Format of this file.
    pub format: SchemaVersion<1>,
    /// The cluster that the host was part of.
    pub cluster: String,
    /// The cluster's random identity.
    pub cluster_id: String,
    /// The node that it was.
    pub node: String,
    /// The generation that was taken away.
    pub generation: u64,
    /// Whose packages they were; none where there were none.
    pub family: Option<Family>,
    /// When it was begun.
    pub at: Epoch,
    /// Whether all of it is done.
    pub done: bool,
    /// The data folders of its roles, and what proves that they hold data.
    pub data: Vec<DataDirectory>,
    /// The digest of what the seed had planted: the script of that seed plants
    /// nothing while it finds it here.
    pub seed: String,
}

impl Uninstalled {
    /// The mark, where there is one.
    pub fn read(host: &Host) -> Result<Option<Self>, Stop> {
        read_json(&host.state(FILE))
    }

    /// The mark of a node that is about to be taken away.
    pub fn of(host: &Host, identity: &Identity, bundles: &[RoleBundle]) -> Result<Self, Stop> {
        let seed = read_if_there(&host.state(PLANTED))?.unwrap_or_default();
        Ok(Self {
            format: SchemaVersion,
            cluster: identity.cluster.to_string(),
            cluster_id: identity.cluster_id.clone(),
            node: identity.node.to_string(),
            generation: identity.generation,
            family: bundles.first().map(|bundle| bundle.manifest.family),
            at: host.now(),
            done: false,
            data: files::data_folders(bundles).cloned().collect(),
            seed: String::from_utf8_lossy(&seed).trim().to_owned(),
        })
    }

    /// Puts it on the disk.
    pub fn write(&self, host: &Host) -> Result<(), Stop> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a mark is plain text");
        bytes.push(b'\n');
        Ok(durable::write(
            &host.state(FILE),
            &bytes,
            Rights::own(0o600),
        )?)
    }

    /// The data folders that are still there.
    pub fn kept(&self, host: &Host) -> Vec<&NodePath> {
        let folders = self.data.iter().map(|data| &data.path);
        folders
            .filter(|path| path.under(&host.root).exists())
            .collect()
    }

    /// In words, and how the host comes up again.
    pub fn in_words(&self, host: &Host) -> String {
        let (node, cluster, at) = (&self.node, &self.cluster, host.local(self.at));
        if self.done {
            format!(
                "{node} of cluster {cluster}, generation {}, was taken away from this host at {at}: it comes up again by `pgbundle-node up --again`, or with a seed of a higher generation",
                self.generation
            )
        } else {
            format!(
                "taking {node} of cluster {cluster} away from this host was begun at {at} and not finished: `pgbundle-node uninstall` goes on, `pgbundle-node up --again` brings it back"
            )
        }
    }
}

/// Whether the host may come up: nothing was taken away, or the mark is lifted.
pub fn let_up(host: &Host, again: bool) -> Result<(), Stop> {
    let Some(mark) = Uninstalled::read(host)? else {
        return Ok(());
    };
    let newer = identity::planted(host)?.filter(|planted| planted.generation > mark.generation);
    if !again && newer.is_none() {
        return Err(Stop::refuse(mark.in_words(host)));
    }
    bring_unit_back(host)?;
    Ok(durable::remove(&host.state(FILE))?)
}

/// Takes the unit away that brings the host up; its text is kept.
pub fn put_unit_aside(host: &Host) -> Result<(), Stop> {
    let unit = units::path(host, UNIT);
    if !unit.is_file() {
        return Ok(());
    }
    systemctl::disable(host, &[UNIT])?;
    durable::rename(&unit, &host.state(UNIT_ASIDE))?;
    Ok(())
}

fn bring_unit_back(host: &Host) -> Result<(), Stop> {
    let (unit, aside) = (units::path(host, UNIT), host.state(UNIT_ASIDE));
    if aside.is_file() && !unit.exists() {
        let text = fs::read(&aside)
            .map_err(|fault| Stop::World(format!("cannot read `{}`: {fault}", aside.display())))?;
        durable::write(&unit, &text, Rights::own(0o644))?;
        host.system.run(&systemctl::enable_call(&[UNIT]))?;
    }
    Ok(durable::remove(&aside)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::identity::tests::example;
    use crate::node::system::recorded::Recorded;
    use crate::seed::identity::PLANTED as DOCUMENT;

    #[test]
    fn the_same_seed_does_not_bring_it_back_but_a_newer_one_and_the_operator_do() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let lay = |path: &str, bytes: &[u8]| {
            durable::write(&host.path(path), bytes, Rights::own(0o600)).unwrap();
        };
        let mut identity = example();
        let plant = |identity: &Identity| lay(DOCUMENT, &serde_json::to_vec(identity).unwrap());
        plant(&identity);
        let unit = format!("/etc/systemd/system/{UNIT}");
        lay(&unit, b"[Unit]\n");
        let_up(&host, false).unwrap();
        put_unit_aside(&host).unwrap();
        let mark = Uninstalled::of(&host, &identity, &[]).unwrap();
        mark.write(&host).unwrap();
        let refused = let_up(&host, false).unwrap_err();
        assert!(refused.to_string().contains("not finished"), "{refused}");
        Uninstalled {
            done: true,
            ..mark.clone()
        }
        .write(&host)
        .unwrap();
        let refused = let_up(&host, false).unwrap_err();
        assert_eq!(refused.exit_code(), 1);
        assert!(refused.to_string().contains("up --again"), "{refused}");
        assert!(!host.path(&unit).exists());
        identity.generation += 1;
        plant(&identity);
        let_up(&host, false).unwrap();
        assert!(host.path(&unit).is_file() && !host.state(FILE).exists());
        mark.write(&host).unwrap();
        identity.generation -= 1;
        plant(&identity);
        let_up(&host, true).unwrap();
        assert_eq!(Uninstalled::read(&host).unwrap(), None);
    }
}
