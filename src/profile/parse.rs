//! From a profile's text (and the profile it extends) to a [`Profile`].

use std::collections::BTreeMap;

use toml::Spanned;

use super::{
    Base, Component, Packaging, Profile, Source, parse_postgres, parse_python, parse_source,
};
use crate::base::{Architecture, NodePath, Numbers};
use crate::bundle::manifest::{Family, LeastRelease, OsRelease};
use crate::document::{Document, Fault, Faults, FromText, Section};

type Components = BTreeMap<String, Component>;

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
/// by name, sources by id (`without_sources` leaves some of them out); lists
/// are replaced whole.
pub fn parse(text: &str, parent: Option<&Profile>) -> Result<Profile, Vec<Fault>> {
    let document = Document::parse(text)?;
    let faults = Faults::default();
    let profile = read(document.root(&faults), parent);
    faults.conclude(profile)
}

fn read(root: Section<'_, '_>, parent: Option<&Profile>) -> Option<Profile> {
    version(&root);
    let extends = root.value("extends");
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
    let postgres = parse_postgres::read(&root, parent.map(|parent| &parent.postgres));
    let python = parse_python::read(&root, parent.and_then(|parent| parent.python.as_ref()));
    let inherited_sources = inherited_sources(&root, parent);
    let sources = root
        .tables("source")
        .into_iter()
        .map(|section| parse_source::read(section, family?));
    let sources = sources
        .collect::<Option<Vec<_>>>()
        .map(|sources| merged(inherited_sources, sources));
    let bases = replaced(
        root.tables("base"),
        read_base,
        parent.map(|parent| &parent.bases),
    );
    let mut components = parent
        .map(|parent| parent.components.clone())
        .unwrap_or_default();
    components.extend(read_components(&root, &components));
    let mut paths = parent
        .map(|parent| parent.paths.clone())
        .unwrap_or_default();
    paths.extend(read_paths(&root));
    let dist = root
        .value("dist")
        .or_else(|| parent.and_then(|parent| parent.dist.clone()));
    let packagings = replaced(
        root.tables("packaging"),
        |section| read_packaging(section, &components),
        Some(parent.map_or(&Vec::new(), |parent| &parent.packagings)),
    );
    let list = |key, of: fn(&Profile) -> &Vec<String>| {
        let inherited = || parent.map(|parent| of(parent).clone());
        root.value(key).or_else(inherited).unwrap_or_default()
    };
    let disturbing_units = list("disturbing_units", |parent| &parent.disturbing_units);
    let disabled_modules = list("disabled_modules", |parent| &parent.disabled_modules);
    let limits = list("limits", |parent| &parent.limits);
    root.finish();

    Some(Profile {
        name: name?.into_inner(),
        extends,
        title: title?.into_inner(),
        family: family?,
        os: os?,
        architectures: architectures?,
        postgres: postgres?,
        sources: sources?,
        bases: bases?,
        components,
        python,
        paths,
        disturbing_units,
        disabled_modules,
        dist,
        packagings: packagings?,
        not_provided: Vec::new(),
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

/// The parent's sources, but for those that the profile says it does without.
fn inherited_sources(root: &Section<'_, '_>, parent: Option<&Profile>) -> Vec<Source> {
    let mut sources = parent
        .map(|parent| parent.sources.clone())
        .unwrap_or_default();
    for id in root.list::<String>("without_sources") {
        let before = sources.len();
        sources.retain(|source| source.id != *id.get_ref());
        if sources.len() == before {
            let message = format!("there is no source `{}` to do without", id.get_ref());
            root.faults().add(message, Some(id.span()), "", None);
        }
    }
    sources
}

/// The sources with those of the same id replaced, then the others.
fn merged(mut all: Vec<Source>, sources: Vec<Source>) -> Vec<Source> {
    for source in sources {
        match all.iter_mut().find(|known| known.id == source.id) {
            Some(known) => *known = source,
            None => all.push(source),
        }
    }
    all
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
    let at_least = section.optional::<Numbers>("release");
    let file = section.optional::<NodePath>("release_file");
    if at_least.is_some() != file.is_some() {
        let named = at_least.as_ref().map(Spanned::span);
        section.faults().add(
            "`release` and `release_file` go together",
            named.or(file.as_ref().map(Spanned::span)),
            "",
            Some("write the least release, and the file on a host that says which it is of"),
        );
    }
    section.finish();
    let release = at_least.zip(file).map(|(at_least, file)| LeastRelease {
        at_least: at_least.into_inner(),
        file: file.into_inner(),
    });
    Some(OsRelease {
        id: id?.into_inner(),
        version: version?.into_inner(),
        release,
    })
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

/// The components that are named here, over those of the same name in `parent`.
fn read_components(section: &Section<'_, '_>, parent: &Components) -> Components {
    let read = |(name, section): (String, Section<'_, '_>)| {
        let component = read_component(section, parent.get(&name).cloned());
        (name, component)
    };
    section
        .children("components")
        .into_iter()
        .map(read)
        .collect()
}

fn read_paths(section: &Section<'_, '_>) -> BTreeMap<String, String> {
    let paths = section.texts("paths").into_iter();
    paths
        .map(|(name, text)| (name, text.into_inner().0))
        .collect()
}

fn read_packaging(section: Section<'_, '_>, components: &Components) -> Option<Packaging> {
    let name = section.required::<String>("name");
    let file = section.required::<String>("file");
    let companions = section.value("companions").unwrap_or_default();
    let majors = section.required::<Vec<u32>>("majors");
    let not_provided = section.value("not_provided").unwrap_or_default();
    let own_patroni = section.value("own_patroni").unwrap_or_default();
    let components = read_components(&section, components);
    let paths = read_paths(&section);
    section.finish();
    Some(Packaging {
        name: name?.into_inner(),
        file: file?.into_inner(),
        companions,
        majors: majors?.into_inner(),
        not_provided,
        own_patroni,
        components,
        paths,
    })
}

fn read_component(section: Section<'_, '_>, parent: Option<Component>) -> Component {
    let parent = parent.unwrap_or_default();
    let component = Component {
        packages: section.value("packages").unwrap_or(parent.packages),
        dialect: section.value("dialect").or(parent.dialect),
        unit: section.value("unit").unwrap_or(parent.unit),
        masked_units: section.value("masked_units").unwrap_or(parent.masked_units),
        user: section.value("user").unwrap_or(parent.user),
        notifies: section.value("notifies").unwrap_or(parent.notifies),
    };
    section.finish();
    component
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
