//! `pgbundle-node status`: the report for people, and whether it still holds.

use super::bundles;
use super::health;
use super::host::{Host, read_json};
use super::identity;
use super::narrator::{Report, State};
use super::stop::Stop;
use super::uninstalled::Uninstalled;
use super::up;

/// The report as `up` left it; where it says that all serve, they are asked again.
pub fn read(host: &Host) -> Result<Report, Stop> {
    if let Some(mark) = Uninstalled::read(host)? {
        return Err(Stop::refuse(mark.in_words(host)));
    }
    let path = host.state("report.json");
    let mut report: Report = read_json(&path)?.ok_or_else(|| {
        Stop::refuse(format!(
            "no report lies at `{}`: `pgbundle-node up` has not run yet; see: systemctl status pgbundle",
            path.display()
        ))
    })?;
    if report.state == State::Serving
        && let Some(identity) = identity::stored(host)?
        && bundles::missing(host, &identity).is_empty()
    {
        report.waiting = health::unanswered(host, &bundles::read(host, &identity)?, |_| true)?;
        if !report.waiting.is_empty() {
            report.state = State::Waiting;
        }
    }
    Ok(report)
}

/// The report for people.
pub fn in_words(host: &Host, report: &Report) -> String {
    let or_unknown = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".to_owned());
    let mut text = format!(
        "node {} of cluster {}{}: {}\n",
        or_unknown(&report.node),
        or_unknown(&report.cluster),
        report
            .generation
            .map_or(String::new(), |number| format!(", generation {number}")),
        state(report)
    );
    text += &steps(host, report);
    text += &waits(host, report);
    for fault in &report.faults {
        text += &format!("\nerror: {fault}\n");
    }
    if let Some(remedy) = remedy(host, report) {
        text += &format!("\nto do: {remedy}\n");
    }
    text
}

fn state(report: &Report) -> String {
    let step = &report.step;
    match report.state {
        State::Working => format!("working at step {step}"),
        State::Waiting => format!("waiting at step {step}"),
        State::Serving => "serving".to_owned(),
        State::Refused => format!("refused at step {step}"),
        State::Failed => format!("failed at step {step}, tried again by pgbundle.service"),
    }
}

fn steps(host: &Host, report: &Report) -> String {
    let mut text = String::new();
    let mut row = |name: &str, what: &str, seconds: u64, at: String| {
        text += &format!("  {name:<10} {what:<14} {seconds:>5} s   {at}\n");
    };
    for done in &report.done {
        let what = if done.changed {
            "done"
        } else {
            "nothing to do"
        };
        row(&done.step, what, done.seconds, host.local(done.at));
    }
    let is_open = !report.done.iter().any(|done| done.step == report.step);
    if is_open {
        let (what, seconds) = match report.state {
            State::Refused => ("refused", 0),
            State::Failed => ("failed", 0),
            _ => ("under way", host.seconds_since(report.since)),
        };
        row(&report.step, what, seconds, host.local(report.since));
    }
    text
}

fn waits(host: &Host, report: &Report) -> String {
    let mut text = String::new();
    for wait in &report.waiting {
        let (since, seconds) = (host.local(wait.since), host.seconds_since(wait.since));
        text += &format!(
            "\nwaits for {}\n  of     {}\n  since  {since} ({seconds} s)\n",
            wait.what, wait.of
        );
        if !wait.remedy.is_empty() {
            text += &format!("  to do  {}\n", wait.remedy);
        }
    }
    text
}

fn remedy(host: &Host, report: &Report) -> Option<&'static str> {
    match report.state {
        State::Refused => Some(
            "put right what is named above, then `systemctl restart pgbundle`; the next boot asks again, too",
        ),
        State::Failed => Some("nothing, if it passes by itself; details: journalctl -u pgbundle"),
        State::Working | State::Waiting if report.done.iter().all(|done| done.step != "health") => {
            (!up::is_running(host)).then_some(
                "no `pgbundle-node up` is running: `systemctl restart pgbundle` goes on where it stopped",
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::durable::{self, Rights};
    use crate::node::narrator::{Done, Narrator, Wait};
    use crate::node::system::recorded::Recorded;

    fn lines(state: State, faults: &[&str], waiting: Vec<Wait>) -> String {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        system.answer("date", 0, "2026-11-21 15:00:04 CET\n");
        let host = system.host(folder.path());
        let mut report = Narrator::new(&host).report().clone();
        report.node = Some("db-1".to_owned());
        report.cluster = Some("demo".to_owned());
        report.generation = Some(3);
        report.step = "health".to_owned();
        report.state = state;
        report.faults = faults.iter().map(|&fault| fault.to_owned()).collect();
        report.waiting = waiting;
        report.done = vec![Done {
            step: "packages".to_owned(),
            changed: true,
            at: host.now(),
            seconds: 41,
        }];
        in_words(&host, &report)
    }

    #[test]
    fn says_what_is_waited_for_of_whom_since_when_and_what_to_do() {
        let now = crate::base::Epoch::from_seconds(1_700_000_000).unwrap();
        let wait = Wait {
            what: "a quorum of etcd members".to_owned(),
            of: "etcd, which answered 503".to_owned(),
            since: now,
            remedy: "switch on the others".to_owned(),
        };
        let text = lines(State::Waiting, &[], vec![wait]);
        for part in [
            "node db-1 of cluster demo, generation 3: waiting at step health\n",
            "  packages   done              41 s   2026-11-21 15:00:04 CET\n",
            "  health     under way",
            "waits for a quorum of etcd members\n  of     etcd, which answered 503\n  since  2026-11-21 15:00:04 CET (",
            "  to do  switch on the others\n",
            "to do: no `pgbundle-node up` is running",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn says_why_it_was_refused_and_how_to_go_on() {
        let text = lines(State::Refused, &["this host runs debian 11"], Vec::new());
        assert!(text.contains("refused at step health\n"), "{text}");
        assert!(text.contains("\nerror: this host runs debian 11\n"));
        assert!(text.contains("to do: put right what is named above"));
    }

    #[test]
    fn without_a_report_the_answer_is_no() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        assert_eq!(read(&host).unwrap_err().exit_code(), 1);
        let report = Narrator::new(&host).report().clone();
        let bytes = serde_json::to_vec(&report).unwrap();
        durable::write(&host.state("report.json"), &bytes, Rights::own(0o640)).unwrap();
        assert_eq!(read(&host).unwrap(), report);
    }
}
