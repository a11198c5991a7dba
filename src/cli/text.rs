//! Reads what an operator named, and no more of it than it can be: somebody
//! will name a disk image, or a device that never ends.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// No spec, list of mirrors or key comes near this; a spec of a thousand nodes has 100 kB.
pub const SMALL: u64 = 1 << 20;

/// No lock and no list of packages comes near this; Debian's own of everything has 50 MB.
pub const LARGE: u64 = 256 << 20;

/// The text of a file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ErrorKind::FileTooLarge.into());
    }
    String::from_utf8(bytes).map_err(|_| ErrorKind::InvalidData.into())
}
