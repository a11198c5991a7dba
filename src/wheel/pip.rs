//! Brings wheels into the store through this machine's own pip, which knows
//! the index, its certificates and the way to it (pip's configuration).
//!
//! pip is told every digest (`--require-hashes`) and to look at no dependency.
//! What only exists as source is built here, once, from a source of that digest
//! with pinned build tools, under a fixed umask, date and time zone. The wheel
//! must then have the digest that is pinned for it, too, so that it does not
//! matter who built it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{Interpreter, Wheel};
use crate::base::Sha256;
use crate::store::{Store, StoreError};

/// The moment that every file of a built wheel has (zip knows none before 1980).
const BUILT_AT: &str = "1700000000";

/// A set that is to be had for an interpreter.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// The wheels.
    pub wheels: &'w [Wheel],
    /// What they are for.
    pub interpreter: &'w Interpreter,
    /// What builds those that exist as source alone (setuptools, wheel).
    pub tools: &'w [Wheel],
    /// A folder that has them all, asked instead of the index.
    pub folder: Option<&'w Path>,
}

/// Wheels are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum PipError {
    /// There is no pip.
    #[error(
        "`python3 -m pip` cannot be run ({0}); it brings the Python wheels that the profile pins"
    )]
    NoPip(String),
    /// pip failed.
    #[error("pip cannot {what}:\n{said}")]
    Pip {
        /// What it was to do.
        what: &'static str,
        /// The end of what it said.
        said: String,
    },
    /// pip ended well and the file is not there.
    #[error("pip brought no {0}")]
    Absent(String),
    /// Another file came out.
    #[error(
        "{name} was built and has the digest {found}, not the pinned {wanted}: this machine's Python compresses otherwise than the one it was pinned with"
    )]
    BuiltOther {
        /// The wheel.
        name: String,
        /// The digest it has.
        found: Sha256,
        /// The size it has.
        found_size: u64,
        /// The digest it should have.
        wanted: Sha256,
    },
    /// A temporary file cannot be written or read.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Brings every wheel that the store does not have; none is asked for twice.
pub fn bring(wanted: Wanted<'_>, store: &Store) -> Result<(), PipError> {
    let missing = |wheel: &&Wheel| !store.has(wheel.sha256);
    let (to_build, ready): (Vec<&Wheel>, Vec<&Wheel>) = wanted
        .wheels
        .iter()
        .filter(missing)
        .partition(|wheel| wheel.sdist.is_some());
    if to_build.is_empty() && ready.is_empty() {
        return Ok(());
    }
    let folder = tempfile::tempdir().map_err(failed("make a folder in", &std::env::temp_dir()))?;
    let folder = folder.path();
    if !ready.is_empty() {
        download(&ready, &wanted, folder)?;
    }
    if !to_build.is_empty() {
        build(&to_build, &wanted, folder)?;
    }
    for wheel in to_build.iter().chain(&ready) {
        take(wheel, folder, store)?;
    }
    Ok(())
}

fn failed<'p>(action: &'static str, path: &'p Path) -> impl Fn(io::Error) -> PipError + use<'p> {
    move |source| PipError::File {
        action,
        path: path.to_owned(),
        source,
    }
}

fn download(wheels: &[&Wheel], wanted: &Wanted<'_>, folder: &Path) -> Result<(), PipError> {
    let list = listed(
        "wheels.txt",
        wheels.iter().map(|wheel| (*wheel, wheel.sha256)),
        folder,
    )?;
    let interpreter = wanted.interpreter;
    let mut arguments = vec![
        format!("--python-version=3.{}", interpreter.minor),
        "--implementation=cp".to_owned(),
    ];
    let [abis, platforms] =
        ["abi", "platform"].map(|flag| move |tag: String| format!("--{flag}={tag}"));
    arguments.extend(interpreter.abis().map(abis));
    arguments.extend(interpreter.platforms().map(platforms));
    arguments.extend([
        "--only-binary=:all:".to_owned(),
        "--dest".to_owned(),
        text(folder),
    ]);
    let what = "download the wheels that the profile pins";
    pip(what, "download", &list, &arguments, wanted, &[])
}

fn build(wheels: &[&Wheel], wanted: &Wanted<'_>, folder: &Path) -> Result<(), PipError> {
    let tools = listed(
        "tools.txt",
        wanted.tools.iter().map(|tool| (tool, tool.sha256)),
        folder,
    )?;
    let place = text(&folder.join("tools"));
    let arguments = [
        "--only-binary=:all:".to_owned(),
        "--target".to_owned(),
        place.clone(),
    ];
    let what = "install the build tools that the profile pins";
    pip(what, "install", &tools, &arguments, wanted, &[])?;
    let sources = wheels
        .iter()
        .filter_map(|wheel| Some((*wheel, wheel.sdist.as_ref()?.sha256)));
    let sources = listed("sources.txt", sources, folder)?;
    let arguments = [
        "--no-build-isolation",
        "--no-binary=:all:",
        "--no-cache-dir",
        "--wheel-dir",
    ];
    let mut arguments: Vec<_> = arguments.map(str::to_owned).into();
    arguments.push(text(folder));
    let environment = [
        ("PYTHONPATH", place.as_str()),
        ("SOURCE_DATE_EPOCH", BUILT_AT),
    ];
    let what = "build the wheels that exist as source alone";
    pip(what, "wheel", &sources, &arguments, wanted, &environment)
}

/// Writes a requirements file in hash-checking mode.
fn listed<'w>(
    name: &str,
    wheels: impl Iterator<Item = (&'w Wheel, Sha256)>,
    folder: &Path,
) -> Result<PathBuf, PipError> {
    let line = |(wheel, sha256): (&Wheel, Sha256)| {
        let (project, version) = (wheel.name.distribution(), wheel.name.version());
        format!("{project}=={version} --hash=sha256:{sha256}\n")
    };
    let path = folder.join(name);
    fs::write(&path, wheels.map(line).collect::<String>()).map_err(failed("write", &path))?;
    Ok(path)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Runs pip with an environment that does not change what it makes: the modes
/// of a wheel's files are those that the umask left.
fn pip(
    what: &'static str,
    verb: &str,
    list: &Path,
    arguments: &[String],
    wanted: &Wanted<'_>,
    environment: &[(&str, &str)],
) -> Result<(), PipError> {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 022; exec python3 -m pip \"$@\"", "pip", verb]);
    command.args(["--no-deps", "--require-hashes", "--no-input", "--quiet"]);
    command.args(arguments).arg("--requirement").arg(list);
    if let Some(folder) = wanted.folder {
        command.arg("--no-index").arg("--find-links").arg(folder);
    }
    command.envs([
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("PYTHONHASHSEED", "0"),
    ]);
    command.envs(environment.iter().copied());
    let output = command.output();
    let Output { status, stderr, .. } =
        output.map_err(|error| PipError::NoPip(error.to_string()))?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&stderr);
    // sh(1) without python3, and python3 without pip.
    let is_absent = status.code() == Some(127) || said.contains("No module named pip");
    let said = last_lines(&said);
    Err(if is_absent {
        PipError::NoPip(said)
    } else {
        PipError::Pip { what, said }
    })
}

// What pip says last is why it failed.
fn last_lines(said: &str) -> String {
    let lines: Vec<_> = said
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let rest = lines.len().saturating_sub(20);
    lines[rest..].join("\n")
}

fn take(wheel: &Wheel, folder: &Path, store: &Store) -> Result<(), PipError> {
    let path = folder.join(wheel.name.as_str());
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PipError::Absent(wheel.name.to_string()));
        }
        file => file.map_err(failed("open", &path))?,
    };
    match store.put_expected(wheel.name.as_str(), &mut file, wheel.sha256, wheel.size) {
        Err(StoreError::Mismatch { .. }) if wheel.sdist.is_some() => {
            // The store reads no further than the size that it was told.
            let built = fs::read(&path).map_err(failed("read", &path))?;
            Err(PipError::BuiltOther {
                name: wheel.name.to_string(),
                found: Sha256::of(&built),
                found_size: built.len() as u64,
                wanted: wheel.sha256,
            })
        }
        put => Ok(put.map(drop)?),
    }
}
