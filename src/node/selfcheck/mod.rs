//! `pgbundle-node selfcheck`: a report that a person with a real machine sends
//! back, about what no test at home can prove.
//!
//! It changes nothing of the host but for what the checks of the steps write
//! below `/var/lib/pgbundle`, works before the install and after it, and holds
//! no secret: whatever of the seed's secrets a program repeats is blotted out.

mod journal;
mod programs;
mod surroundings;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::bundles;
use super::durable::{self, Rights};
use super::host::{Host, read_if_there};
use super::identity;
use super::narrator::REPORT;
use super::step::{Check, Context};
use super::steps;
use super::stop::Stop;
use super::up;
use crate::base::Epoch;
use crate::seed::identity::Identity;

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Format of this file.
    format: u32,
    /// When it was made, by the host's clock.
    at: Epoch,
    /// This program's version.
    program: &'static str,
    /// What the seed says of this host; none where no seed was here.
    node: Option<Node>,
    /// What was asked, in order.
    findings: Vec<Finding>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Node {
    cluster: String,
    node: String,
    roles: String,
    profile: String,
    generation: u64,
}

/// One thing that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A heading that several share.
    pub about: &'static str,
    /// What.
    pub what: String,
    /// What came of it.
    pub is: Outcome,
    /// In the words of who was asked.
    pub said: String,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Neither: a fact.
    Told,
    /// It could not be asked: who would be asked is not on this host.
    Absent,
}

impl Finding {
    fn new(
        about: &'static str,
        what: impl Into<String>,
        is: Outcome,
        said: impl Into<String>,
    ) -> Self {
        Self {
            about,
            what: what.into(),
            is,
            said: said.into().trim().to_owned(),
        }
    }
}

/// Asks everything; true when nothing is as it should not be.
pub fn selfcheck(host: &Host, file: Option<&Path>) -> Result<(String, bool), Stop> {
    let mut context = up::context(host, Some(Duration::ZERO));
    context.identity = match identity::stored(host)? {
        Some(stored) => Some(stored),
        None => identity::planted(host)?,
    };
    let is_here = |identity: &Identity| bundles::missing(host, identity).is_empty();
    if let Some(identity) = context
        .identity
        .as_ref()
        .filter(|identity| is_here(identity))
    {
        context.bundles = bundles::read(host, identity)?;
    }
    let mut findings = surroundings::ask(host);
    findings.extend(programs::ask(&context));
    findings.extend(journal::ask(&context));
    findings.extend(steps(&mut context)?);
    let mut report = Report {
        format: 1,
        at: host.now(),
        program: env!("CARGO_PKG_VERSION"),
        node: context.identity.as_ref().map(node),
        findings,
    };
    blot_out(&mut report.findings, context.identity.as_ref());
    if let Some(file) = file {
        let mut bytes = serde_json::to_vec_pretty(&report).expect("a report is plain text");
        bytes.push(b'\n');
        durable::write(file, &bytes, Rights::own(0o644))?;
    }
    let is_good = report
        .findings
        .iter()
        .all(|finding| finding.is != Outcome::Bad);
    Ok((in_words(&report), is_good))
}

fn node(identity: &Identity) -> Node {
    let roles = identity.roles.iter().map(ToString::to_string);
    Node {
        cluster: identity.cluster.to_string(),
        node: identity.node.to_string(),
        roles: roles.collect::<Vec<_>>().join(" "),
        profile: identity.profile.clone(),
        generation: identity.generation,
    }
}

/// What each step would say, in their order. A run that is under way is not
/// disturbed, and the report that it left stays.
fn steps(context: &mut Context) -> Result<Vec<Finding>, Stop> {
    let host = context.host;
    if up::is_running(host) {
        let said = "`pgbundle-node up` is running: ask again when it has ended";
        return Ok(vec![Finding::new("steps", "all", Outcome::Absent, said)]);
    }
    if context.identity.is_none() {
        let said = "no seed was attached to this host yet";
        return Ok(vec![Finding::new("steps", "all", Outcome::Absent, said)]);
    }
    let _lock = up::lock(host)?;
    let report = read_if_there(&host.state(REPORT))?;
    let mut findings = Vec::new();
    for step in steps::all() {
        context.narrator.at(step.name);
        let (outcome, said) = match (step.check)(context) {
            Ok(Check::AlreadySo) => (Outcome::Good, "nothing to do".to_owned()),
            Ok(Check::Needed(why)) => (Outcome::Told, format!("to do: {why}")),
            Err(stop) => (Outcome::Bad, stop.reasons().join("; ")),
        };
        findings.push(Finding::new("steps", step.name, outcome, said));
        // What is not unpacked cannot be asked about.
        if step.name == "bundles" && context.bundles.is_empty() {
            break;
        }
    }
    if let Some(report) = report {
        durable::write(&host.state(REPORT), &report, Rights::own(0o640))?;
    }
    Ok(findings)
}

/// Takes whatever is secret in the seed out of what programs said.
fn blot_out(findings: &mut [Finding], identity: Option<&Identity>) {
    let secrets = identity.map(secrets).unwrap_or_default();
    for finding in findings {
        for secret in &secrets {
            if finding.said.contains(secret.as_str()) {
                finding.said = finding.said.replace(secret.as_str(), "[blotted out]");
            }
        }
    }
}

/// Words in quotes, what stands after `password`, and lines of keys.
fn secrets(identity: &Identity) -> Vec<String> {
    let mut found = Vec::new();
    for secret in &identity.secrets {
        for line in secret.content.lines() {
            found.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
            if let Some((_, after)) = line.split_once("password") {
                let word = after.trim_start_matches([':', '=', ' ', '"']);
                found.extend(word.split(['"', ' ']).next().map(str::to_owned));
            }
            if line.len() >= 40 && !line.contains(' ') {
                found.push(line.to_owned());
            }
        }
    }
    // Short words are everywhere; the tool's own passwords are long.
    found.retain(|word| word.len() >= 8);
    found
}

fn in_words(report: &Report) -> String {
    let mut text = match &report.node {
        Some(node) => format!(
            "pgbundle-node {}: {} of cluster {}, generation {}, {} ({})\n",
            report.program, node.node, node.cluster, node.generation, node.profile, node.roles
        ),
        None => format!("pgbundle-node {}: no seed was here yet\n", report.program),
    };
    let mut about = "";
    for finding in &report.findings {
        if finding.about != about {
            about = finding.about;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n{about}");
        }
        let mark = match finding.is {
            Outcome::Good => "good",
            Outcome::Bad => "BAD",
            Outcome::Told => "-",
            Outcome::Absent => "absent",
        };
        let said = finding.said.replace('\n', "\n             ");
        let _ = writeln!(text, "  {mark:<7} {}: {said}", finding.what);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::identity::tests::example;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn works_on_a_bare_host_and_names_what_is_not_as_it_should_be() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        system.answer("uname", 0, "3.10.0-1160.el7.x86_64\n");
        system.answer("getenforce", 0, "Enforcing\n");
        let file = host.path("/root/selfcheck.json");
        let (text, _) = selfcheck(&host, Some(&file)).unwrap();
        assert!(text.contains("no seed was here yet"), "{text}");
        assert!(text.contains("kernel: 3.10.0-1160.el7.x86_64"), "{text}");
        assert!(text.contains("no seed was attached"), "{text}");
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert!(json["findings"].as_array().unwrap().len() > 5, "{json}");
    }

    #[test]
    fn a_secret_that_a_program_repeats_is_blotted_out() {
        let mut identity = example();
        let access = serde_json::json!({"owner": "a", "group": "a", "mode": "0600"});
        let secret = serde_json::json!({"path": "/etc/x", "access": access, "services": [],
            "content": "restapi:\n  password: \"sentinel-one\"\n\"app\" \"sentinel-two\"\nadmin-password=sentinel-three\n", "is_certificate": false});
        identity.secrets = vec![serde_json::from_value(secret).unwrap()];
        let said = "line 3: `sentinel-one` and sentinel-two, sentinel-three";
        let mut findings = vec![Finding::new("x", "y", Outcome::Bad, said)];
        blot_out(&mut findings, Some(&identity));
        assert!(!findings[0].said.contains("sentinel"), "{findings:?}");
        assert!(findings[0].said.starts_with("line 3"));
    }
}
