//! A profile's `[postgres]`: which majors there are, and why others are not.

use std::collections::BTreeMap;

use toml::Spanned;

use super::Postgres;
use crate::document::Section;

/// There without generating locales since glibc 2.35, and earlier where the
/// system's maker added it.
const LOCALE: &str = "C.UTF-8";

/// Reads the table over the parent's, key by key.
pub(super) fn read(root: &Section<'_, '_>, parent: Option<&Postgres>) -> Option<Postgres> {
    let Some(section) = root.table("postgres") else {
        if parent.is_none() {
            root.faults()
                .add("the profile lacks `[postgres]`", None, "", None);
        }
        return parent.cloned();
    };
    let majors = section.required::<Vec<u32>>("majors");
    let default = section.required::<u32>("default");
    let absent = absent(&section);
    let locale = section.value("locale");
    section.finish();
    let (majors, default) = (majors?, default?);
    if !majors.get_ref().contains(default.get_ref()) {
        root.faults().add(
            "the default major is not one of `majors`",
            Some(default.span()),
            "",
            None,
        );
    }
    let mut sorted = majors.into_inner();
    sorted.sort_unstable();
    Some(Postgres {
        majors: sorted,
        default: default.into_inner(),
        absent: absent
            .or_else(|| parent.map(|parent| parent.absent.clone()))
            .unwrap_or_default(),
        locale: locale
            .or_else(|| parent.map(|parent| parent.locale.clone()))
            .unwrap_or_else(|| LOCALE.to_owned()),
    })
}

/// `[postgres.absent]`: from which major on, and why.
fn absent(section: &Section<'_, '_>) -> Option<BTreeMap<u32, String>> {
    let texts = section.texts("absent");
    let mut absent = BTreeMap::new();
    for (major, reason) in texts {
        match major.parse() {
            Ok(major) => {
                absent.insert(major, reason.into_inner().0);
            }
            Err(_) => section.faults().add(
                format!("`{major}` is not a major version of PostgreSQL"),
                Some(Spanned::span(&reason)),
                "",
                Some("write `16 = \"why there is none\"`; it holds for later ones, too"),
            ),
        }
    }
    (!absent.is_empty()).then_some(absent)
}
