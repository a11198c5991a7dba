//! `pgbundle-node uninstall`: the steps, taken back from the last to the first.
//!
//! What it goes by is on the disk: [`super::brought`] has what was there before
//! us, [`super::uninstalled`] says that it was begun. So it can be cut off at
//! any instant, and the next run goes on. It takes away services,
//! configuration, and the packages that came with us; the data only by the
//! operator's word, which is the cluster's name.

use super::brought::Brought;
use super::bundles;
use super::durable;
use super::host::Host;
use super::identity;
use super::installing::{self, Left};
use super::leaving;
use super::step::Context;
use super::steps;
use super::stop::Stop;
use super::systemctl;
use super::undoing::Leave;
use super::uninstalled::{PROGRAM, UNIT, Uninstalled};
use super::up;

/// What the operator asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The cluster's name, where its data is to go, too.
    pub purge_data: Option<String>,
    /// The cluster may stop serving by it.
    pub may_stop: bool,
}

/// Takes the node away from this host; returns what the operator should know.
pub fn uninstall(host: &Host, request: &Request) -> Result<String, Stop> {
    let mut context = context(host, request)?;
    let known = Uninstalled::read(host)?;
    if let Some(mark) = known.as_ref().filter(|mark| mark.done)
        && (request.purge_data.is_none() || mark.kept(host).is_empty())
        && Brought::existing(host)?.is_none()
    {
        return Ok(format!("{}\n", mark.in_words(host)));
    }
    let mark = begin(&mut context, known)?;
    // It would wait for others for ever, and bring back what is taken away.
    systemctl::stop(host, [UNIT])?;
    let _lock = up::lock(host)?;
    Uninstalled {
        done: false,
        ..mark.clone()
    }
    .write(host)?;
    for step in steps::all().into_iter().rev() {
        context.narrator.at(step.name);
        let changed = (step.undo)(&mut context)?;
        context.narrator.say(if changed {
            "taken back"
        } else {
            "nothing to take back"
        });
    }
    let done = Uninstalled { done: true, ..mark };
    done.write(host)?;
    if request.purge_data.is_some() {
        durable::remove(&host.path(PROGRAM))?;
    }
    Ok(last_words(host, &context.leave, &done))
}

/// What `uninstall` would do here, step by step.
pub fn describe(host: &Host, request: &Request) -> Result<String, Stop> {
    let context = context(host, request)?;
    let mut text = String::new();
    for step in steps::all().iter().rev() {
        let lines = (step.describe_undo)(&context)?;
        if lines.is_empty() {
            continue;
        }
        text += &format!("# {}, taken back\n{}\n\n", step.name, lines.join("\n"));
    }
    Ok(text)
}

/// Everything that the undos use; refuses what is not known.
fn context<'a>(host: &'a Host<'a>, request: &Request) -> Result<Context<'a>, Stop> {
    let mark = Uninstalled::read(host)?;
    let mut context = up::context(host, None);
    context.identity = identity::stored(host)?;
    let cluster = match (&context.identity, &mark) {
        (Some(identity), _) => identity.cluster.to_string(),
        (None, Some(mark)) => mark.cluster.clone(),
        (None, None) => {
            return Err(Stop::refuse(
                "no node of a cluster was brought up on this host: there is nothing to take away",
            ));
        }
    };
    if let Some(named) = request
        .purge_data
        .as_ref()
        .filter(|named| **named != cluster)
    {
        return Err(Stop::Input(format!(
            "this host is of cluster `{cluster}`, not `{named}`: nothing was touched"
        )));
    }
    if let Some(identity) = &context.identity {
        context.narrator.name(identity);
        if bundles::missing(host, identity).is_empty() {
            context.bundles = bundles::read(host, identity)?;
        }
    }
    let data = match (&context.identity, mark) {
        (_, Some(mark)) => mark.data,
        (Some(identity), None) => Uninstalled::of(host, identity, &context.bundles)?.data,
        (None, None) => Vec::new(),
    };
    context.leave = Leave {
        purge_data: request.purge_data.is_some(),
        may_stop: request.may_stop,
        data,
        said: Vec::new(),
    };
    Ok(context)
}

/// What is asked before anything is touched.
fn begin(context: &mut Context, known: Option<Uninstalled>) -> Result<Uninstalled, Stop> {
    let host = context.host;
    if let Some(mark) = known {
        return Ok(mark);
    }
    let identity = context.identity()?;
    if !bundles::missing(host, identity).is_empty() {
        return Err(Stop::refuse(
            "the bundles of this host's generation are not here: `pgbundle-node up` brings them, and then what is to be taken away is known",
        ));
    }
    if Brought::existing(host)?.is_none() {
        return Err(Stop::refuse(
            "what was on this host before it was brought up is not known (no `brought.json`): it was done by an earlier program; nothing was touched",
        ));
    }
    if installing::left(host)? != Left::Whole {
        return Err(Stop::refuse(
            "packages are being installed, or that was cut off: let `pgbundle-node up` finish it first",
        ));
    }
    let losses = leaving::losses(host, identity, &context.bundles, context.leave.absence())?;
    leaving::refuse(losses, context.leave.may_stop)?;
    Uninstalled::of(host, identity, &context.bundles)
}

fn last_words(host: &Host, leave: &Leave, mark: &Uninstalled) -> String {
    let mut lines = leave.said.clone();
    let kept: Vec<String> = mark.kept(host).iter().map(ToString::to_string).collect();
    if !kept.is_empty() {
        lines.push(format!(
            "the data is kept, and a new install of this node takes it up again: {}; to remove it: pgbundle-node uninstall --purge-data {}",
            kept.join(", "),
            mark.cluster
        ));
    }
    lines.push("users and groups stay as the packages leave them".to_owned());
    lines.push(if leave.purge_data {
        format!(
            "this program is gone, too; the seed of generation {} does not bring the node back at the next boot: a seed of a higher generation does, or: rm -r {}",
            mark.generation,
            super::host::STATE
        )
    } else {
        mark.in_words(host)
    });
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::node::brought::Before;
    use crate::node::durable::Rights;
    use crate::node::host::STATE;
    use crate::node::identity::tests::example;
    use crate::node::marker::{self, Held, Marker};
    use crate::node::services::tests::role;
    use crate::node::system::recorded::Recorded;

    const DATA: &str = "/var/lib/etcd/x";

    /// A host that was brought up: one role, a file that was not there and one that
    /// was, a package that was not there and one that was older.
    fn brought_up(host: &Host) {
        let lay = |path: &str, bytes: &[u8]| {
            durable::write(&host.path(path), bytes, Rights::own(0o600)).unwrap();
        };
        let mut bundle = role("etcd", "etcd.service");
        let access = serde_json::json!({"owner": "etcd", "group": "etcd", "mode": "0700"});
        let data = serde_json::json!({"path": DATA, "access": access, "witness": "member"});
        bundle.assignment.data = vec![serde_json::from_value(data).unwrap()];
        let mut identity = example();
        let pinned = serde_json::json!({"role": "etcd",
            "file": {"path": "bundles/etcd.tar.gz", "size": 1, "sha256": "0".repeat(64)}});
        identity.bundles = vec![serde_json::from_value(pinned).unwrap()];
        let own = |path: &str| format!("{STATE}/{path}");
        let unpacked = own(&format!("bundles/{}", "0".repeat(64)));
        let json = |value: serde_json::Value| value.to_string().into_bytes();
        let manifest = serde_json::to_value(&bundle.manifest).unwrap();
        lay(&format!("{unpacked}/manifest.json"), &json(manifest));
        let assignment = serde_json::to_value(&bundle.assignment).unwrap();
        let place = format!("{unpacked}/cluster/nodes/db-1/assignment.json");
        lay(&place, &json(assignment));
        let identity_text = json(serde_json::to_value(&identity).unwrap());
        lay(&own("identity.json"), &identity_text);
        lay(&own("seed/identity.json"), &identity_text);
        lay(&own("seed/planted"), b"digest\n");
        lay(PROGRAM, b"program");
        lay("/etc/theirs.conf", b"theirs");
        lay("/lib/systemd/system/etcd.service", b"[Unit]\n");
        let mut brought = Brought::default();
        let files = ["/etc/theirs.conf", "/etc/pgbundle/ours.conf"].map(|p| p.parse().unwrap());
        brought
            .before_files(host, files.iter().map(|path| (path, false)))
            .unwrap();
        brought.packages.insert("etcd-server".to_owned(), None);
        brought
            .packages
            .insert("tzdata".to_owned(), Some("1".to_owned()));
        brought.enabled.insert("etcd.service".to_owned());
        brought.masked.insert("loud.service".to_owned());
        brought.write(host).unwrap();
        assert!(matches!(brought.files[&files[0]], Before::Kept { .. }));
        lay("/etc/theirs.conf", b"ours");
        lay("/etc/pgbundle/ours.conf", b"ours");
        crate::node::units::mask(host, "loud.service").unwrap();
        lay(&format!("{DATA}/member/snap"), b"data");
        let marker = Marker::of(&identity, Held::HoldsData);
        marker::write(&host.path(DATA), &marker, None).unwrap();
    }

    fn recorded() -> Recorded {
        let system = Recorded::default();
        system.unit("etcd.service", "active");
        system.answer(
            "dpkg-query",
            0,
            "ii etcd-server 2\nii tzdata 2\nii theirs 1\n",
        );
        system.answer("--simulate purge etcd-server", 0, "Purg etcd-server [2]\n");
        system.answer("is-enabled", 0, "enabled\n");
        system
    }

    fn left(host: &Host) -> Vec<String> {
        let mut left = Vec::new();
        let mut folders = vec![host.state("")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let path = path.strip_prefix(host.state("")).unwrap();
                    left.push(path.display().to_string());
                }
            }
        }
        left.sort();
        left
    }

    #[test]
    fn what_was_there_comes_back_and_what_was_brought_goes() {
        let (folder, system) = (tempfile::tempdir().unwrap(), recorded());
        let host = system.host(folder.path());
        brought_up(&host);
        let told = uninstall(&host, &Request::default()).unwrap();
        assert!(told.contains("tzdata 1 > 2"), "{told}");
        assert!(told.contains(DATA) && told.contains("up --again"), "{told}");
        let calls = system.take();
        let position = |part: &str| {
            let found = calls.iter().position(|call| call.contains(part));
            found.unwrap_or_else(|| panic!("{part} in {calls:#?}"))
        };
        assert!(position("stop etcd.service") < position("disable etcd.service"));
        assert!(
            position("disable etcd.service") < position("try-restart --no-block timesyncd.service")
        );
        assert!(position("try-restart") < position("--yes remove etcd-server"));
        let purged = calls.iter().any(|call| call.contains("purge tzdata"));
        assert!(!purged, "{calls:#?}");
        assert_eq!(fs::read(host.path("/etc/theirs.conf")).unwrap(), b"theirs");
        assert!(!host.path("/etc/pgbundle").exists());
        assert!(!crate::node::units::is_masked(&host, "loud.service"));
        assert_eq!(left(&host), ["seed/identity.json", "uninstalled.json"]);
        assert!(host.path(DATA).join("member/snap").exists());
        let again = uninstall(&host, &Request::default()).unwrap();
        assert!(again.contains("was taken away"), "{again}");
        let named = |cluster: &str| Request {
            purge_data: Some(cluster.to_owned()),
            may_stop: false,
        };
        assert_eq!(
            uninstall(&host, &named("other")).unwrap_err().exit_code(),
            2
        );
        uninstall(&host, &named("demo")).unwrap();
        assert_eq!(left(&host), ["uninstalled.json"]);
        assert!(!host.path(DATA).exists() && !host.path(PROGRAM).exists());
        assert!(!marker::path(&host.path(DATA)).exists());
    }

    #[test]
    fn cut_off_at_any_call_it_goes_on() {
        // Each time one more call of the system succeeds.
        for good in 0..40 {
            let (folder, system) = (tempfile::tempdir().unwrap(), recorded());
            let host = system.host(folder.path());
            brought_up(&host);
            system.fail_after(good);
            let first = uninstall(&host, &Request::default());
            system.fail_after(usize::MAX);
            let told = match first {
                Ok(told) => {
                    assert!(good > 8, "it asked {good} times at the most");
                    told
                }
                Err(_) => uninstall(&host, &Request::default()).unwrap(),
            };
            assert!(told.contains("up --again"), "{good}: {told}");
            assert_eq!(
                left(&host),
                ["seed/identity.json", "uninstalled.json"],
                "{good}"
            );
            assert_eq!(fs::read(host.path("/etc/theirs.conf")).unwrap(), b"theirs");
            assert!(!host.path("/etc/pgbundle").exists(), "{good}");
        }
    }

    #[test]
    fn data_of_another_is_not_removed() {
        let (folder, system) = (tempfile::tempdir().unwrap(), recorded());
        let host = system.host(folder.path());
        brought_up(&host);
        let mut identity = example();
        identity.cluster_id = "ff".to_owned();
        let marker = Marker::of(&identity, Held::HoldsData);
        marker::write(&host.path(DATA), &marker, None).unwrap();
        let request = Request {
            purge_data: Some("demo".to_owned()),
            may_stop: false,
        };
        let refused = uninstall(&host, &request).unwrap_err();
        assert!(refused.to_string().contains("belongs to node"), "{refused}");
        assert!(host.path(DATA).join("member/snap").exists());
    }
}
