//! From a profile's text (and the profile it extends) to a [`Profile`].

use toml::Spanned;

use super::{Base, Component, Profile, parse_source};
use crate::base::Architecture;
use crate::bundle::manifest::{Family, OsRelease};
use crate::document::{Document, Fault, Faults, FromText, Section};

/// The name of the profile that `text` extends, if it says so.
///
/// Faults of the rest are left for [`parse`], which reads the same text again.
pub fn extends(text: &str) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let faults = Faults::default();
    document.root(&faults).value("extends")
}

/// Parses a profile over the one it extends; all faults are returned together.
///
/// What the text leaves out is the parent's. Components and paths are merged
/// by name; lists are replaced whole.
pub fn parse(text: &str, parent: Option<&Profile>) -> Result<Profile, Vec<Fault>> {
    let document = Document::parse(text)?;
    let faults = Faults::default();
    let profile = read(document.root(&faults), parent);
    faults.conclude(profile)
}

fn read(root: Section<'_, '_>, parent: Option<&Profile>) -> Option<Profile> {
    version(&root);
    let _: Option<String> = root.value("extends");
    let name = root.required::<String>("name");
    let title = root.required::<String>("title");
    let family = read_family(&root, parent);
    let os = read_os(&root, parent);
    let architectures = inherited::<Vec<Architecture>>(
        &root,
        "architectures",
        parent.map(|parent| parent.architectures.clone()),
    );
    if architectures.as_ref().is_some_and(Vec::is_empty) {
        root.faults()
            .add("a profile needs at least one architecture", None, "", None);
    }
    let postgres = read_postgres(&root, parent);
    let sources = replaced(
        root.tables("source"),
        |section| parse_source::read(section, family?),
        parent.map(|parent| &parent.sources),
    );
    let bases = replaced(
        root.tables("base"),
        read_base,
        parent.map(|parent| &parent.bases),
    );
    let mut components = parent
        .map(|parent| parent.components.clone())
        .unwrap_or_default();
    for (name, section) in root.children("components") {
        let merged = read_component(section, components.remove(&name));
        components.insert(name, merged);
    }
    let mut paths = parent
        .map(|parent| parent.paths.clone())
        .unwrap_or_default();
    paths.extend(
        root.texts("paths")
            .into_iter()
            .map(|(name, text)| (name, text.into_inner().0)),
    );
    let disturbing_units = inherited(
        &root,
        "disturbing_units",
        Some(
            parent
                .map(|p| p.disturbing_units.clone())
                .unwrap_or_default(),
        ),
    );
    let limits = root.value("limits").unwrap_or_default();
    root.finish();

    let (postgres_majors, postgres_default) = postgres?;
    Some(Profile {
        name: name?.into_inner(),
        title: title?.into_inner(),
        family: family?,
        os: os?,
        architectures: architectures?,
        postgres_majors,
        postgres_default,
        sources: sources?,
        bases: bases?,
        components,
        paths,
        disturbing_units: disturbing_units?,
        limits,
    })
}

fn version(root: &Section<'_, '_>) {
    if let Some(version) = root
        .required::<u32>("version")
        .filter(|version| *version.get_ref() != 1)
    {
        let message = format!(
            "this profile has format {}; this program reads format 1",
            version.get_ref()
        );
        root.faults().add(message, Some(version.span()), "", None);
    }
}

fn inherited<T: crate::document::FromValue>(
    root: &Section<'_, '_>,
    key: &'static str,
    parent: Option<T>,
) -> Option<T> {
    match parent {
        Some(parent) => Some(root.value(key).unwrap_or(parent)),
        None => root.required(key).map(Spanned::into_inner),
    }
}

fn replaced<T: Clone>(
    tables: Vec<Section<'_, '_>>,
    read: impl Fn(Section<'_, '_>) -> Option<T>,
    parent: Option<&Vec<T>>,
) -> Option<Vec<T>> {
    match parent {
        Some(parent) if tables.is_empty() => Some(parent.clone()),
        _ => tables.into_iter().map(read).collect(),
    }
}

impl FromText for Family {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "deb" => Ok(Self::Deb),
            "rpm" => Ok(Self::Rpm),
            _ => Err(format!("`{text}` is not one of `deb`, `rpm`")),
        }
    }
}

// What a profile inherits is of its parent's family, so it cannot be of another.
fn read_family(root: &Section<'_, '_>, parent: Option<&Profile>) -> Option<Family> {
    let inherited = parent.map(|parent| parent.family);
    let said = match inherited {
        Some(_) => root.optional::<Family>("family"),
        None => root.required::<Family>("family"),
    };
    if let (Some(said), Some(family)) = (&said, inherited)
        && *said.get_ref() != family
    {
        root.faults().add(
            "a profile is of the family of the one that it extends",
            Some(said.span()),
            "",
            None,
        );
    }
    said.map(Spanned::into_inner).or(inherited)
}

fn read_os(root: &Section<'_, '_>, parent: Option<&Profile>) -> Option<OsRelease> {
    let Some(section) = root.table("os") else {
        if parent.is_none() {
            root.faults().add(
                "the profile lacks `os`",
                None,
                "",
                Some("write `os = { id = \"…\", version = \"…\" }` as /etc/os-release has them"),
            );
        }
        return parent.map(|parent| parent.os.clone());
    };
    let id = section.required::<String>("id");
    let version = section.required::<String>("version");
    section.finish();
    Some(OsRelease {
        id: id?.into_inner(),
        version: version?.into_inner(),
    })
}

fn read_postgres(root: &Section<'_, '_>, parent: Option<&Profile>) -> Option<(Vec<u32>, u32)> {
    let Some(section) = root.table("postgres") else {
        if parent.is_none() {
            root.faults()
                .add("the profile lacks `[postgres]`", None, "", None);
        }
        return parent.map(|parent| (parent.postgres_majors.clone(), parent.postgres_default));
    };
    let majors = section.required::<Vec<u32>>("majors");
    let default = section.required::<u32>("default");
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
    Some((sorted, default.into_inner()))
}

fn read_base(section: Section<'_, '_>) -> Option<Base> {
    let name = section.required::<String>("name");
    let file = section.required::<String>("file");
    section.finish();
    Some(Base {
        name: name?.into_inner(),
        file: file?.into_inner(),
    })
}

fn read_component(section: Section<'_, '_>, parent: Option<Component>) -> Component {
    let parent = parent.unwrap_or_default();
    let component = Component {
        packages: section.value("packages").unwrap_or(parent.packages),
        dialect: section.value("dialect").unwrap_or(parent.dialect),
        unit: section.value("unit").unwrap_or(parent.unit),
        masked_units: section.value("masked_units").unwrap_or(parent.masked_units),
        user: section.value("user").unwrap_or(parent.user),
    };
    section.finish();
    component
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
