//! The index of a bundle's own yum repository: what createrepo_c(8) writes, as
//! yum 3.4 of CentOS 7 and dnf read it. The same packages give the same bytes.
//!
//! `primary.xml` has the packages' elements as upstream wrote them. The lists
//! of files repeat the files in them, and the lists of changes are empty: all
//! that anything in a bundle asks for is in `primary.xml`, and rpm judges the
//! rest by the packages themselves.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use quick_xml::escape::escape;

use super::package::Package;
use super::primary::PrimaryError;
use super::stanza;
use crate::base::{Epoch, Sha256};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A repository's index cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RepodataError {
    /// A package's element cannot be read.
    #[error(transparent)]
    Primary(#[from] PrimaryError),
    /// What should be one package's element is none.
    #[error("an entry of the lock is not the element of one package")]
    NotOne,
    /// It cannot be compressed.
    #[error("the index cannot be compressed: {0}")]
    Gzip(#[from] io::Error),
}

/// A file of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFile {
    /// Where it lies, relative to the repository's root.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Writes the index of these packages, each given by its element of primary,
/// as of that moment. `repomd.xml` comes last: it names the others.
pub fn write<'s>(
    elements: impl IntoIterator<Item = &'s str>,
    at: Epoch,
) -> Result<Vec<IndexFile>, RepodataError> {
    let (mut primary, mut filelists, mut other) = (String::new(), String::new(), String::new());
    let mut count = 0;
    for element in elements {
        primary.push_str(element.trim_end());
        primary.push('\n');
        let listed = stanza::read(element, |package| {
            (listed(package, true), listed(package, false))
        });
        let (with_files, without) = listed?.ok_or(RepodataError::NotOne)?;
        filelists.push_str(&with_files);
        other.push_str(&without);
        count += 1;
    }
    let parts = [
        ("primary", "metadata", "common", primary),
        ("filelists", "filelists", "filelists", filelists),
        ("other", "otherdata", "other", other),
    ];
    let mut files = Vec::new();
    let mut data = String::new();
    for (kind, root, namespace, inside) in parts {
        let text = format!(
            "{HEAD}<{root} xmlns=\"http://linux.duke.edu/metadata/{namespace}\"{} packages=\"{count}\">\n{inside}</{root}>\n",
            match kind {
                "primary" => " xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\"",
                _ => "",
            }
        );
        let bytes = gzip(text.as_bytes())?;
        let digest = Sha256::of(&bytes);
        // By a name of its own no cache takes one state's part for another's.
        let path = format!("repodata/{digest}-{kind}.xml.gz");
        data.push_str(&format!(
            "<data type=\"{kind}\">\n  <checksum type=\"sha256\">{digest}</checksum>\n  \
             <open-checksum type=\"sha256\">{}</open-checksum>\n  <location href=\"{path}\"/>\n  \
             <timestamp>{}</timestamp>\n  <size>{}</size>\n  <open-size>{}</open-size>\n</data>\n",
            Sha256::of(text.as_bytes()),
            at.seconds(),
            bytes.len(),
            text.len(),
        ));
        files.push(IndexFile { path, bytes });
    }
    let repomd = format!(
        "{HEAD}<repomd xmlns=\"http://linux.duke.edu/metadata/repo\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n<revision>{}</revision>\n{data}</repomd>\n",
        at.seconds()
    );
    files.push(IndexFile {
        path: super::index::REPOMD.to_owned(),
        bytes: repomd.into_bytes(),
    });
    Ok(files)
}

/// A package in the lists of files, or of changes.
fn listed(package: &Package<'_>, with_files: bool) -> String {
    let digest = package.archive.as_ref().map(|archive| archive.sha256);
    let files = package.files.iter().filter(|_| with_files);
    let files: String = files
        .map(|file| format!("  <file>{}</file>\n", escape(&**file)))
        .collect();
    format!(
        "<package pkgid=\"{}\" name=\"{}\" arch=\"{}\">\n  \
         <version epoch=\"{}\" ver=\"{}\" rel=\"{}\"/>\n{files}</package>\n",
        digest.map(|digest| digest.to_string()).unwrap_or_default(),
        escape(package.name),
        escape(package.arch),
        package.evr.epoch,
        escape(package.evr.version),
        escape(package.evr.release.unwrap_or_default()),
    )
}

// Neither a time nor a file's name is in its head.
fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
    packed.write_all(bytes)?;
    packed.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::repomd::{Kind, Repomd};
    use super::super::{filelists, primary};
    use super::*;
    use crate::repo::unpack::Compression as Packing;

    const ELEMENT: &str = "<package type=\"rpm\"><name>a</name><arch>noarch</arch>\
        <version epoch=\"2\" ver=\"1\" rel=\"3\"/><checksum type=\"sha256\" pkgid=\"YES\">\
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855</checksum>\
        <size package=\"7\" installed=\"8\" archive=\"9\"/><location href=\"pool/a-1-3.noarch.rpm\"/>\
        <format><file>/etc/a&amp;b</file></format></package>";

    fn at() -> Epoch {
        "2026-01-05T02:11:10Z".parse().unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_by_the_digests_it_names() {
        let files = write([ELEMENT], at()).unwrap();
        assert_eq!(files, write([ELEMENT], at()).unwrap());
        let (repomd, parts) = files.split_last().unwrap();
        assert_eq!(repomd.path, "repodata/repomd.xml");
        let repomd = Repomd::read(std::str::from_utf8(&repomd.bytes).unwrap()).unwrap();
        assert_eq!(repomd.date(), Some(at()));
        let opened = |kind| {
            let data = repomd.of(kind).unwrap();
            let is_it = |file: &&IndexFile| file.path == data.path.as_str();
            let file = parts.iter().find(is_it).unwrap();
            assert_eq!(
                (Sha256::of(&file.bytes), file.bytes.len() as u64),
                (data.sha256, data.size)
            );
            let open = Packing::Gzip.unpack(&file.bytes, data.open_size).unwrap();
            assert_eq!(
                (open.sha256(), open.size()),
                (data.open_sha256, data.open_size)
            );
            String::from_utf8(open.bytes().clone()).unwrap()
        };
        let text = opened(Kind::Primary);
        let packages = primary::read(&text, 0, |_| true).unwrap();
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].archive.as_ref().unwrap().raw, ELEMENT);
        let wanted = BTreeSet::from(["/etc/a&b"]);
        let owners = filelists::owners(opened(Kind::Filelists).as_bytes(), &wanted).unwrap();
        assert_eq!(owners["/etc/a&b"].len(), 1);
    }

    #[test]
    fn an_empty_repository_is_one_and_two_packages_in_one_entry_are_none() {
        assert_eq!(write([], at()).unwrap().len(), 4);
        let two = format!("{ELEMENT}{ELEMENT}");
        assert!(matches!(
            write([two.as_str()], at()),
            Err(RepodataError::NotOne)
        ));
        assert!(write(["<package>"], at()).is_err());
    }
}
