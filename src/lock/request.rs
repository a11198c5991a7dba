//! What a lock was asked for, as sorted sentences, so that a lock can say
//! which of them is new.

use crate::base::{Role, Sha256};
use crate::plan::Plan;
use crate::profile::{Repository, Source};
use crate::repo::BaseList;
use crate::spec::PlainFile;

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
    let mut sentences: Vec<_> = roots.chain(bases).chain(sources).chain(files).collect();
    sentences.sort();
    sentences.dedup();
    sentences
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
