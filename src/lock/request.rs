//! What a lock was asked for, as sorted sentences, so that a lock can say
//! which of them is new.

use super::LockedWheel;
use crate::base::{Role, Sha256};
use crate::plan::{GivenFile, Plan};
use crate::profile::{Repository, Source};
use crate::repo::BaseList;
use crate::spec::PlainFile;
use crate::wheel::Wheel;

/// The sentences for a plan and the base lists it is proved against.
///
/// What stands before ` is ` is the subject: two sentences with the same one
/// are a change of the same thing.
pub fn asked(plan: &Plan, bases: &[BaseList]) -> Vec<String> {
    let roots = plan.packages.iter().flat_map(|(role, names)| {
        names
            .iter()
            .map(move |name| format!("the package {name} of role {role} is asked for"))
    });
    let bases = bases
        .iter()
        .map(|base| format!("the base {} is sha256 {}", base.name, base.digest));
    let sources = plan.profile.sources.iter().map(source);
    let files = plan.spec.plain_files.iter().map(file);
    let wheels = wheels(plan);
    let wheels = wheels.iter().map(wheel_sentence);
    let given = plan.given.iter().map(given_sentence);
    let untrue = plan.profile.not_provided.iter().map(untrue_sentence);
    let untrue = untrue.filter(|_| !plan.given.is_empty());
    let sentences = roots.chain(bases).chain(sources).chain(files).chain(wheels);
    let sentences = sentences.chain(given).chain(untrue);
    let mut sentences: Vec<_> = sentences.collect();
    sentences.sort();
    sentences.dedup();
    sentences
}

/// The wheels that a plan carries, in the order of their sentences.
pub fn wheels(plan: &Plan) -> Vec<LockedWheel> {
    let pinned = plan.profile.python.iter().flat_map(|python| &python.wheels);
    let row = |wheel: &Wheel| LockedWheel {
        file: wheel.name.clone(),
        size: wheel.size,
        sha256: wheel.sha256,
        sdist: wheel.sdist.as_ref().map(|sdist| sdist.sha256),
        roles: plan.wheel_roles.clone(),
    };
    let mut rows: Vec<_> = match plan.wheel_roles.is_empty() {
        true => Vec::new(),
        false => pinned.map(row).collect(),
    };
    rows.sort_by_key(wheel_sentence);
    rows
}

const WHEEL: &str = "the wheel ";

/// What is asked for with a wheel.
pub fn wheel_sentence(wheel: &LockedWheel) -> String {
    let origin = match wheel.sdist {
        Some(sdist) => format!("built from sha256 {sdist}"),
        None => "as its project made it".to_owned(),
    };
    format!(
        "{WHEEL}{} is {} bytes, sha256 {}, {origin}, for {}",
        wheel.file,
        wheel.size,
        wheel.sha256,
        words(&wheel.roles)
    )
}

/// Whether a sentence is one of those.
pub fn is_of_a_wheel(sentence: &str) -> bool {
    sentence.starts_with(WHEEL)
}

const GIVEN: &str = "the vendor's file ";

/// What is asked for with a file that the operator was given.
pub fn given_sentence(file: &GivenFile) -> String {
    format!(
        "{GIVEN}{} is {} bytes, sha256 {}",
        file.name, file.size, file.sha256
    )
}

/// The files that were given when sentences were written.
pub fn given_files(asked: &[String]) -> Vec<GivenFile> {
    let file = |sentence: &String| {
        let (name, rest) = sentence.strip_prefix(GIVEN)?.split_once(" is ")?;
        let (size, sha256) = rest.split_once(" bytes, sha256 ")?;
        Some(GivenFile {
            name: name.to_owned(),
            size: size.parse().ok()?,
            sha256: sha256.parse().ok()?,
        })
    };
    asked.iter().filter_map(file).collect()
}

fn untrue_sentence(name: &String) -> String {
    format!("that the vendor's files provide {name} is untrue")
}

/// The digest of the sentences.
pub fn digest(asked: &[String]) -> Sha256 {
    let text: String = asked.iter().map(|line| format!("{line}\n")).collect();
    Sha256::of(text.as_bytes())
}

fn source(source: &Source) -> String {
    let (id, keys) = (&source.id, source.keys.join(" "));
    match &source.kind {
        Repository::Apt(archive) => format!(
            "the source {id} is origin {}, suites {}, codenames {}, components {}, keys {keys}",
            archive.origin,
            archive.suites.join(" "),
            archive.codenames.join(" "),
            archive.components.join(" "),
        ),
        Repository::RpmMd(repository) => format!(
            "the source {id} is rpm-md, its index {}, keys {keys}, legacy keys {}",
            repository.metadata.as_str(),
            match repository.legacy_keys.as_slice() {
                [] => "none".to_owned(),
                keys => keys.join(" "),
            }
        ),
    }
}

fn file(file: &PlainFile) -> String {
    format!(
        "the file {} is version {}, sha256 {}, for {}",
        file.name,
        file.version,
        file.sha256,
        words(&file.roles)
    )
}

fn words(roles: &[Role]) -> String {
    let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    names.join(" ")
}
