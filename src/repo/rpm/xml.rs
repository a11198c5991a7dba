//! Elements of an XML text, walked through without a tree and without copies.
//!
//! Names are compared without their prefix: what rpm-md's writers use are
//! `rpm:` and none, and one meaning stands behind each name.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::escape::unescape;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::QName;
use quick_xml::reader::Reader;

/// The text is not XML, or not such as is expected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("at byte {at}: {what}")]
pub struct XmlError {
    /// Where, in bytes from the beginning of the text.
    pub at: u64,
    /// What is wrong.
    pub what: String,
}

/// A walk over a text's elements.
pub struct Walk<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    depth: usize,
}

/// An element's begin.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// Where its `<` is.
    pub start: usize,
    // What stands between `<` and `>`, the `/` of an empty one left out.
    tag: &'a str,
    name_length: usize,
    is_empty: bool,
}

impl<'a> Walk<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            reader: Reader::from_str(text),
            depth: 0,
        }
    }

    /// Where the walk is.
    pub fn position(&self) -> usize {
        self.reader.buffer_position() as usize
    }

    /// An error at this place.
    pub fn error(&self, what: impl Into<String>) -> XmlError {
        XmlError {
            at: self.reader.buffer_position(),
            what: what.into(),
        }
    }

    /// The next element inside of the one that the walk is in; none where that ends.
    pub fn next(&mut self) -> Result<Option<Element<'a>>, XmlError> {
        loop {
            let start = self.position();
            let event = self
                .reader
                .read_event()
                .map_err(|e| self.error(e.to_string()))?;
            match event {
                Event::Start(tag) => {
                    self.depth += 1;
                    return Ok(Some(self.element(start, &tag, 1)));
                }
                Event::Empty(tag) => return Ok(Some(self.element(start, &tag, 2))),
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(None);
                }
                Event::Eof if self.depth == 0 => return Ok(None),
                Event::Eof => return Err(self.error("the text ends inside of an element")),
                Event::DocType(_) => return Err(self.error("a document type is not expected")),
                _ => {}
            }
        }
    }

    fn element(&self, start: usize, tag: &BytesStart<'_>, closing: usize) -> Element<'a> {
        let end = self.position() - closing;
        Element {
            start,
            tag: &self.text[end - tag.len()..end],
            name_length: tag.name().as_ref().len(),
            is_empty: closing == 2,
        }
    }

    /// The elements inside of `element`, each given to `visit`, which has to
    /// [`skip`](Self::skip) it, take its [`text`](Self::text) or go into it.
    pub fn inside<E: From<XmlError>>(
        &mut self,
        element: &Element<'a>,
        mut visit: impl FnMut(&mut Self, Element<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        if element.is_empty {
            return Ok(());
        }
        while let Some(child) = self.next()? {
            visit(self, child)?;
        }
        Ok(())
    }

    /// Leaves an element unread.
    pub fn skip(&mut self, element: &Element<'a>) -> Result<(), XmlError> {
        self.raw_inside(element).map(|_| ())
    }

    /// What an element holds, which must be text alone.
    pub fn text(&mut self, element: &Element<'a>) -> Result<Cow<'a, str>, XmlError> {
        let raw = self.raw_inside(element)?;
        if raw.contains('<') {
            return Err(self.error(format!("`{}` holds more than text", element.name())));
        }
        unescape(raw.trim()).map_err(|e| self.error(e.to_string()))
    }

    fn raw_inside(&mut self, element: &Element<'a>) -> Result<&'a str, XmlError> {
        if element.is_empty {
            return Ok("");
        }
        let name = QName(&element.tag[..element.name_length]);
        let span = self
            .reader
            .read_to_end(name)
            .map_err(|e| self.error(e.to_string()))?;
        self.depth -= 1;
        Ok(&self.text[span.start as usize..span.end as usize])
    }

    /// An attribute that must be there.
    pub fn required(&self, element: &Element<'a>, name: &str) -> Result<Cow<'a, str>, XmlError> {
        let missing = || self.error(format!("`{}` has no attribute `{name}`", element.name()));
        self.attribute(element, name)?.ok_or_else(missing)
    }

    /// An attribute.
    pub fn attribute(
        &self,
        element: &Element<'a>,
        name: &str,
    ) -> Result<Option<Cow<'a, str>>, XmlError> {
        let mut found = None;
        self.attributes(element, |key, value| {
            if key == name {
                found = Some(value);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Each attribute, its value unescaped.
    pub fn attributes(
        &self,
        element: &Element<'a>,
        mut visit: impl FnMut(&'a str, Cow<'a, str>) -> Result<(), XmlError>,
    ) -> Result<(), XmlError> {
        for attribute in Attributes::new(element.tag, element.name_length) {
            let attribute = attribute.map_err(|e| self.error(e.to_string()))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|e| self.error(e.to_string()))?;
            visit(attribute.key.0, value)?;
        }
        Ok(())
    }
}

impl<'a> Element<'a> {
    /// Its name without prefix.
    pub fn name(&self) -> &'a str {
        let name = &self.tag[..self.name_length];
        name.rsplit_once(':').map_or(name, |(_, local)| local)
    }
}
