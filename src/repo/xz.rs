//! xz files (The .xz File Format, version 1.2) whose blocks are decompressed
//! at the same time, each into its place.
//!
//! Archives write their indexes in several blocks. The file's own index says
//! where each begins and what it unpacks to; what is wrong with a file that is
//! built in another way is for a decoder to say that reads it in order.

use std::io::{BufRead, Read};
use std::thread;

use liblzma::bufread::XzDecoder;
use liblzma::stream::{Error, IGNORE_CHECK, Stream};

use crate::base::digest::Digested;

/// Blocks that are decompressed at a time, at most.
const THREADS: usize = 2;

/// What decompressing one of them may take, in bytes.
const MEMORY: u64 = 40 << 20;

/// The largest file that is unpacked so, in bytes: room for it is made at once.
const LARGEST: u64 = 1 << 28;

/// Bytes of a stream's header, and of its footer (2.1.1 and 2.1.2).
const FRAME: usize = 12;

/// What `file` unpacks to, where that is `size` bytes; none where it has to be
/// read in order, be it to find out what is wrong with it.
pub(super) fn unpack(file: &[u8], size: u64) -> Option<Digested<Vec<u8>>> {
    let header = file.get(..FRAME)?;
    let blocks = blocks(file)?;
    let mut left = size;
    for block in &blocks {
        left = left.checked_sub(block.size)?;
    }
    if left != 0 || size > LARGEST {
        return None;
    }
    let readers: Vec<_> = blocks
        .iter()
        .map(|block| Ok((block.reader(header)?, block.size as usize)))
        .collect::<Result<_, Error>>()
        .ok()?;
    let threads = thread::available_parallelism().map_or(1, |count| count.get().min(THREADS));
    Digested::read_parts(readers, threads).ok()
}

/// A block of a file, and how many bytes it unpacks to.
#[derive(Debug, PartialEq, Eq)]
struct Block<'f> {
    packed: &'f [u8],
    size: u64,
}

impl<'f> Block<'f> {
    // A stream that breaks off after its first block. Its own checksum is not
    // asked for: whoever unpacks an index has a better one for the whole.
    fn reader(&self, header: &'f [u8]) -> Result<XzDecoder<impl BufRead + use<'f>>, Error> {
        let stream = Stream::new_stream_decoder(MEMORY, IGNORE_CHECK)?;
        Ok(XzDecoder::new_stream(header.chain(self.packed), stream))
    }
}

/// The blocks that the index of a file with a single stream lists (4).
fn blocks(file: &[u8]) -> Option<Vec<Block<'_>>> {
    let (before, footer) = file.split_last_chunk::<FRAME>()?;
    let words = u32::from_le_bytes(footer[4..8].try_into().ok()?);
    let length = (words as usize).checked_add(1)?.checked_mul(4)?;
    let (before, index) = before.split_at_checked(before.len().checked_sub(length)?)?;
    let (_, mut packed) = before.split_at_checked(FRAME)?;
    let mut index = index.strip_prefix(&[0])?;
    let mut blocks = Vec::new();
    for _ in 0..number(&mut index)? {
        // The block's size is listed without its padding to whole words.
        let listed = usize::try_from(number(&mut index)?).ok()?;
        let (block, after) = packed.split_at_checked(listed.checked_next_multiple_of(4)?)?;
        packed = after;
        blocks.push(Block {
            packed: block,
            size: number(&mut index)?,
        });
    }
    packed.is_empty().then_some(blocks)
}

/// A number of variable length (1.2): seven bits in each byte, the lowest
/// first; the highest bit says that another byte follows.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use liblzma::stream::{Check, MtStreamBuilder};
    use liblzma::write::XzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn packed(bytes: &[u8], block: u64) -> Vec<u8> {
        let mut builder = MtStreamBuilder::new();
        let builder = builder.preset(0).check(Check::Crc64).threads(1);
        let stream = builder.block_size(block).encoder().unwrap();
        let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_file_of_several_blocks_is_put_together_and_digested() {
        let bytes: Vec<_> = (0..3_000_000u32).map(|n| (n / 7 % 251) as u8).collect();
        let file = packed(&bytes, 1 << 20);
        assert_eq!(blocks(&file).unwrap().len(), 3);
        let unpacked = unpack(&file, bytes.len() as u64).unwrap();
        assert!(unpacked == Digested::of(bytes));
    }

    #[test]
    fn a_file_of_another_size_or_of_two_streams_is_left_to_others() {
        let file = packed(b"text", 1 << 20);
        assert!(unpack(&file, 4).is_some());
        assert!(unpack(&file, 3).is_none() && unpack(&file, 5).is_none());
        assert!(unpack(&[file.clone(), file].concat(), 8).is_none());
    }

    proptest! {
        #[test]
        fn a_damaged_file_gives_what_it_says_or_nothing(
            place in any::<prop::sample::Index>(), bit in 0u8..8, end in any::<prop::sample::Index>(),
        ) {
            let mut file = packed(&b"0123456789".repeat(40), 100);
            let place = place.index(file.len());
            file[place] ^= 1 << bit;
            for file in [&file[..], &file[..end.index(file.len())]] {
                prop_assert!(unpack(file, 400).is_none_or(|unpacked| unpacked.size() == 400));
            }
        }
    }
}
