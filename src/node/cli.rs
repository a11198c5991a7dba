//! The program's arguments, parsed by hand: few, and a host's program should
//! be small. The help text lives here and nowhere else.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::anew;
use super::clock;
use super::etcd_start;
use super::health;
use super::host::Host;
use super::initdb;
use super::narrator::State;
use super::selfcheck;
use super::status;
use super::steps;
use super::stop::Stop;
use super::system::System;
use super::unfinished;
use super::uninstall;
use super::up;
use super::upgrade;
use super::verify;

/// What `--help` prints.
pub const HELP: &str = "\
pgbundle-node: brings this host up as a node of its cluster, from its bundles alone

Usage: pgbundle-node [--root FOLDER] COMMAND

For operators:
  up [--wait SECONDS] [--again]   run every step until all services serve; repeats safely;
                           --again: although the node was taken away from this host
  status [--json]          where the host stands, and what it waits for; 0 only when it serves
  steps [--undo]           what each step, or taking it back, does on this host, in shell
                           where it can be said
  selfcheck [FILE]         ask the host, its programs and each step's check, before the install
                           or after it; FILE gets the report to send back, without secrets
  verify                   compare bundles, files and packages with what was installed
  upgrade [--identity PLACE] [--wait SECONDS] [--stop-cluster]
                           take up a seed of a higher generation: PLACE is its folder or
                           its user-data; without it, the attached disk labelled cidata.
                           A leader whose PostgreSQL restarts hands over first
  uninstall [--purge-data CLUSTER] [--stop-cluster]
                           take the node away from this host: services, configuration, and
                           the packages that came with them; a leader hands over first. The
                           data stays unless --purge-data names its cluster; the cluster
                           stops serving by it only with --stop-cluster
  allow-bootstrap CLUSTER  let this node run initdb once although others may hold data
  accept-clock             take this host's clock as right until the next boot, whatever peers say
  allow-new-etcd CLUSTER   etcd's data is lost: let etcd begin again here, once, and this
                           node's PostgreSQL lead with the data that it has

For units and services:
  clock                    return once the clock is in step (pgbundle-clock.service)
  etcd-start               decide how etcd starts (root, before etcd)
  initdb --scope=… --datadir=…   Patroni's bootstrap method
  finish-bootstrap COMMAND…      Patroni's last command of a bootstrap
  mark-data                put right what a cut left of PostgreSQL's data (before Patroni)
  probe ADDRESS:PORT       exit 0 when the port accepts a connection within a second

Exit codes: 0 done, 1 the answer is no, 2 your input, 3 the world (disk, network,
another program), 101 a bug.
";

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Show the help text.
    Help,
    /// Run the steps; wait at most so long for others; bring back what was taken away.
    Up(Option<Duration>, bool),
    /// Show the report, as JSON where true.
    Status(bool),
    /// Show what each step does, or what taking it back does.
    Steps(bool),
    /// Take up a newer seed.
    Upgrade(upgrade::Request),
    /// Take the node away.
    Uninstall(uninstall::Request),
    /// Report on the host, as JSON into a file where one is named.
    Selfcheck(Option<PathBuf>),
    /// Look for drift.
    Verify,
    /// Allow one bootstrap of the cluster named.
    AllowBootstrap(String),
    /// Take the clock as right.
    AcceptClock,
    /// Wait until the clock is in step.
    Clock,
    /// Let etcd begin again over the intact data of the cluster named.
    AllowNewEtcd(String),
    /// Decide how etcd starts.
    EtcdStart,
    /// Be Patroni's bootstrap method for this data folder.
    Initdb(Option<String>),
    /// Run Patroni's last command of a bootstrap and remember that it was run.
    FinishBootstrap(Vec<String>),
    /// Put right and remember PostgreSQL's data.
    MarkData,
    /// Try a port.
    Probe(String),
}

/// Arguments that cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; see `pgbundle-node --help`")]
pub struct Misunderstood(String);

/// Reads the arguments: a root folder and a command.
pub fn parse(arguments: &[String]) -> Result<(PathBuf, Command), Misunderstood> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--root", root, rest @ ..] => Ok((PathBuf::from(root), command(rest)?)),
        rest => Ok((PathBuf::from("/"), command(rest)?)),
    }
}

fn command(words: &[&str]) -> Result<Command, Misunderstood> {
    Ok(match words {
        ["--help" | "-h" | "help"] => Command::Help,
        ["up", options @ ..] => up_of(options)?,
        ["upgrade", options @ ..] => Command::Upgrade(upgrade_of(options)?),
        ["uninstall", options @ ..] => Command::Uninstall(uninstall_of(options)?),
        ["status"] => Command::Status(false),
        ["status", "--json"] => Command::Status(true),
        ["steps"] => Command::Steps(false),
        ["steps", "--undo"] => Command::Steps(true),
        ["selfcheck"] => Command::Selfcheck(None),
        ["selfcheck", file] if !file.starts_with('-') => {
            Command::Selfcheck(Some(PathBuf::from(file)))
        }
        ["verify"] => Command::Verify,
        ["allow-bootstrap", cluster] => Command::AllowBootstrap((*cluster).to_owned()),
        ["accept-clock"] => Command::AcceptClock,
        ["clock"] => Command::Clock,
        ["allow-new-etcd", cluster] => Command::AllowNewEtcd((*cluster).to_owned()),
        ["etcd-start"] => Command::EtcdStart,
        ["initdb", options @ ..] => Command::Initdb(data_folder(options)),
        ["finish-bootstrap", words @ ..] if !words.is_empty() => {
            Command::FinishBootstrap(words.iter().map(|&word| word.to_owned()).collect())
        }
        ["mark-data"] => Command::MarkData,
        ["probe", address] => Command::Probe((*address).to_owned()),
        [] => return Err(Misunderstood("no command was given".to_owned())),
        words => return Err(not_understood(words)),
    })
}

fn not_understood(words: &[&str]) -> Misunderstood {
    Misunderstood(format!("`{}` is not understood", words.join(" ")))
}

fn up_of(mut options: &[&str]) -> Result<Command, Misunderstood> {
    let (mut patience, mut again) = (None, false);
    loop {
        options = match options {
            [] => return Ok(Command::Up(patience, again)),
            ["--wait", seconds, rest @ ..] => {
                patience = Some(seconds_of(seconds)?);
                rest
            }
            ["--again", rest @ ..] => {
                again = true;
                rest
            }
            words => return Err(not_understood(words)),
        };
    }
}

fn upgrade_of(mut options: &[&str]) -> Result<upgrade::Request, Misunderstood> {
    let mut request = upgrade::Request::default();
    loop {
        options = match options {
            [] => return Ok(request),
            ["--identity", place, rest @ ..] => {
                request.identity = Some(PathBuf::from(place));
                rest
            }
            ["--wait", seconds, rest @ ..] => {
                request.patience = Some(seconds_of(seconds)?);
                rest
            }
            ["--stop-cluster", rest @ ..] => {
                request.may_stop = true;
                rest
            }
            words => return Err(not_understood(words)),
        };
    }
}

fn uninstall_of(mut options: &[&str]) -> Result<uninstall::Request, Misunderstood> {
    let mut request = uninstall::Request::default();
    loop {
        options = match options {
            [] => return Ok(request),
            ["--stop-cluster", rest @ ..] => {
                request.may_stop = true;
                rest
            }
            ["--purge-data", cluster, rest @ ..] if !cluster.starts_with('-') => {
                request.purge_data = Some((*cluster).to_owned());
                rest
            }
            ["--purge-data", ..] => {
                return Err(Misunderstood(
                    "`--purge-data` wants the name of the cluster whose data goes".to_owned(),
                ));
            }
            words => return Err(not_understood(words)),
        };
    }
}

fn seconds_of(text: &str) -> Result<Duration, Misunderstood> {
    let seconds = text.parse().map(Duration::from_secs);
    seconds.map_err(|_| Misunderstood(format!("`{text}` is not a number of seconds")))
}

/// Patroni adds `--scope=` and `--datadir=`, and may add more in later versions.
fn data_folder(options: &[&str]) -> Option<String> {
    options
        .iter()
        .find_map(|option| option.strip_prefix("--datadir="))
        .map(str::to_owned)
}

/// Does what the arguments ask and returns the exit code.
pub fn run(arguments: &[String], system: &dyn System) -> u8 {
    let done = match parse(arguments) {
        Ok((root, command)) => obey(&Host { root, system }, command),
        Err(fault) => Err(Stop::Input(fault.to_string())),
    };
    done.unwrap_or_else(|stop| {
        stop.reasons()
            .iter()
            .for_each(|reason| eprintln!("error: {reason}"));
        stop.exit_code()
    })
}

fn obey(host: &Host, command: Command) -> Result<u8, Stop> {
    match command {
        Command::Help => show(HELP),
        Command::Up(patience, again) => return Ok(exit_of(up::up(host, patience, again))),
        Command::Upgrade(request) => upgrade::upgrade(host, &request)?,
        Command::Uninstall(request) => show(&uninstall::uninstall(host, &request)?),
        Command::Status(as_json) => return show_status(host, as_json),
        Command::Steps(false) => show(&describe(host)?),
        Command::Steps(true) => show(&uninstall::describe(host, &uninstall::Request::default())?),
        Command::Selfcheck(file) => {
            let (text, is_good) = selfcheck::selfcheck(host, file.as_deref())?;
            show(&text);
            return Ok(u8::from(!is_good));
        }
        Command::Verify => return report_drift(host),
        Command::AllowBootstrap(cluster) => initdb::allow(host, &cluster)?,
        Command::AcceptClock => clock::accept(host)?,
        Command::Clock => clock::gate::hold(host),
        Command::AllowNewEtcd(cluster) => show(&anew::allow(host, &cluster)?),
        Command::EtcdStart => {
            let start = etcd_start::prepare(host)?;
            show(&format!(
                "etcd starts as {}: {}\n",
                start.state, start.reason
            ));
        }
        Command::Initdb(data) => initdb::bootstrap(host, data.as_deref())?,
        Command::FinishBootstrap(command) => initdb::finish(host, &command)?,
        Command::MarkData => {
            show(&format!("{}\n", unfinished::mark(host)?));
            anew::wait_for_history(host)?;
        }
        Command::Probe(address) => return Ok(u8::from(!health::accepts(&address))),
    }
    Ok(0)
}

/// `up` has told its faults on the console already.
fn exit_of(done: Result<(), Stop>) -> u8 {
    done.map_or_else(|stop| stop.exit_code(), |()| 0)
}

/// Writes to standard output; a reader that has gone away is no fault.
fn show(text: &str) {
    if let Err(fault) = io::stdout().write_all(text.as_bytes())
        && fault.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("error: cannot write to standard output: {fault}");
    }
}

fn show_status(host: &Host, as_json: bool) -> Result<u8, Stop> {
    let report = status::read(host)?;
    if as_json {
        let text = serde_json::to_string_pretty(&report).expect("a report has only text keys");
        show(&(text + "\n"));
    } else {
        show(&status::in_words(host, &report));
    }
    Ok(u8::from(report.state != State::Serving))
}

fn report_drift(host: &Host) -> Result<u8, Stop> {
    let drift = verify::drift(host)?;
    if drift.is_empty() {
        show("everything is as the bundles and the identity have it\n");
        return Ok(0);
    }
    drift.iter().for_each(|line| show(&format!("{line}\n")));
    Ok(1)
}

/// What each step would do here. Steps whose bundles are not here yet say so.
fn describe(host: &Host) -> Result<String, Stop> {
    let mut context = up::context(host, None);
    context.identity = match super::identity::stored(host)? {
        Some(stored) => Some(stored),
        None => super::identity::planted(host)?,
    };
    let identity = context.identity()?;
    if super::bundles::missing(host, identity).is_empty() {
        context.bundles = super::bundles::read(host, identity)?;
    }
    let mut text = String::new();
    for step in steps::all() {
        text += &format!("# {} ({:?})\n", step.name, step.scope).to_lowercase();
        let restarts = (step.restarts)(&context);
        if !restarts.is_empty() {
            text += &format!("# may restart: {}\n", restarts.join(" "));
        }
        (step.describe)(&context)?
            .iter()
            .for_each(|line| text += &format!("{line}\n"));
        text.push('\n');
    }
    if context.bundles.is_empty() {
        text += "# the bundles are not here yet: what they ask for is not shown\n";
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(text: &str) -> Result<(PathBuf, Command), Misunderstood> {
        parse(
            &text
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn understands_what_the_help_text_promises() {
        let root = PathBuf::from("/");
        assert_eq!(
            understood("up --wait 5"),
            Ok((
                root.clone(),
                Command::Up(Some(Duration::from_secs(5)), false)
            ))
        );
        let purge = uninstall::Request {
            purge_data: Some("demo".to_owned()),
            may_stop: true,
        };
        assert_eq!(
            understood("uninstall --stop-cluster --purge-data demo"),
            Ok((root.clone(), Command::Uninstall(purge)))
        );
        assert_eq!(
            understood("--root /mnt status --json"),
            Ok(("/mnt".into(), Command::Status(true)))
        );
        let data = "/var/lib/postgresql/15/main";
        let initdb = format!("initdb --scope=demo --datadir={data}");
        assert_eq!(
            understood(&initdb),
            Ok((root, Command::Initdb(Some(data.to_owned()))))
        );
        for bad in [
            "",
            "down",
            "up --wait soon",
            "status --yaml",
            "probe",
            "uninstall --purge-data",
            "uninstall --purge-data --stop-cluster",
            "uninstall demo",
        ] {
            assert!(understood(bad).is_err(), "{bad}");
        }
    }
}
