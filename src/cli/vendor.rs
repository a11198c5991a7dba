//! The folders of RPMs that a spec names: what is in them, or was when the
//! cluster was locked; and what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::locking::{Locking, lock_path, read_lock};
use super::report::Failure;
use super::{ClusterArguments, moment};
use crate::archive::untar::Limits;
use crate::base::Sha256;
use crate::bundle::manifest::ByDigest;
use crate::lock::given::{self, GivenPackage, Judging, NotForHosts, SOURCE};
use crate::lock::{Lock, indexes, request};
use crate::plan::GivenFile;
use crate::profile::{NoPackaging, Profile};
use crate::repo::rpm::signature::PackageSignatureError;
use crate::spec::Spec;
use crate::store::http::{Client, HttpError};
use crate::store::place::Place;

/// What lies in a folder.
#[derive(Default)]
struct Found {
    rpms: Vec<PathBuf>,
    /// What is no RPM, by its name.
    others: Vec<String>,
}

/// The folders, in the spec's order.
pub fn folders(cluster: &Path, spec: &Spec) -> Vec<PathBuf> {
    let beside = cluster.parent().unwrap_or(Path::new(""));
    let folders = spec.vendor.iter();
    folders.map(|folder| beside.join(&folder.path)).collect()
}

/// The files that the operator was given, sorted: those that lie in the
/// folders, or where none does, those that the lock was made with.
pub fn files(
    arguments: &ClusterArguments,
    spec: &Spec,
    profile: &Profile,
) -> Result<Vec<GivenFile>, Failure> {
    let mut files = BTreeMap::new();
    for folder in folders(&arguments.cluster, spec) {
        for path in list(&folder)?.rpms {
            let file = measured(&path)?;
            if let Some((_, other)) = files.insert(file.name.clone(), (file, path.clone())) {
                return Err(twice(&other, &path));
            }
        }
    }
    if spec.vendor.is_empty() || !files.is_empty() {
        return Ok(files.into_values().map(|(file, _)| file).collect());
    }
    let architecture = arguments.architecture.as_ref();
    let architecture = architecture.unwrap_or(&profile.architectures[0]);
    let lock = read_lock(&lock_path(&arguments.cluster, &profile.name, architecture))?;
    Ok(lock.map_or_else(Vec::new, |lock| request::given_files(&lock.asked)))
}

fn twice(one: &Path, other: &Path) -> Failure {
    let (one, other) = (one.display(), other.display());
    Failure::input(format!("{one} and {other} have one name"))
        .hint("leave one of them in its folder")
}

/// A folder that is not there has nothing in it.
fn list(folder: &Path) -> Result<Found, Failure> {
    let unreadable = |error: &std::io::Error| {
        Failure::file("read the folder of the vendor's RPMs", folder, error)
            .hint("`[[vendor]]` in the spec names it: give it the path of a folder")
    };
    let mut found = Found::default();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(|error| unreadable(&error))?,
    };
    for entry in entries {
        let path = entry.map_err(|error| unreadable(&error))?.path();
        let is_rpm = path.extension().is_some_and(|suffix| suffix == "rpm");
        match path.file_name().and_then(|name| name.to_str()) {
            Some(_) if is_rpm && path.is_file() => found.rpms.push(path),
            _ => found.others.push(path.display().to_string()),
        }
    }
    found.others.sort();
    Ok(found)
}

fn measured(path: &Path) -> Result<GivenFile, Failure> {
    let measured = File::open(path).and_then(Sha256::of_reader);
    let (sha256, size) =
        measured.map_err(|error| Failure::file("read the vendor's RPM", path, &error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(GivenFile {
        name: name.into_owned(),
        size,
        sha256,
    })
}

/// What is expected, where it is to be put and what the spec has to say.
pub fn missing(
    why: &NoPackaging,
    arguments: &ClusterArguments,
    spec: &Spec,
    profile: &Profile,
    major: u32,
) -> Failure {
    let cluster = arguments.cluster.display();
    let folders = folders(&arguments.cluster, spec);
    let Some(folder) = folders.first() else {
        let beside = arguments.cluster.with_file_name("vendor");
        let message = format!(
            "no repository has the PostgreSQL {major} of `{}`: you bring its RPM, and {cluster} names no folder for it{}",
            profile.name,
            expected(profile, major)
        );
        return Failure::input(message).hint(format!(
            "put it into {}/ and write into {cluster}:\n[[vendor]]\npath = \"vendor/\"",
            beside.display()
        ));
    };
    let folder = folder.display();
    match why {
        NoPackaging::Missing { .. } => Failure::input(format!(
            "no repository has the PostgreSQL {major} of `{}`: you bring its RPM, and it is not in {folder}{}{}",
            profile.name,
            expected(profile, major),
            unfit(&arguments.cluster, spec, profile)
        ))
        .hint(format!("put it into {folder}, under the name that the vendor gave it")),
        NoPackaging::Alone { .. } => Failure::input(format!("{why}"))
            .hint(format!("put it into {folder}, under the name that the vendor gave it")),
        NoPackaging::Several { .. } => Failure::input(format!("in {folder}: {why}"))
            .hint("a cluster has one server: take the other file out of the folder"),
    }
}

fn expected(profile: &Profile, major: u32) -> String {
    let patterns = profile.expected_files(major);
    format!("\n  expected: {}", patterns.join("\n        or: "))
}

/// The RPMs that lie there, and for which release of Enterprise Linux each is.
fn unfit(cluster: &Path, spec: &Spec, profile: &Profile) -> String {
    let rpms = folders(cluster, spec)
        .into_iter()
        .filter_map(|folder| list(&folder).ok())
        .flat_map(|found| found.rpms);
    let wanted = profile.dist.as_deref().and_then(given::enterprise_linux);
    let names: BTreeSet<_> = rpms
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let line = |name: &String| match (given::enterprise_linux(name), wanted) {
        (Some(found), Some(wanted)) if found != wanted => {
            format!("\n  there is: {name}, which is made for EL {found}")
        }
        _ => format!("\n  there is: {name}"),
    };
    names.iter().map(line).collect()
}

/// Brings the given files into the store, and reads them.
pub fn packages(locking: &Locking<'_>, client: &Client) -> Result<Vec<GivenPackage>, Failure> {
    let plan = locking.plan;
    let folders = folders(locking.spec, &plan.spec);
    for folder in &folders {
        for other in list(folder)?.others {
            locking
                .ui
                .warn(format!("{other} is no RPM, and is left alone"));
        }
    }
    let keyring = indexes::keyring(&plan.profile, locking.mirrors.keys.clone());
    let judging = Judging {
        profile: &plan.profile,
        architecture: &plan.architecture,
        keyring: &keyring,
        at: moment::now()?,
    };
    let mut packages: Vec<GivenPackage> = Vec::new();
    for file in &plan.given {
        let place = folders.iter().map(|folder| folder.join(&file.name));
        let path = place.clone().find(|path| path.exists());
        let path = path.or_else(|| place.clone().next()).unwrap_or_default();
        let blob = bring(locking, client, &path, file)?;
        let opened = File::open(blob.path())
            .map_err(|error| Failure::file("open the package", blob.path(), &error))?;
        let package = given::read(file, &judging, opened).map_err(|why| refused(&path, &why))?;
        let name = &package.name;
        if let Some(other) = packages.iter().find(|other| other.name == *name) {
            let (one, two) = (&other.file.name, &file.name);
            return Err(
                Failure::input(format!("{one} and {two} are both the package {name}"))
                    .hint("a cluster has one of them: take the other file out of its folder"),
            );
        }
        packages.push(package);
    }
    Ok(packages)
}

fn bring(
    locking: &Locking<'_>,
    client: &Client,
    path: &Path,
    file: &GivenFile,
) -> Result<crate::store::Blob, Failure> {
    let place = Place::Folder(path.to_owned());
    let limit = Limits::default().file;
    let brought = client.bring(&place, file.sha256, limit, locking.store);
    brought.map_err(|error| {
        let failure = Failure::world(format!("the vendor's file {}: {error}", file.name));
        match error {
            HttpError::NotFound(_) => failure.hint(PUT_BACK),
            HttpError::WrongDigest { .. } => {
                failure.hint("it changes while it is read: run the command again once it is whole")
            }
            _ => failure,
        }
    })
}

/// What to do where a given file is neither in its folder nor in the store.
pub const PUT_BACK: &str = "put the vendor's files back into the folder that `[[vendor]]` names, or import a store that has them: `pgbundle store import FILE`";

fn refused(path: &Path, why: &NotForHosts) -> Failure {
    let hint = match why {
        NotForHosts::NotAPackage(_) => "copy it again from where you were given it",
        NotForHosts::Named { .. } => "give the file the name of its package, with `.rpm` behind it",
        NotForHosts::OtherRelease { .. } | NotForHosts::Architecture { .. } => {
            "ask the vendor for the file that is made for these hosts"
        }
        NotForHosts::Signature(PackageSignatureError::Damaged) => {
            "copy it again from where you were given it"
        }
        NotForHosts::Signature(_) => {
            "it is not as its packager signed it: copy it again from where you were given it"
        }
    };
    Failure::input(format!("{}: {why}", path.display())).hint(hint)
}

/// Says why each given package of a lock is believed, and which is in vain.
pub fn say(locking: &Locking<'_>, lock: &Lock) {
    let ui = locking.ui;
    for file in &locking.plan.given {
        let is_it =
            |row: &&crate::lock::LockedPackage| row.source == SOURCE && row.path == file.name;
        let name = &file.name;
        match lock.packages.iter().find(is_it).map(|row| row.by_digest) {
            None => ui.warn(format!("{name} is needed by nothing, and left out")),
            Some(None) => ui.say(format!("vendor   {name}: signed by a key of the profile")),
            Some(Some(ByDigest::Unsigned)) => {
                ui.warn(format!("{name} is not signed: it is taken by its digest alone"));
            }
            Some(Some(ByDigest::UnknownSigner)) => ui.warn(format!(
                "{name} is signed by a key that the profile does not have: it is taken by its digest alone"
            )),
        }
    }
}
