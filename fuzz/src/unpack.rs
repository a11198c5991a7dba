//! Compressed indexes, and what is in them.

use pgbundle::repo::unpack::Compression;

use super::packages;

/// The largest index that is expected here.
const LARGEST: u64 = 1 << 20;

/// No more is unpacked than was expected, and one byte. The first two bytes
/// say how much is expected, in units of sixteen.
pub fn holds(bytes: &[u8]) -> bool {
    let Some((size, packed)) = bytes.split_first_chunk::<2>() else {
        return false;
    };
    let size = u64::from(u16::from_be_bytes(*size)) * 16;
    assert!(size <= LARGEST);
    let mut accepted = false;
    for compression in Compression::ALL {
        if let Ok(plain) = compression.unpack(packed, size) {
            assert!(
                plain.len() as u64 <= size + 1,
                "{compression:?} gave {}",
                plain.len()
            );
            accepted |= packages::holds(&plain);
        }
    }
    accepted
}
