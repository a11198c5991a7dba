//! Whether two packages may bring one file: rpm's rule for packages that are
//! installed together (rpm's `rpmfilesCompare` and `handleOverlappedFiles`).
//!
//! They may where it is the same: kind, mode, owner and, of a file, size and
//! digest. Of two programs that differ, the one of 64 bits wins over the one
//! of 32. What one of them only lays claim to (`%ghost`) is the other's. Paths
//! are compared as they are written: two that meet through a symbolic link on
//! the host are left to rpm's own trial there.

use std::collections::HashMap;

use super::file::{PackageFile, tag};

/// `RPMFILE_GHOST`
const GHOST: u64 = 1 << 6;

// The kinds of files in a mode (inode(7)).
const KIND: u64 = 0o170_000;
const REGULAR: u64 = 0o100_000;
const LINK: u64 = 0o120_000;
const CHARACTERS: u64 = 0o020_000;
const BLOCKS: u64 = 0o060_000;

/// Among the hash algorithms of OpenPGP (RFC 9580, 9.5).
const MD5: u64 = 1;

/// ELF of 64 bits, which rpm prefers on x86_64.
const ELF64: u64 = 2;

/// A file of two packages, which is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collision {
    /// Its path.
    pub path: String,
    /// The packages, by their place among those that were compared.
    pub packages: (usize, usize),
}

/// The first file of each two packages that both bring, and that differs;
/// pairs for which `meet` is false are never on one host.
pub fn find(packages: &[PackageFile], meet: impl Fn(usize, usize) -> bool) -> Vec<Collision> {
    let mut owners: HashMap<Vec<u8>, Vec<(usize, Entry<'_>)>> = HashMap::new();
    let mut found: Vec<Collision> = Vec::new();
    for (place, package) in packages.iter().enumerate() {
        for (path, entry) in package.paths().zip(entries(package)) {
            let Some(known) = owners.get_mut(&path) else {
                owners.insert(path, vec![(place, entry)]);
                continue;
            };
            for (other, its) in known.iter() {
                let packages = (*other, place);
                let is_new = !found.iter().any(|one| one.packages == packages);
                if is_new && meet(*other, place) && its.collides_with(&entry) {
                    let path = String::from_utf8_lossy(&path).into_owned();
                    found.push(Collision { path, packages });
                }
            }
            known.push((place, entry));
        }
    }
    found
}

/// What a header says of a file.
struct Entry<'h> {
    mode: u64,
    flags: u64,
    size: u64,
    device: u64,
    color: u64,
    owner: &'h [u8],
    group: &'h [u8],
    link: &'h [u8],
    digest: &'h [u8],
    /// Of the digest.
    algorithm: u64,
}

impl Entry<'_> {
    fn collides_with(&self, other: &Self) -> bool {
        let is_program = self.color != 0 && other.color != 0 && self.color != other.color;
        let is_settled = is_program && (self.color | other.color) & ELF64 != 0;
        !is_settled && self.differs_from(other)
    }

    fn differs_from(&self, other: &Self) -> bool {
        if (self.flags | other.flags) & GHOST != 0 {
            return false;
        }
        let kind = self.mode & KIND;
        // Nobody looks at the mode of a symbolic link.
        let are_links = kind == LINK && other.mode & KIND == LINK;
        let has_size = kind == LINK || kind == REGULAR;
        !are_links && self.mode != other.mode
            || has_size && self.size != other.size
            || (self.owner, self.group) != (other.owner, other.group)
            || match kind {
                LINK => self.link != other.link,
                REGULAR => (self.algorithm, self.digest) != (other.algorithm, other.digest),
                CHARACTERS | BLOCKS => self.device != other.device,
                _ => false,
            }
    }
}

/// What a package's header says of its files, in its order.
fn entries(package: &PackageFile) -> impl Iterator<Item = Entry<'_>> {
    let header = &package.header;
    let numbers = |tag| header.numbers(tag).chain(std::iter::repeat(0));
    let texts = |tag| header.texts(tag).chain(std::iter::repeat(&b""[..]));
    let sizes = match header.has(tag::LONG_FILE_SIZES) {
        true => tag::LONG_FILE_SIZES,
        false => tag::FILE_SIZES,
    };
    let algorithm = header.numbers(tag::FILE_DIGEST_ALGORITHM).next();
    let modes = numbers(tag::FILE_MODES).zip(numbers(tag::FILE_FLAGS));
    let sizes = numbers(sizes).zip(numbers(tag::FILE_DEVICES));
    let owners = texts(tag::FILE_OWNERS).zip(texts(tag::FILE_GROUPS));
    let contents = texts(tag::FILE_LINKS).zip(texts(tag::FILE_DIGESTS));
    let all = modes.zip(sizes).zip(owners.zip(contents));
    let all = all.zip(numbers(tag::FILE_COLORS));
    all.map(move |(columns, color)| {
        let (((mode, flags), (size, device)), ((owner, group), (link, digest))) = columns;
        Entry {
            mode,
            flags,
            size,
            device,
            color: color & 3,
            owner,
            group,
            link,
            digest,
            algorithm: algorithm.unwrap_or(MD5),
        }
    })
}
