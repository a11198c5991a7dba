//! `primary.xml` of rpm-md: every package with its relations.
//!
//! A repository lists tens of thousands of packages: the text is cut between
//! them and read on every processor, and what is read borrows from it.

use std::borrow::Cow;

use memchr::memmem;

use super::entry::{Entry, Sense};
use super::evr::{Evr, NotAnEvr};
use super::package::{Archive, Package};
use super::xml::{Element, Walk, XmlError};
use crate::base::{BundlePath, Sha256};
use crate::repo::pieces;

/// Where a package begins; `<packager>` begins as much like it as can be.
const PACKAGE: &str = "<package ";

/// A `primary.xml` that cannot be relied on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PrimaryError {
    /// Not XML, or another text.
    #[error("primary.xml cannot be read: {0}")]
    Xml(#[from] XmlError),
    /// Something that each package must have is missing, or cannot be read.
    #[error("primary.xml: the package `{package}` has no usable {what}")]
    Lacks {
        /// The package's name, as far as it is known.
        package: String,
        /// What of it.
        what: &'static str,
    },
    /// A version is none.
    #[error("primary.xml: the package `{package}` has a version that is none: {source}")]
    Version {
        /// The package's name.
        package: String,
        /// What is wrong with it.
        source: NotAnEvr,
    },
    /// A digest that can be forged.
    #[error(
        "primary.xml: the package `{package}` has a checksum of the type `{algorithm}`; only sha256 is relied on"
    )]
    Weak {
        /// The package's name.
        package: String,
        /// The checksum's type.
        algorithm: String,
    },
}

/// Reads the packages of `text`, in its order; `repository` is what each will
/// say that it is in. Packages of architectures for which `wanted` is false
/// are left out.
pub fn read<'a>(
    text: &'a str,
    repository: usize,
    wanted: impl Fn(&str) -> bool + Sync,
) -> Result<Vec<Package<'a>>, PrimaryError> {
    let pieces = cut(text)?;
    pieces::each(&pieces, |piece| read_piece(piece, repository, &wanted))
}

// The inside of `<metadata>`, in pieces that begin with a package. Comments and
// CDATA could hold what looks like one: a text with such stays whole.
fn cut(text: &str) -> Result<Vec<&str>, XmlError> {
    let mut walk = Walk::new(text);
    let root = walk.next()?.filter(|root| root.name() == "metadata");
    root.ok_or_else(|| walk.error("the text has no element `metadata`"))?;
    let start = walk.position();
    let end = memmem::rfind(text.as_bytes(), b"</metadata").filter(|end| *end >= start);
    // `<metadata/>` lists nothing.
    let end = match end {
        Some(end) => end,
        None if text[..start].ends_with("/>") => start,
        None => return Err(walk.error("`metadata` does not end")),
    };
    let inside = &text[start..end];
    match memmem::find(inside.as_bytes(), b"<!") {
        Some(_) => Ok(vec![inside]),
        None => Ok(pieces::of_elements(inside, PACKAGE).collect()),
    }
}

fn read_piece<'a>(
    piece: &'a str,
    repository: usize,
    wanted: &impl Fn(&str) -> bool,
) -> Result<Vec<Package<'a>>, PrimaryError> {
    let mut walk = Walk::new(piece);
    let mut packages = Vec::new();
    while let Some(element) = walk.next()? {
        let is_rpm = element.name() == "package"
            && walk
                .attribute(&element, "type")?
                .is_none_or(|kind| kind == "rpm");
        if !is_rpm {
            walk.skip(&element)?;
            continue;
        }
        let draft = read_draft(&mut walk, &element)?;
        if draft.arch.is_none_or(wanted) {
            let raw = &piece[element.start..walk.position()];
            packages.push(draft.finish(raw, repository)?);
        }
    }
    Ok(packages)
}

/// What stands in a `<package>`, as far as it was read.
#[derive(Default)]
struct Draft<'a> {
    name: Option<&'a str>,
    arch: Option<&'a str>,
    evr: Option<Evr<'a>>,
    checksum: Option<(Cow<'a, str>, Cow<'a, str>)>,
    location: Option<Cow<'a, str>>,
    size: Option<u64>,
    installed_size: Option<u64>,
    requires: Vec<Entry<'a>>,
    provides: Vec<Entry<'a>>,
    conflicts: Vec<Entry<'a>>,
    obsoletes: Vec<Entry<'a>>,
    files: Vec<Cow<'a, str>>,
}

fn read_draft<'a>(walk: &mut Walk<'a>, package: &Element<'a>) -> Result<Draft<'a>, PrimaryError> {
    let mut draft = Draft::default();
    walk.inside(package, |walk, child| {
        match child.name() {
            "name" => draft.name = borrowed(walk.text(&child)?),
            "arch" => draft.arch = borrowed(walk.text(&child)?),
            "version" => {
                draft.evr = read_evr(walk, &child, draft.name.unwrap_or_default())?;
                walk.skip(&child)?;
            }
            "checksum" => {
                let algorithm = walk.required(&child, "type")?;
                draft.checksum = Some((algorithm, walk.text(&child)?));
            }
            "location" => {
                // What lies at another address than the repository is not this repository's.
                let is_here = walk.attribute(&child, "xml:base")?.is_none();
                let href = walk.required(&child, "href")?;
                draft.location = is_here.then_some(href);
                walk.skip(&child)?;
            }
            "size" => {
                let number = |name| -> Result<Option<u64>, XmlError> {
                    let text = walk.attribute(&child, name)?;
                    Ok(text.and_then(|text| text.parse().ok()))
                };
                draft.size = number("package")?;
                draft.installed_size = number("installed")?;
                walk.skip(&child)?;
            }
            "format" => walk.inside(&child, |walk, part| draft.read_format(walk, part))?,
            _ => walk.skip(&child)?,
        }
        Ok::<_, PrimaryError>(())
    })?;
    Ok(draft)
}

impl<'a> Draft<'a> {
    fn read_format(&mut self, walk: &mut Walk<'a>, part: Element<'a>) -> Result<(), PrimaryError> {
        let package = self.name.unwrap_or_default();
        let list = match part.name() {
            "requires" => &mut self.requires,
            "provides" => &mut self.provides,
            "conflicts" => &mut self.conflicts,
            "obsoletes" => &mut self.obsoletes,
            "file" => {
                self.files.push(walk.text(&part)?);
                return Ok(());
            }
            _ => return Ok(walk.skip(&part)?),
        };
        walk.inside(&part, |walk, entry| {
            if entry.name() == "entry" {
                list.push(read_entry(walk, &entry, package)?);
            }
            Ok(walk.skip(&entry)?)
        })
    }

    fn finish(self, raw: &'a str, repository: usize) -> Result<Package<'a>, PrimaryError> {
        let package = self.name.unwrap_or_default().to_owned();
        let lacks = |what| PrimaryError::Lacks {
            package: package.clone(),
            what,
        };
        let is_word = |text: &&str| !text.is_empty() && !text.contains(char::is_whitespace);
        let name = self.name.filter(is_word).ok_or_else(|| lacks("name"))?;
        let arch = self.arch.filter(is_word).ok_or_else(|| lacks("arch"))?;
        let (algorithm, digest) = self.checksum.ok_or_else(|| lacks("checksum"))?;
        if algorithm != "sha256" {
            let algorithm = algorithm.into_owned();
            return Err(PrimaryError::Weak { package, algorithm });
        }
        let location = self
            .location
            .and_then(|path| path.parse::<BundlePath>().ok());
        Ok(Package {
            name,
            arch,
            evr: self.evr.ok_or_else(|| lacks("version"))?,
            requires: self.requires.into(),
            provides: self.provides.into(),
            conflicts: self.conflicts.into(),
            obsoletes: self.obsoletes.into(),
            files: self.files.into(),
            archive: Some(Archive {
                sha256: digest.parse::<Sha256>().map_err(|_| lacks("checksum"))?,
                location: location.ok_or_else(|| lacks("location"))?,
                size: self.size.ok_or_else(|| lacks("size"))?,
                installed_size: self.installed_size.unwrap_or_default(),
                raw,
                repository,
            }),
        })
    }
}

// Names and versions have no character that XML would have to escape.
fn borrowed(text: Cow<'_, str>) -> Option<&str> {
    match text {
        Cow::Borrowed(text) => Some(text),
        Cow::Owned(_) => None,
    }
}

fn read_entry<'a>(
    walk: &Walk<'a>,
    element: &Element<'a>,
    package: &str,
) -> Result<Entry<'a>, PrimaryError> {
    let (mut name, mut sense) = (None, None);
    walk.attributes(element, |key, value| {
        match key {
            "name" => name = Some(value),
            "flags" => sense = Sense::of_flags(&value),
            _ => {}
        }
        Ok(())
    })?;
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| PrimaryError::Lacks {
        package: package.to_owned(),
        what: "name of an entry",
    })?;
    let evr = match sense {
        Some(_) => read_evr(walk, element, package)?,
        None => None,
    };
    Ok(Entry {
        name,
        range: sense.zip(evr),
    })
}

fn read_evr<'a>(
    walk: &Walk<'a>,
    element: &Element<'a>,
    package: &str,
) -> Result<Option<Evr<'a>>, PrimaryError> {
    let (mut epoch, mut version, mut release) = (None, None, None);
    walk.attributes(element, |key, value| {
        match key {
            "epoch" => epoch = Some(value),
            "ver" => version = borrowed(value),
            "rel" => release = borrowed(value),
            _ => {}
        }
        Ok(())
    })?;
    let Some(version) = version else {
        return Ok(None);
    };
    let evr = Evr::new(epoch.as_deref(), version, release);
    evr.map(Some).map_err(|source| PrimaryError::Version {
        package: package.to_owned(),
        source,
    })
}

#[cfg(test)]
#[path = "primary_tests.rs"]
mod tests;
