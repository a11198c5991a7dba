//! Which services must still take up a change, remembered on disk before the
//! change is made: a cut between a file and its restart loses nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::durable::{self, Rights};
use super::host::{Host, read_json};
use super::stop::Stop;
use crate::bundle::assignment::Uptake;

/// Units by how they take up a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Unit → restart, where any change asks for one, else reload.
    pub units: BTreeMap<String, Uptake>,
}

const FILE: &str = "pending.json";

/// Reads what is still to be taken up.
pub fn read(host: &Host) -> Result<Pending, Stop> {
    Ok(read_json(&host.state(FILE))?.unwrap_or_default())
}

/// Remembers that `unit` must take something up.
pub fn add(host: &Host, unit: &str, uptake: Uptake) -> Result<(), Stop> {
    let mut pending = read(host)?;
    match pending.units.get(unit) {
        Some(known) if *known == uptake || *known == Uptake::Restart => return Ok(()),
        _ => pending.units.insert(unit.to_owned(), uptake),
    };
    let bytes = serde_json::to_vec_pretty(&pending).expect("unit names are text");
    Ok(durable::write(
        &host.state(FILE),
        &bytes,
        Rights::own(0o600),
    )?)
}

/// Everything was taken up.
pub fn clear(host: &Host) -> Result<(), Stop> {
    Ok(durable::remove(&host.state(FILE))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::Real;

    #[test]
    fn a_restart_is_never_forgotten_for_a_reload() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host {
            root: folder.path().to_owned(),
            system: &Real,
        };
        add(&host, "a.service", Uptake::Reload).unwrap();
        add(&host, "a.service", Uptake::Restart).unwrap();
        add(&host, "a.service", Uptake::Reload).unwrap();
        assert_eq!(read(&host).unwrap().units["a.service"], Uptake::Restart);
        clear(&host).unwrap();
        assert_eq!(read(&host).unwrap(), Pending::default());
    }
}
