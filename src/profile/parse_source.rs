//! A profile's `[[source]]`, whose keys depend on the family.

use time::Date;
use time::macros::format_description;
use toml::Spanned;

use super::source::{ARCHITECTURE, AptArchive, MAJOR, Metadata, Repository, RpmRepository, Source};
use crate::bundle::manifest::Family;
use crate::document::{FromText, Section};
use crate::lock::given::SOURCE;

/// Reads a source of that family.
pub(super) fn read(section: Section<'_, '_>, family: Family) -> Option<Source> {
    let id = section.required::<String>("id");
    let keys = section.list::<Fingerprint>("keys");
    let mirrors: Option<Vec<String>> = match family {
        Family::Deb => Some(section.value("mirrors").unwrap_or_default()),
        Family::Rpm => {
            let mirrors = section.list::<Address>("mirrors").into_iter();
            Some(mirrors.map(|mirror| mirror.into_inner().0).collect())
        }
    };
    if keys.is_empty() {
        section.faults().add(
            "a source needs the fingerprints of the keys that may sign it",
            Some(section.span()),
            "`keys` belongs here",
            None,
        );
    }
    if let Some(id) = id.as_ref().filter(|id| id.get_ref() == SOURCE) {
        section.faults().add(
            format!("no source may be named `{SOURCE}`: so is what an operator was given"),
            Some(id.span()),
            "",
            Some("give it another name"),
        );
    }
    let keys: Vec<_> = keys.into_iter().map(|key| key.into_inner().0).collect();
    let kind = match family {
        Family::Deb => apt(&section).map(Repository::Apt),
        Family::Rpm => rpm_md(&section, &keys).map(Repository::RpmMd),
    };
    section.finish();
    Some(Source {
        id: id?.into_inner(),
        keys,
        mirrors: mirrors?,
        kind: kind?,
    })
}

fn apt(section: &Section<'_, '_>) -> Option<AptArchive> {
    let suites = section.required::<Vec<String>>("suites");
    let codenames = section.required::<Vec<String>>("codenames");
    let components = section.required::<Vec<String>>("components");
    let origin = section.required::<String>("origin");
    if let (Some(suites), Some(codenames)) = (&suites, &codenames)
        && suites.get_ref().len() != codenames.get_ref().len()
    {
        section.faults().add(
            format!(
                "a source needs one codename a suite, this one has {} for {}",
                codenames.get_ref().len(),
                suites.get_ref().len()
            ),
            Some(codenames.span()),
            "",
            Some("write them in the order of `suites`; a suite without one would never be read"),
        );
    }
    Some(AptArchive {
        suites: suites?.into_inner(),
        components: components?.into_inner(),
        origin: origin?.into_inner(),
        codenames: codenames?.into_inner(),
    })
}

fn rpm_md(section: &Section<'_, '_>, keys: &[String]) -> Option<RpmRepository> {
    let metadata = section.required::<Metadata>("metadata");
    let frozen = section.optional::<Date>("frozen");
    let legacy = section.list::<Fingerprint>("legacy_keys");
    for key in legacy.iter().filter(|key| !keys.contains(&key.get_ref().0)) {
        section.faults().add(
            format!(
                "the legacy key {} is not one of the source's `keys`",
                key.get_ref().0
            ),
            Some(key.span()),
            "",
            Some(
                "`legacy_keys` says how a key is judged; that it may sign at all is said in `keys`",
            ),
        );
    }
    Some(RpmRepository {
        metadata: metadata?.into_inner(),
        legacy_keys: legacy.into_iter().map(|key| key.into_inner().0).collect(),
        frozen: frozen.map(Spanned::into_inner),
    })
}

/// A key's full fingerprint: 40 (v4) or 64 (v6) hexadecimal digits, kept upper-case.
struct Fingerprint(String);

impl FromText for Fingerprint {
    fn from_text(text: &str) -> Result<Self, String> {
        let compact: String = text.chars().filter(|c| *c != ' ').collect();
        if matches!(compact.len(), 40 | 64) && compact.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(compact.to_ascii_uppercase()))
        } else {
            Err(format!(
                "`{text}` is not a full fingerprint (40 hexadecimal digits); a short key id pins nothing"
            ))
        }
    }
}

/// A mirror's address, in which no other word stands in braces than those that are filled in.
struct Address(String);

impl FromText for Address {
    fn from_text(text: &str) -> Result<Self, String> {
        let rest = text.replace(ARCHITECTURE, "").replace(MAJOR, "");
        match rest.contains(['{', '}']) {
            false => Ok(Self(text.trim_end_matches('/').to_owned())),
            true => Err(format!(
                "in `{text}` only `{ARCHITECTURE}` and `{MAJOR}` are filled in"
            )),
        }
    }
}

impl FromText for Metadata {
    fn from_text(text: &str) -> Result<Self, String> {
        [Self::Signed, Self::Unsigned]
            .into_iter()
            .find(|metadata| metadata.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not one of `signed`, `unsigned`"))
    }
}

impl FromText for Date {
    fn from_text(text: &str) -> Result<Self, String> {
        Date::parse(text, format_description!("[year]-[month]-[day]"))
            .map_err(|_| format!("`{text}` is not a date such as 2024-06-30"))
    }
}
