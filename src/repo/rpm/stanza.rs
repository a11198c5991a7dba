//! A package's element of primary, as the repository in a bundle lists it.

use std::collections::BTreeSet;

use quick_xml::escape::escape;

use super::package::Package;
use super::primary::{self, PrimaryError};
use super::xml::{Walk, XmlError};

/// The element `raw` as upstream wrote it, but for where its file lies, and
/// with `files` among its files: such as upstream lists apart, of which a
/// bundle's repository has to know because something in it asks for them.
pub fn rewritten(raw: &str, location: &str, files: &BTreeSet<&str>) -> Result<String, XmlError> {
    let mut walk = Walk::new(raw);
    only_known_prefixes(raw).map_err(|what| walk.error(what))?;
    let root = walk.next()?;
    let root = root.ok_or_else(|| walk.error("there is no element"))?;
    let (mut place, mut format) = (None, None);
    walk.inside(&root, |walk, child| {
        walk.skip(&child)?;
        match child.name() {
            "location" => place = Some(child.start..walk.position()),
            "format" => format = raw[..walk.position()].rfind("</"),
            _ => {}
        }
        Ok::<_, XmlError>(())
    })?;
    let place = place.ok_or_else(|| walk.error("there is no `location`"))?;
    let href = format!("<location href=\"{}\"/>", escape(location));
    let line = |file: &&str| format!("<file>{}</file>\n", escape(*file));
    let lines: String = files.iter().map(line).collect();
    let mut text = raw.to_owned();
    let edits = match format {
        None if !files.is_empty() => return Err(walk.error("there is no `format`")),
        None => vec![(place, href)],
        Some(end) if end > place.start => vec![(end..end, lines), (place, href)],
        Some(end) => vec![(place, href), (end..end, lines)],
    };
    for (range, new) in edits {
        text.replace_range(range, &new);
    }
    Ok(text)
}

// Elsewhere than in the document that it was cut from, no other prefix means anything.
fn only_known_prefixes(raw: &str) -> Result<(), String> {
    let names = raw.split('<').skip(1).map(|tag| {
        let tag = tag.trim_start_matches('/');
        let end = tag.find(|c: char| c.is_whitespace() || c == '>' || c == '/');
        &tag[..end.unwrap_or(tag.len())]
    });
    let mut prefixes = names.filter_map(|name| name.split_once(':'));
    match prefixes.find(|(prefix, _)| *prefix != "rpm") {
        Some((prefix, _)) => Err(format!("the prefix `{prefix}` is not known")),
        None => Ok(()),
    }
}

/// Reads one package's element as `read` is to see it.
pub fn read<T>(raw: &str, read: impl FnOnce(&Package<'_>) -> T) -> Result<Option<T>, PrimaryError> {
    let text = format!("<metadata>{raw}</metadata>");
    let packages = primary::read(&text, 0, |_| true)?;
    Ok(match packages.as_slice() {
        [package] => Some(read(package)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "<package type=\"rpm\">\n  <name>a</name>\n  <arch>noarch</arch>\n  \
        <version epoch=\"0\" ver=\"1\" rel=\"2\"/>\n  <checksum type=\"sha256\" pkgid=\"YES\">\
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855</checksum>\n  \
        <size package=\"7\" installed=\"8\" archive=\"9\"/>\n<location href=\"Packages/a/a-1-2.noarch.rpm\"/>\n  \
        <format>\n    <rpm:license>x</rpm:license>\n    <file>/etc/a</file>\n  </format>\n</package>";

    #[test]
    fn only_place_and_files_are_written_anew() {
        let more = BTreeSet::from(["/usr/share/a&b"]);
        let written = rewritten(RAW, "pool/a-1-2.noarch.rpm", &more).unwrap();
        let expected = RAW
            .replace("Packages/a/", "pool/")
            .replace("</format>", "<file>/usr/share/a&amp;b</file>\n</format>");
        assert_eq!(written, expected);
        let files = read(&written, |package| package.files.join(" ")).unwrap();
        assert_eq!(files.unwrap(), "/etc/a /usr/share/a&b");
        let turned = RAW.replacen("<location", "<format>\n</format><location", 1);
        let turned = turned.replacen("<format>\n    ", "<rest>", 1);
        let turned = turned.replacen("  </format>\n</package>", "</rest></package>", 1);
        let written = rewritten(&turned, "pool/a", &more).unwrap();
        assert!(written.contains("</file>\n</format><location href=\"pool/a\"/>"));
    }

    #[test]
    fn what_cannot_stand_in_another_document_is_refused() {
        let none = BTreeSet::new();
        let refusal = |raw: &str| rewritten(raw, "pool/a", &none).unwrap_err().to_string();
        assert!(refusal(&RAW.replace("rpm:license", "suse:license")).contains("`suse`"));
        assert!(refusal(&RAW.replace("location", "place")).contains("no `location`"));
        assert!(refusal("").contains("no element"));
        let two = format!("{RAW}{RAW}");
        assert!(read(&two, |_| ()).unwrap().is_none());
    }
}
