//! SELinux stays as the host has it: what the roles' services need of its policy
//! is switched on, and what was installed has the policy's own labels.
//!
//! Only HAProxy and keepalived run in domains of their own. HAProxy may bind and
//! ask a few well-known ports alone, so `haproxy_connect_any` is for its
//! listeners, for PgBouncer and for Patroni; `keepalived_connect_any` is for the
//! question whether HAProxy answers. Everything else is started from files that
//! are labelled `bin_t` or `usr_t` and runs as `unconfined_service_t`. Booleans
//! do all of that with what each host has (`setsebool`, `restorecon`), where
//! `semanage` would have to be installed first.
//!
//! Disabled or permissive is the operator's decision: it is told and not changed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::durable::{self, Rights};
use super::files;
use super::host::{Host, read_if_there, read_json};
use super::packages::LONG;
use super::python;
use super::step::{Check, Context, Scope, Step};
use super::steps::nothing;
use super::stop::Stop;
use super::system::Call;
use crate::base::atomic::parent_of;

/// The booleans that `up` switched on, and that were off before.
const FILE: &str = "selinux.json";

/// After the files, which are labelled by it; before anything is started.
pub(super) const SELINUX: Step = Step {
    name: "selinux",
    scope: Scope::Node,
    describe: |context| {
        let Some(booleans) = booleans(context) else {
            return Ok(Vec::new());
        };
        let mut lines = vec!["# nothing where SELinux is not enabled".to_owned()];
        if !booleans.is_empty() {
            lines.push(switch_call(&booleans, "on").to_string());
        }
        let labelled = labelled(context)?;
        lines.extend(
            restore_calls(&labelled, &["-i"])
                .iter()
                .map(Call::to_string),
        );
        Ok(lines)
    },
    restarts: nothing,
    check,
    apply,
    describe_undo: |context| {
        let switched = switched(context.host)?;
        let booleans: BTreeSet<&str> = switched.booleans.iter().map(String::as_str).collect();
        let call = (!booleans.is_empty()).then(|| switch_call(&booleans, "off").to_string());
        Ok(call.into_iter().collect())
    },
    undo: |context| remove(context.host),
};

/// How SELinux watches over a host (selinux(8)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It forbids what its policy does not allow.
    Enforcing,
    /// It only writes down what it would forbid.
    Permissive,
    /// It is not there, or not switched on.
    Disabled,
}

/// Asks the kernel.
pub fn mode(host: &Host) -> Result<Mode, Stop> {
    let told = read_if_there(&host.path("/sys/fs/selinux/enforce"))?;
    Ok(match told.as_deref() {
        None => Mode::Disabled,
        Some([b'0', ..]) => Mode::Permissive,
        Some(_) => Mode::Enforcing,
    })
}

/// Switches off again what [`SELINUX`] switched on; true where it had.
fn remove(host: &Host) -> Result<bool, Stop> {
    let switched = switched(host)?;
    if !switched.booleans.is_empty() && mode(host)? != Mode::Disabled {
        let booleans = switched.booleans.iter().map(String::as_str).collect();
        host.system.run(&switch_call(&booleans, "off"))?;
    }
    durable::remove(&host.state(FILE))?;
    Ok(!switched.booleans.is_empty())
}

#[derive(Default, Serialize, Deserialize)]
struct Switched {
    booleans: BTreeSet<String>,
}

fn switched(host: &Host) -> Result<Switched, Stop> {
    Ok(read_json(&host.state(FILE))?.unwrap_or_default())
}

/// The booleans of all roles; none where the system has no SELinux.
fn booleans<'c>(context: &'c Context) -> Option<BTreeSet<&'c str>> {
    let wanted = context.bundles.iter().filter_map(|bundle| {
        let selinux = bundle.assignment.selinux.as_ref()?;
        Some(selinux.booleans.iter().map(String::as_str))
    });
    let wanted: Vec<_> = wanted.collect();
    (!wanted.is_empty()).then(|| wanted.into_iter().flatten().collect())
}

/// What must be done, and what can only be told.
#[derive(Default)]
struct Work {
    off: Vec<String>,
    mislabelled: usize,
    remarks: Vec<String>,
}

fn check(context: &mut Context) -> Result<Check, Stop> {
    let work = work(context)?;
    for remark in &work.remarks {
        context.narrator.remark(remark);
    }
    let mut reasons = Vec::new();
    if !work.off.is_empty() {
        reasons.push(format!("{} to switch on", work.off.join(", ")));
    }
    if work.mislabelled > 0 {
        reasons.push(format!("{} files to label", work.mislabelled));
    }
    Ok(if reasons.is_empty() {
        Check::AlreadySo
    } else {
        Check::Needed(reasons.join(", "))
    })
}

fn work(context: &Context) -> Result<Work, Stop> {
    let mut work = Work::default();
    let (host, Some(booleans)) = (context.host, booleans(context)) else {
        return Ok(work);
    };
    match mode(host)? {
        Mode::Disabled => {
            let remark =
                "SELinux is not enabled on this host; it is left so, and nothing is set for it";
            work.remarks.push(remark.to_owned());
            return Ok(work);
        }
        Mode::Permissive => {
            let remark = "SELinux is permissive on this host: it forbids nothing; it is left so";
            work.remarks.push(remark.to_owned());
        }
        Mode::Enforcing => {}
    }
    for boolean in booleans {
        let path = format!("/sys/fs/selinux/booleans/{boolean}");
        match read_if_there(&host.path(&path))?.as_deref() {
            Some([b'1', ..]) => {}
            Some(_) => work.off.push(boolean.to_owned()),
            None => work.remarks.push(format!(
                "this host's SELinux policy has no boolean {boolean}: what it would allow may be denied (ausearch -m avc)"
            )),
        }
    }
    for call in restore_calls(&labelled(context)?, &["-i", "-n", "-v"]) {
        work.mislabelled += host.system.run(&call)?.output.lines().count();
    }
    Ok(work)
}

fn apply(context: &mut Context) -> Result<(), Stop> {
    let (work, host) = (work(context)?, context.host);
    if !work.off.is_empty() {
        let mut switched = switched(host)?;
        switched.booleans.extend(work.off.iter().cloned());
        let bytes = serde_json::to_vec_pretty(&switched).expect("names are text");
        durable::write(&host.state(FILE), &bytes, Rights::own(0o600))?;
        let off = work.off.iter().map(String::as_str).collect();
        host.system.run(&switch_call(&off, "on"))?;
    }
    for call in restore_calls(&labelled(context)?, &["-i"]) {
        host.system.run(&call)?;
    }
    Ok(())
}

/// With `-P` for the next boot, too; it builds the whole policy anew, which
/// takes a small host a minute.
fn switch_call(booleans: &BTreeSet<&str>, to: &str) -> Call {
    let settings = booleans.iter().map(|boolean| format!("{boolean}={to}"));
    let words = ["-P".to_owned()].into_iter().chain(settings);
    Call::new("setsebool", words).within(LONG)
}

/// What was installed.
#[derive(Default)]
struct Labelled {
    /// Files and folders by themselves.
    alone: BTreeSet<PathBuf>,
    /// Folders with all that is in them.
    whole: BTreeSet<PathBuf>,
}

fn labelled(context: &Context) -> Result<Labelled, Stop> {
    let (host, mut labelled) = (context.host, Labelled::default());
    for file in files::wanted(host, context.identity()?, &context.bundles)? {
        labelled.alone.insert(parent_of(&file.place).to_owned());
        labelled.alone.insert(file.place);
    }
    for directory in files::directories(&context.bundles) {
        labelled.alone.insert(directory.path.under(&host.root));
    }
    labelled
        .whole
        .extend(python::folders(host, &context.bundles));
    Ok(labelled)
}

/// `restorecon` over both kinds; where nothing is to be asked, no call.
fn restore_calls(labelled: &Labelled, options: &[&str]) -> Vec<Call> {
    let words = |paths: &BTreeSet<PathBuf>| -> Vec<String> {
        paths
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    };
    let call = |more: &[&str], paths: &BTreeSet<PathBuf>| {
        let options = options.iter().chain(more).map(|word| (*word).to_owned());
        let words = options.chain(words(paths));
        Call::new("restorecon", words).within(LONG)
    };
    let mut calls = Vec::new();
    if !labelled.alone.is_empty() {
        calls.push(call(&[], &labelled.alone));
    }
    if !labelled.whole.is_empty() {
        calls.push(call(&["-R"], &labelled.whole));
    }
    calls
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::bundle::assignment::Selinux;
    use crate::node::identity::tests::example;
    use crate::node::services::tests::role;
    use crate::node::system::recorded::Recorded;
    use crate::node::up;

    fn asked(system: &Recorded) -> Vec<String> {
        let calls = system.take().into_iter();
        let brief = |call: String| call.split('/').next().unwrap_or_default().trim().to_owned();
        calls
            .map(brief)
            .filter(|call| !call.starts_with("ip "))
            .collect()
    }

    #[test]
    fn what_is_off_is_switched_on_and_off_again_and_nothing_else_is() {
        let (folder, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(folder.path());
        let mut bundle = role("proxy", "haproxy.service");
        bundle.assignment.selinux = Some(Selinux {
            booleans: vec![
                "haproxy_connect_any".to_owned(),
                "keepalived_connect_any".to_owned(),
            ],
        });
        bundle.assignment.directories = serde_json::from_value(serde_json::json!([
            {"path": "/etc/pgbundle", "access": {"owner": "root", "group": "root", "mode": "0755"}}
        ]))
        .unwrap();
        let mut context = up::context(&host, None);
        context.identity = Some(example());
        context.bundles = vec![bundle];

        assert_eq!(check(&mut context).unwrap(), Check::AlreadySo);
        let remarks = |context: &Context| context.narrator.report().remarks.clone();
        assert!(remarks(&context)[0].contains("not enabled"));
        assert_eq!(asked(&system), Vec::<String>::new(), "nobody is asked");

        let kernel = folder.path().join("sys/fs/selinux");
        fs::create_dir_all(kernel.join("booleans")).unwrap();
        fs::write(kernel.join("enforce"), "1").unwrap();
        fs::write(kernel.join("booleans/haproxy_connect_any"), "0 0").unwrap();
        system.answer("-n -v", 0, "Would relabel /etc/pgbundle from a to b\n");
        let needed = check(&mut context).unwrap();
        let reason = "haproxy_connect_any to switch on, 1 files to label".to_owned();
        assert_eq!(needed, Check::Needed(reason));
        assert!(remarks(&context)[1].contains("no boolean keepalived_connect_any"));
        system.take();
        apply(&mut context).unwrap();
        let expected = [
            "restorecon -i -n -v",
            "setsebool -P haproxy_connect_any=on",
            "restorecon -i",
        ];
        assert_eq!(asked(&system), expected);

        fs::write(kernel.join("booleans/haproxy_connect_any"), "1 1").unwrap();
        fs::write(kernel.join("enforce"), "0").unwrap();
        system.answer("-n -v", 0, "");
        assert_eq!(check(&mut context).unwrap(), Check::AlreadySo);
        assert!(
            remarks(&context)
                .iter()
                .any(|remark| remark.contains("permissive"))
        );

        system.take();
        assert!(remove(&host).unwrap());
        assert!(!remove(&host).unwrap());
        assert_eq!(asked(&system), ["setsebool -P haproxy_connect_any=off"]);
    }
}
