//! The end of a host's first boot.
//!
//! cloud-init remembers what it does once an instance (host keys, accounts, the
//! network's settings) before it does it, and flushes neither. A power cut
//! could so leave a host without a network or without host keys that never
//! tries again. Until this program has seen cloud-init end and has put all of
//! it on the disk, the seed's script makes each boot the first
//! (`cloud-init/plant.sh`).

use std::thread;
use std::time::{Duration, Instant};

use super::durable::{self, Rights};
use super::host::Host;
use super::narrator::{Narrator, Wait};
use super::stop::Stop;
use crate::base::atomic::flush_file_system;

/// What the seed's script looks for, below `/var/lib/pgbundle`.
const SETTLED: &str = "seed/settled";
/// cloud-init's word that all of its stages have ended in this boot.
const RESULT: &str = "/run/cloud-init/result.json";
/// Where it keeps what is of this boot alone.
const RUNNING: &str = "/run/cloud-init";
/// Its last stage ends soon after the boot; who hangs longer does so for ever.
const LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(500);

/// Whether the first boot is to be noted as ended, once cloud-init has ended.
pub fn is_to_settle(host: &Host, narrator: &mut Narrator) -> Result<bool, Stop> {
    let begun = Instant::now();
    while is_under_way(host) && begun.elapsed() < LIMIT {
        narrator.waits(vec![Wait {
            what: "the end of the first boot".to_owned(),
            of: "cloud-init on this host".to_owned(),
            since: host.now(),
            remedy: "see: cloud-init status --long".to_owned(),
        }])?;
        thread::sleep(PAUSE);
    }
    narrator.waits(Vec::new())?;
    Ok(!is_settled(host) && host.path(RESULT).exists())
}

fn is_settled(host: &Host) -> bool {
    host.state(SETTLED).exists()
}

fn is_under_way(host: &Host) -> bool {
    !is_settled(host) && host.path(RUNNING).exists() && !host.path(RESULT).exists()
}

/// Puts what cloud-init wrote on the disk, then notes that the first boot is over.
pub fn settle(host: &Host) -> Result<(), Stop> {
    flush_file_system(&host.root)?;
    Ok(durable::write(
        &host.state(SETTLED),
        b"",
        Rights::own(0o600),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn a_first_boot_ends_once_and_not_before_cloud_init() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let mut narrator = Narrator::new(&host);
        assert!(!is_to_settle(&host, &mut narrator).unwrap());
        durable::write(&host.path(RESULT), b"{}", Rights::own(0o644)).unwrap();
        assert!(is_to_settle(&host, &mut narrator).unwrap());
        settle(&host).unwrap();
        assert!(!is_to_settle(&host, &mut narrator).unwrap());
    }
}
