//! Whether the time service has heard one of the spec's servers.
//!
//! systemd-timesyncd writes a file once it has heard a server
//! (systemd-timesyncd.service(8)); it goes when the service stops, so it
//! speaks of this start and of these servers. chrony is asked: `chronyc
//! waitsync 1` tries once, and exits with 0 where chronyd has chosen a server
//! since its start, and what it has still to correct is within a second
//! (chronyc(1)). The kernel's own flag (adjtimex(2)) is of the machine and may
//! stem from another service.
//!
//! A host that may not set its clock (a container) skips the unit by the
//! unit's own conditions. Its clock is kept by the machine that carries it,
//! which is trusted, as on any host where no time servers are named.

use std::time::Duration;

use crate::bundle::assignment::TimeKeeper;
use crate::node::host::Host;
use crate::node::stop::Stop;
use crate::node::system::Call;

const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";

/// How long chronyc tries to reach chronyd before it gives up by itself.
const CHRONYC: Duration = Duration::from_secs(30);

/// Whether the time service has heard a server in this start.
pub fn has_heard(host: &Host, keeper: TimeKeeper) -> Result<bool, Stop> {
    match keeper {
        TimeKeeper::Timesyncd => Ok(host.path(SYNCHRONIZED).exists()),
        TimeKeeper::Chrony => {
            let call = Call::new("chronyc", ["-n", "waitsync", "1", "1.0"]).within(CHRONYC);
            Ok(host.system.ask(&call)?.succeeded())
        }
    }
}

/// Whether the time service has heard a server, or has no say here.
pub fn is_in_step(host: &Host, keeper: TimeKeeper, unit: &str) -> Result<bool, Stop> {
    Ok(has_heard(host, keeper)? || is_skipped(host, unit)?)
}

/// Whether a start of the unit was skipped by its own conditions. Before the
/// first start they have not been asked: the time of asking is 0.
pub fn is_skipped(host: &Host, unit: &str) -> Result<bool, Stop> {
    let properties = "--property=ConditionResult,ConditionTimestampMonotonic";
    let answer = host
        .system
        .run(&Call::new("systemctl", ["show", properties, unit]))?;
    let says = |line: &str| answer.output.lines().any(|said| said == line);
    let was_asked = !says("ConditionTimestampMonotonic=0") && !answer.output.trim().is_empty();
    Ok(was_asked && says("ConditionResult=no"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::durable::{self, Rights};
    use crate::node::system::recorded::Recorded;

    #[test]
    fn in_step_is_heard_or_not_ours_to_set() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let unit = "systemd-timesyncd.service";
        for (result, asked, is_in) in [("no", 0, false), ("yes", 7, false), ("no", 7, true)] {
            let said = format!("ConditionResult={result}\nConditionTimestampMonotonic={asked}\n");
            system.answer("systemctl show", 0, &said);
            assert_eq!(
                is_in_step(&host, TimeKeeper::Timesyncd, unit).unwrap(),
                is_in,
                "{said}"
            );
        }
        system.answer("systemctl show", 0, "");
        assert!(!is_in_step(&host, TimeKeeper::Timesyncd, unit).unwrap());
        durable::write(&host.path(SYNCHRONIZED), b"", Rights::own(0o644)).unwrap();
        assert!(is_in_step(&host, TimeKeeper::Timesyncd, unit).unwrap());
    }

    #[test]
    fn chrony_says_itself_whether_it_heard_a_server() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let heard = || has_heard(&host, TimeKeeper::Chrony).unwrap();
        let waiting = "try: 1, refid: 00000000, correction: 0.000000000, skew: 0.000\n";
        system.answer("chronyc", 1, waiting);
        assert!(!heard());
        system.answer(
            "chronyc",
            0,
            "try: 1, refid: 0A000005, correction: 0.000001, skew: 0.1\n",
        );
        assert!(heard());
        assert_eq!(system.take()[0], "chronyc -n waitsync 1 1.0");
    }
}
