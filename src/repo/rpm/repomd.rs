//! `repodata/repomd.xml` (createrepo_c(8)): which metadata a repository has.

use std::str::FromStr;

use super::xml::{Element, Walk, XmlError};
use crate::base::{BundlePath, Epoch, Sha256};

/// What a repository says of its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repomd {
    /// What its maker calls this state; most write the time in seconds, some a release's number.
    pub revision: Option<String>,
    /// Its parts that are read here, in the order in which they stand there.
    pub data: Vec<Data>,
}

/// One file of metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// What it holds.
    pub kind: Kind,
    /// Where it lies, relative to the repository's root.
    pub path: BundlePath,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
    /// The size of what it holds, decompressed; its own where it is not compressed.
    pub open_size: u64,
    /// The digest of what it holds.
    pub open_sha256: Sha256,
    /// When it was made, in seconds since 1970.
    pub timestamp: Option<i64>,
}

/// What is read of a repository's metadata; the rest is left aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every package with its relations and the files that are often asked for.
    Primary,
    /// Every package with all of its files.
    Filelists,
    /// Modules of EL 8 and 9.
    Modules,
}

/// A `repomd.xml` that cannot be relied on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RepomdError {
    /// Not XML, or another text.
    #[error("repomd.xml cannot be read: {0}")]
    Xml(#[from] XmlError),
    /// Something that must be there is not, or cannot be read.
    #[error("repomd.xml has no usable {what} for `{kind}`")]
    Lacks {
        /// The part of the metadata.
        kind: &'static str,
        /// What of it.
        what: &'static str,
    },
    /// A digest that can be forged.
    #[error(
        "repomd.xml names `{kind}` by a checksum of the type `{algorithm}`; only sha256 is relied on, so the repository has to be made anew (`createrepo_c --checksum sha256`)"
    )]
    Weak {
        /// The part of the metadata.
        kind: &'static str,
        /// The checksum's type.
        algorithm: String,
    },
    /// Two of one kind.
    #[error("repomd.xml names `{0}` twice")]
    Twice(&'static str),
    /// Without packages there is no repository.
    #[error("repomd.xml names no `primary`, which lists the packages")]
    NoPrimary,
}

impl Kind {
    /// Its name in `repomd.xml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Filelists => "filelists",
            Self::Modules => "modules",
        }
    }

    fn of(name: &str) -> Option<Self> {
        let all = [Self::Primary, Self::Filelists, Self::Modules];
        all.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Repomd {
    /// Reads a `repomd.xml`.
    pub fn read(text: &str) -> Result<Self, RepomdError> {
        let mut walk = Walk::new(text);
        let root = walk.next()?.filter(|root| root.name() == "repomd");
        let root = root.ok_or_else(|| walk.error("the text has no element `repomd`"))?;
        let mut repomd = Self {
            revision: None,
            data: Vec::new(),
        };
        walk.inside(&root, |walk, child| {
            match child.name() {
                "revision" => repomd.revision = Some(walk.text(&child)?.into_owned()),
                "data" => match Kind::of(&walk.required(&child, "type")?) {
                    Some(kind) => repomd.data.push(read_data(walk, &child, kind)?),
                    None => walk.skip(&child)?,
                },
                _ => walk.skip(&child)?,
            }
            Ok::<_, RepomdError>(())
        })?;
        for (place, one) in repomd.data.iter().enumerate() {
            if repomd.data[..place].iter().any(|d| d.kind == one.kind) {
                return Err(RepomdError::Twice(one.kind.as_str()));
            }
        }
        match repomd.of(Kind::Primary) {
            Some(_) => Ok(repomd),
            None => Err(RepomdError::NoPrimary),
        }
    }

    /// The metadata of a kind.
    pub fn of(&self, kind: Kind) -> Option<&Data> {
        self.data.iter().find(|data| data.kind == kind)
    }

    /// When this state of the repository was made: what its revision says,
    /// where that is a time, else the newest of its parts.
    pub fn date(&self) -> Option<Epoch> {
        let revision = self.revision.as_deref().and_then(|r| r.parse().ok());
        let newest = self.data.iter().filter_map(|data| data.timestamp).max();
        // What numbers a release (`8.10`, `9`) is far from the time of any repository.
        let seconds = revision
            .filter(|seconds| *seconds > 1_000_000_000)
            .or(newest)?;
        Epoch::from_seconds(seconds).ok()
    }
}

/// What stands in a `<data>`, as far as it was read.
#[derive(Default)]
struct Draft {
    path: Option<String>,
    size: Option<u64>,
    sha256: Option<Sha256>,
    open_size: Option<u64>,
    open_sha256: Option<Sha256>,
    timestamp: Option<i64>,
}

fn read_data<'a>(walk: &mut Walk<'a>, data: &Element<'a>, kind: Kind) -> Result<Data, RepomdError> {
    let kind_name = kind.as_str();
    let mut draft = Draft::default();
    walk.inside(data, |walk, child| {
        match child.name() {
            "location" => {
                draft.path = Some(walk.required(&child, "href")?.into_owned());
                walk.skip(&child)?;
            }
            "size" => draft.size = number(&walk.text(&child)?),
            "open-size" => draft.open_size = number(&walk.text(&child)?),
            "checksum" => draft.sha256 = Some(checksum(walk, &child, kind_name)?),
            "open-checksum" => draft.open_sha256 = Some(checksum(walk, &child, kind_name)?),
            // createrepo of el7 writes hundredths.
            "timestamp" => draft.timestamp = walk.text(&child)?.split('.').next().and_then(number),
            _ => walk.skip(&child)?,
        }
        Ok::<_, RepomdError>(())
    })?;
    let lacks = |what| RepomdError::Lacks {
        kind: kind_name,
        what,
    };
    let path = draft.path.and_then(|path| path.parse::<BundlePath>().ok());
    let path = path.ok_or_else(|| lacks("location"))?;
    let size = draft.size.ok_or_else(|| lacks("size"))?;
    let sha256 = draft.sha256.ok_or_else(|| lacks("checksum"))?;
    let is_plain = [".xml", ".yaml"]
        .iter()
        .any(|end| path.as_str().ends_with(end));
    let (open_size, open_sha256) = match is_plain {
        true => (
            draft.open_size.unwrap_or(size),
            draft.open_sha256.unwrap_or(sha256),
        ),
        false => (
            draft.open_size.ok_or_else(|| lacks("open-size"))?,
            draft.open_sha256.ok_or_else(|| lacks("open-checksum"))?,
        ),
    };
    Ok(Data {
        kind,
        path,
        size,
        sha256,
        open_size,
        open_sha256,
        timestamp: draft.timestamp,
    })
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn checksum<'a>(
    walk: &mut Walk<'a>,
    element: &Element<'a>,
    kind: &'static str,
) -> Result<Sha256, RepomdError> {
    let algorithm = walk.required(element, "type")?;
    let text = walk.text(element)?;
    if algorithm != "sha256" {
        let algorithm = algorithm.into_owned();
        return Err(RepomdError::Weak { kind, algorithm });
    }
    text.parse().map_err(|_| RepomdError::Lacks {
        kind,
        what: "checksum",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn data(kind: &str, algorithm: &str, path: &str) -> String {
        format!(
            "<data type=\"{kind}\">\n <checksum type=\"{algorithm}\">{DIGEST}</checksum>\
             <open-checksum type=\"{algorithm}\">{DIGEST}</open-checksum>\
             <location href=\"{path}\"/><timestamp>1700000001.25</timestamp>\
             <size>10</size><open-size>20</open-size></data>"
        )
    }

    fn repomd(revision: &str, data: &[String]) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\" \
             xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n<revision>{revision}</revision>{}</repomd>\n",
            data.concat()
        )
    }

    #[test]
    fn names_the_metadata_with_sizes_and_digests() {
        let text = repomd(
            "1700000000",
            &[
                data("primary", "sha256", "repodata/1-primary.xml.gz"),
                data("primary_db", "sha1", "repodata/1-primary.sqlite.bz2"),
                data("modules", "sha256", "repodata/1-modules.yaml.gz"),
            ],
        );
        let read = Repomd::read(&text).unwrap();
        let primary = read.of(Kind::Primary).unwrap();
        assert_eq!(primary.path.as_str(), "repodata/1-primary.xml.gz");
        assert_eq!((primary.size, primary.open_size), (10, 20));
        assert_eq!(primary.sha256.to_string(), DIGEST);
        assert_eq!(read.data.len(), 2);
        assert_eq!(read.of(Kind::Filelists), None);
        assert_eq!(read.date().unwrap().seconds(), 1_700_000_000);
        let numbered = Repomd::read(&text.replace("1700000000<", "8.10<")).unwrap();
        assert_eq!(numbered.date().unwrap().seconds(), 1_700_000_001);
    }

    #[test]
    fn refuses_what_cannot_be_relied_on() {
        let good = data("primary", "sha256", "repodata/p.xml.gz");
        let refusal = |data: &[String]| Repomd::read(&repomd("1", data)).unwrap_err().to_string();
        assert!(refusal(&[]).contains("no `primary`"));
        assert!(refusal(&[good.clone(), good.clone()]).contains("twice"));
        assert!(refusal(&[data("primary", "sha", "repodata/p.xml.gz")]).contains("only sha256"));
        assert!(refusal(&[data("primary", "sha256", "../p.xml.gz")]).contains("location"));
        assert!(refusal(&[good.replace("<size>10</size>", "")]).contains("size"));
        assert!(refusal(&[good.replace("open-size>", "size>")]).contains("open-size"));
        assert!(refusal(&[good.replace(&DIGEST[..9], "")]).contains("checksum"));
        assert!(refusal(&[good.replace("</data>", "")]).contains("cannot be read"));
        assert!(Repomd::read("<html></html>").is_err());
        assert!(Repomd::read("").is_err());
    }
}
