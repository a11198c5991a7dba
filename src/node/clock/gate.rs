//! `pgbundle-clock.service`: what systemd starts by itself at boot stands behind it.
//!
//! It ends once the clock is in step, and with it the units that are ordered
//! after it are let through. It never fails: nothing would start the units
//! again then. What is wrong is told by the journal here, and by `up` on the
//! console and in the report.

use std::thread;
use std::time::{Duration, Instant};

use super::waits;
use crate::node::bundles;
use crate::node::host::Host;
use crate::node::identity;
use crate::node::notify;
use crate::node::reminder::Reminder;
use crate::node::stop::Stop;

const PAUSE: Duration = Duration::from_secs(2);

/// Returns once the clock is in step, however long that takes.
pub fn hold(host: &Host) {
    let mut reminder = Reminder::default();
    while let Some(reason) = doubt(host) {
        if reminder.is_due(&reason, Instant::now()) {
            eprintln!("pgbundle-node: no service is started yet: {reason}");
        }
        notify::status(&reason);
        thread::sleep(PAUSE);
    }
}

/// Why nothing is let through yet.
fn doubt(host: &Host) -> Option<String> {
    match against(host) {
        Ok(reasons) => (!reasons.is_empty()).then(|| reasons.join("; ")),
        Err(stop) => Some(stop.to_string()),
    }
}

fn against(host: &Host) -> Result<Vec<String>, Stop> {
    let identity = identity::stored(host)?
        .ok_or_else(|| Stop::Input("this host has no identity yet".to_owned()))?;
    let bundles = if bundles::missing(host, &identity).is_empty() {
        bundles::read(host, &identity)?
    } else {
        // A newer identity whose bundles are on their way; `up` asks of them.
        Vec::new()
    };
    let waits = waits(host, &identity, &bundles)?;
    Ok(waits.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::durable::{self, Rights};
    use crate::node::identity::tests::example;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn it_lets_pass_by_the_right_time_alone_and_says_why_not() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        assert!(doubt(&host).unwrap().contains("no identity"));
        let mut identity = example();
        let store = |identity: &crate::seed::identity::Identity| {
            let bytes = serde_json::to_vec(identity).unwrap();
            durable::write(&host.state("identity.json"), &bytes, Rights::own(0o600)).unwrap();
        };
        identity.date = host.now().plus_days(-30);
        identity.valid_from = host.now().plus_days(-30);
        identity.expires = host.now().plus_days(30);
        store(&identity);
        assert_eq!(doubt(&host), None);
        identity.expires = host.now().plus_days(-1);
        store(&identity);
        let reason = doubt(&host).unwrap();
        assert!(reason.contains("waiting for the right time"), "{reason}");
        assert!(reason.contains("expire"), "{reason}");
    }
}
