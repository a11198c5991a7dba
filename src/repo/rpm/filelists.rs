//! `filelists.xml` of rpm-md: every file of every package.
//!
//! It is the largest of the metadata, and is read only where a file is asked
//! for that primary does not name: as a stream, of which nothing is kept but
//! the owners of those files.

use std::collections::{BTreeSet, HashMap};
use std::io::BufRead;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::xml::XmlError;
use crate::base::Sha256;

/// File lists that cannot be relied on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FilelistsError {
    /// Not XML, another text, or not readable at all.
    #[error("filelists.xml cannot be read: {0}")]
    Xml(#[from] XmlError),
    /// A package that cannot be told by its digest.
    #[error("filelists.xml: a package has no SHA-256 digest as its `pkgid`, but `{0}`")]
    Package(String),
}

/// The packages, by the digest of the file that each comes in, that own each of
/// the `wanted` files. How much is read is the caller's to bound.
pub fn owners(
    text: impl BufRead,
    wanted: &BTreeSet<&str>,
) -> Result<HashMap<String, Vec<Sha256>>, FilelistsError> {
    let mut reader = Reader::from_reader(text);
    let mut buffer = Vec::new();
    let mut found = Found {
        wanted,
        owners: HashMap::new(),
        package: None,
        file: None,
        depth: 0,
        is_there: false,
    };
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        let event = event.map_err(|e| error(&reader, e.to_string()))?;
        let is_end = matches!(event, Event::Eof);
        found.take(event).map_err(|fault| match fault {
            Fault::Text(what) => error(&reader, what).into(),
            Fault::Package(pkgid) => FilelistsError::Package(pkgid),
        })?;
        if is_end {
            return match found.is_there && found.depth == 0 {
                true => Ok(found.owners),
                false => Err(error(&reader, "the text does not hold `filelists`").into()),
            };
        }
    }
}

fn error<R>(reader: &Reader<R>, what: impl Into<String>) -> XmlError {
    XmlError {
        at: reader.buffer_position(),
        what: what.into(),
    }
}

enum Fault {
    Text(String),
    Package(String),
}

struct Found<'w> {
    wanted: &'w BTreeSet<&'w str>,
    owners: HashMap<String, Vec<Sha256>>,
    package: Option<Sha256>,
    // What was read of a file's name, inside of its element.
    file: Option<String>,
    depth: usize,
    is_there: bool,
}

impl Found<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Start(tag) => {
                self.begin(&tag)?;
                self.depth += 1;
            }
            Event::Empty(tag) => {
                self.begin(&tag)?;
                self.end();
            }
            Event::End(_) => {
                self.depth -= 1;
                self.end();
            }
            Event::Text(text) => {
                if let Some(file) = &mut self.file {
                    file.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(file) = &mut self.file {
                    resolve(&reference, file)?;
                }
            }
            Event::DocType(_) => return Err(Fault::Text("a document type is not expected".into())),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), Fault> {
        self.file = None;
        match (self.depth, tag.local_name().as_ref()) {
            (0, name) => self.is_there = name == "filelists",
            (1, "package") => self.package = Some(pkgid(tag)?),
            (2, "file") => self.file = Some(String::new()),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) {
        let Some(file) = self
            .file
            .take()
            .filter(|file| self.wanted.contains(file.as_str()))
        else {
            return;
        };
        self.owners.entry(file).or_default().extend(self.package);
    }
}

fn pkgid(tag: &BytesStart<'_>) -> Result<Sha256, Fault> {
    let text = |e: quick_xml::Error| Fault::Text(e.to_string());
    let attribute = tag.try_get_attribute("pkgid").map_err(|e| text(e.into()))?;
    let value = attribute.map(|one| one.normalized_value(XmlVersion::Implicit1_0));
    let value = value.transpose().map_err(text)?.unwrap_or_default();
    value
        .parse()
        .map_err(|_| Fault::Package(value.into_owned()))
}

fn resolve(reference: &BytesRef<'_>, into: &mut String) -> Result<(), Fault> {
    let character = reference.resolve_char_ref();
    match character.map_err(|e| Fault::Text(e.to_string()))? {
        Some(character) => into.push(character),
        None => {
            let known = resolve_predefined_entity(reference);
            let unknown = || Fault::Text(format!("the entity `{}` is unknown", &**reference));
            into.push_str(known.ok_or_else(unknown)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn filelists(inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<filelists xmlns=\"http://linux.duke.edu/metadata/filelists\" packages=\"2\">\n\
             {inside}</filelists>\n"
        )
    }

    fn package(pkgid: &str, files: &str) -> String {
        format!(
            "<package pkgid=\"{pkgid}\" name=\"a\" arch=\"noarch\">\n<version epoch=\"0\" ver=\"1\" rel=\"1\"/>\n{files}</package>\n"
        )
    }

    #[test]
    fn finds_the_owners_of_what_is_wanted_and_keeps_nothing_else() {
        let other = ONE.replace('e', "f");
        let text = filelists(&format!(
            "{}{}",
            package(
                ONE,
                "<file>/usr/a</file>\n<file type=\"dir\">/usr/b &amp; &#99;</file><file/>"
            ),
            package(&other, "<file>/usr/a</file><file>/usr/z</file>")
        ));
        let found = owners(
            text.as_bytes(),
            &["/usr/a", "/usr/b & c", "/usr/none"].into(),
        )
        .unwrap();
        let one: Sha256 = ONE.parse().unwrap();
        let both = vec![one, other.parse().unwrap()];
        let expected = [
            ("/usr/a".to_owned(), both),
            ("/usr/b & c".to_owned(), vec![one]),
        ];
        assert_eq!(found, expected.into());
    }

    #[test]
    fn refuses_what_cannot_be_relied_on() {
        let good = filelists(&package(ONE, "<file>/a</file>"));
        let refusal = |from: &str, to: &str| {
            let text = good.replace(from, to);
            owners(text.as_bytes(), &["/a"].into())
                .unwrap_err()
                .to_string()
        };
        assert!(refusal(ONE, "abc").contains("no SHA-256 digest"));
        assert!(refusal("/a<", "&other;<").contains("`other` is unknown"));
        assert!(refusal("</filelists>", "").contains("does not hold"));
        assert!(refusal("filelists", "metadata").contains("does not hold"));
        assert!(refusal("</file>", "").contains("cannot be read"));
        assert!(owners(&b"<filelists>\xff</filelists>"[..], &["/a"].into()).is_err());
        assert!(owners(&b""[..], &["/a"].into()).is_err());
    }
}
