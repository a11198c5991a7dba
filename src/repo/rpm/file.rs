//! A package's file: what stands before its payload.
//!
//! ```text
//! lead          96 bytes, of which only the beginning still means something
//! signatures    a header of signatures and digests, filled up to eight bytes
//! header        what the package is; a header signature covers exactly this
//! payload       its files; a signature over header and payload covers both
//! ```

use std::collections::HashSet;
use std::io::{self, Read};
use std::ops::Range;

use super::header::{Header, NotAHeader, Tag};

const LEAD: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];

/// No package has signatures beyond this, even where each of its files is signed.
const SIGNATURES_LIMIT: u32 = 16 << 20;

/// What rpm accepts of a header is four times that; the largest of EL has ten million bytes.
const HEADER_LIMIT: u32 = 64 << 20;

/// Names of a header's values, as rpm's `rpmtag.h` numbers them.
pub mod tag {
    use super::Tag;

    /// `NAME`
    pub const NAME: Tag = Tag(1000);
    /// `VERSION`
    pub const VERSION: Tag = Tag(1001);
    /// `RELEASE`
    pub const RELEASE: Tag = Tag(1002);
    /// `EPOCH`
    pub const EPOCH: Tag = Tag(1003);
    /// `SUMMARY`
    pub const SUMMARY: Tag = Tag(1004);
    /// `DESCRIPTION`
    pub const DESCRIPTION: Tag = Tag(1005);
    /// `BUILDTIME`: seconds since 1970.
    pub const BUILD_TIME: Tag = Tag(1006);
    /// `BUILDHOST`
    pub const BUILD_HOST: Tag = Tag(1007);
    /// `SIZE`: bytes of its files, once installed.
    pub const SIZE: Tag = Tag(1009);
    /// `VENDOR`
    pub const VENDOR: Tag = Tag(1011);
    /// `LICENSE`
    pub const LICENSE: Tag = Tag(1014);
    /// `PACKAGER`
    pub const PACKAGER: Tag = Tag(1015);
    /// `GROUP`
    pub const GROUP: Tag = Tag(1016);
    /// `URL`
    pub const URL: Tag = Tag(1020);
    /// `ARCH`
    pub const ARCHITECTURE: Tag = Tag(1022);
    /// `FILESIZES`
    pub const FILE_SIZES: Tag = Tag(1028);
    /// `LONGFILESIZES`: the same, where those are too small for them.
    pub const LONG_FILE_SIZES: Tag = Tag(5008);
    /// `FILERDEVS`: which device, where it is one.
    pub const FILE_DEVICES: Tag = Tag(1033);
    /// `FILEDIGESTS`, in hexadecimal.
    pub const FILE_DIGESTS: Tag = Tag(1035);
    /// `FILEDIGESTALGO`: by RFC 9580, 9.5; MD5 where it is left out.
    pub const FILE_DIGEST_ALGORITHM: Tag = Tag(5011);
    /// `FILELINKTOS`: where a symbolic link leads.
    pub const FILE_LINKS: Tag = Tag(1036);
    /// `FILEUSERNAME`
    pub const FILE_OWNERS: Tag = Tag(1039);
    /// `FILEGROUPNAME`
    pub const FILE_GROUPS: Tag = Tag(1040);
    /// `FILECOLORS`: 1 for ELF of 32 bits, 2 for 64.
    pub const FILE_COLORS: Tag = Tag(1140);
    /// `FILEMODES`
    pub const FILE_MODES: Tag = Tag(1030);
    /// `FILEFLAGS`
    pub const FILE_FLAGS: Tag = Tag(1037);
    /// `SOURCERPM`: the file of the source package.
    pub const SOURCE_RPM: Tag = Tag(1044);
    /// `PROVIDENAME`, `PROVIDEFLAGS`, `PROVIDEVERSION`
    pub const PROVIDES: [Tag; 3] = [Tag(1047), Tag(1112), Tag(1113)];
    /// `REQUIRENAME`, `REQUIREFLAGS`, `REQUIREVERSION`
    pub const REQUIRES: [Tag; 3] = [Tag(1049), Tag(1048), Tag(1050)];
    /// `CONFLICTNAME`, `CONFLICTFLAGS`, `CONFLICTVERSION`
    pub const CONFLICTS: [Tag; 3] = [Tag(1054), Tag(1053), Tag(1055)];
    /// `OBSOLETENAME`, `OBSOLETEFLAGS`, `OBSOLETEVERSION`
    pub const OBSOLETES: [Tag; 3] = [Tag(1090), Tag(1114), Tag(1115)];
    /// `SOURCEPACKAGE`: there in source packages alone.
    pub const SOURCE_PACKAGE: Tag = Tag(1106);
    /// `BASENAMES`: for each file, the last part of its path.
    pub const BASE_NAMES: Tag = Tag(1117);
    /// `DIRINDEXES`: for each file, its folder's place among the folders.
    pub const FOLDER_OF_FILE: Tag = Tag(1116);
    /// `LONGSIZE`: the same as `SIZE`, where that is too small for it.
    pub const LONG_SIZE: Tag = Tag(5009);
    /// `DIRNAMES`: the folders, each with a slash at its end.
    pub const FOLDERS: Tag = Tag(1118);
    /// `PAYLOADDIGEST`: of the payload as it lies in the file.
    pub const PAYLOAD_DIGEST: Tag = Tag(5092);
    /// `PAYLOADDIGESTALGO`: by RFC 9580, 9.5.
    pub const PAYLOAD_DIGEST_ALGORITHM: Tag = Tag(5093);
}

/// What stands before a package's payload.
#[derive(Clone, Debug)]
pub struct PackageFile {
    /// Signatures and digests, which nothing protects.
    pub signatures: Header,
    /// What the package is.
    pub header: Header,
}

/// What tells a package from every other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its epoch; a package without one has the epoch 0.
    pub epoch: u32,
    /// Its version.
    pub version: String,
    /// Its release.
    pub release: String,
    /// Its architecture (`noarch` too).
    pub architecture: String,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            name,
            epoch,
            version,
            release,
            architecture,
        } = self;
        match epoch {
            0 => write!(f, "{name}-{version}-{release}.{architecture}"),
            _ => write!(f, "{name}-{epoch}:{version}-{release}.{architecture}"),
        }
    }
}

/// The file is no package that could be installed.
#[derive(Debug, thiserror::Error)]
pub enum NotAPackage {
    /// It cannot be read, or ends too soon.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// Another kind of file.
    #[error("the file is no rpm package")]
    Lead,
    /// A format that rpm gave up long ago, or one to come.
    #[error("the package has format {0}, of which only 3 and 4 are known")]
    Format(u8),
    /// A source package.
    #[error("it is a source package")]
    Source,
    /// One of the two headers is none.
    #[error("the package's {which}: {source}")]
    Header {
        /// Which.
        which: &'static str,
        /// What is wrong.
        source: NotAHeader,
    },
    /// Something that every package has is missing.
    #[error("the package's header has no usable {0}")]
    Lacks(&'static str),
}

impl PackageFile {
    /// Reads up to the payload, and nothing of it.
    pub fn read(reader: &mut impl Read) -> Result<Self, NotAPackage> {
        let mut lead = [0; LEAD];
        reader.read_exact(&mut lead)?;
        if lead[..4] != LEAD_MAGIC {
            return Err(NotAPackage::Lead);
        }
        if !matches!(lead[4], 3 | 4) {
            return Err(NotAPackage::Format(lead[4]));
        }
        let part = |which| move |source| NotAPackage::Header { which, source };
        let signatures =
            Header::read(reader, SIGNATURES_LIMIT).map_err(part("signature header"))?;
        let filled = signatures.bytes().len().next_multiple_of(8);
        let filling = filled - signatures.bytes().len();
        reader.read_exact(&mut [0; 8][..filling])?;
        let header = Header::read(reader, HEADER_LIMIT).map_err(part("header"))?;
        match header.has(tag::SOURCE_PACKAGE) {
            true => Err(NotAPackage::Source),
            false => Ok(Self { signatures, header }),
        }
    }

    /// Its name, version and architecture.
    pub fn identity(&self) -> Result<Identity, NotAPackage> {
        let text = |tag, what| {
            let found = self.header.text(tag).filter(|text| !text.is_empty());
            found.map(str::to_owned).ok_or(NotAPackage::Lacks(what))
        };
        let epoch = self.header.numbers(tag::EPOCH).next().unwrap_or(0);
        Ok(Identity {
            name: text(tag::NAME, "name")?,
            epoch: u32::try_from(epoch).map_err(|_| NotAPackage::Lacks("epoch"))?,
            version: text(tag::VERSION, "version")?,
            release: text(tag::RELEASE, "release")?,
            architecture: text(tag::ARCHITECTURE, "architecture")?,
        })
    }

    /// The paths of its files, in the header's order.
    pub fn paths(&self) -> impl Iterator<Item = Vec<u8>> {
        let folders: Vec<_> = self.header.texts(tag::FOLDERS).collect();
        let names = self.header.texts(tag::BASE_NAMES);
        let places = self.header.numbers(tag::FOLDER_OF_FILE);
        names.zip(places).map(move |(name, place)| {
            let folder = usize::try_from(place)
                .ok()
                .and_then(|place| folders.get(place));
            [folder.copied().unwrap_or_default(), name].concat()
        })
    }

    /// The first of some paths that is none of the package's.
    pub fn lacks<'p>(&self, paths: impl IntoIterator<Item = &'p str>) -> Option<&'p str> {
        let own: HashSet<Vec<u8>> = self.paths().collect();
        let mut paths = paths.into_iter();
        paths.find(|path| !own.contains(path.as_bytes()))
    }

    /// Where the header lies in the file.
    pub fn header_range(&self) -> Range<usize> {
        let start = LEAD + self.signatures.bytes().len().next_multiple_of(8);
        start..start + self.header.bytes().len()
    }
}
