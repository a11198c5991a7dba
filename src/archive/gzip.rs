//! A gzip file (RFC 1952) of one member in which some stretches are deflated
//! and others, compressed already, are stored as they are (RFC 1951, 3.2.4).
//! Any gunzip reads it; a bundle of packages is written at the disk's speed.

use std::io::{self, Write};

use flate2::{Compress, Compression, FlushCompress, Status};

/// The largest stored block (its length has 16 bits).
const STORED: usize = 65_535;

/// Level 6, like gzip's own; no time, no name, and no operating system
/// (255), so that the bytes depend on the content alone.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Writes a gzip member.
pub(super) struct MixedGzip<W> {
    out: W,
    deflate: Compress,
    buffer: Vec<u8>,
    /// Whether the compressor holds bytes back that come before a stored block.
    pending: bool,
    check: crc32fast::Hasher,
    size: u64,
}

impl<W: Write> MixedGzip<W> {
    /// Writes the header.
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&HEADER)?;
        Ok(Self {
            out,
            deflate: Compress::new(Compression::new(6), false),
            buffer: vec![0; 64 * 1024],
            pending: false,
            check: crc32fast::Hasher::new(),
            size: 0,
        })
    }

    /// Adds bytes, deflated.
    pub(super) fn deflate(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.count(bytes);
        self.pending = true;
        self.pump(bytes, FlushCompress::None)
    }

    /// Adds bytes as they are.
    pub(super) fn store(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.count(bytes);
        if self.pending {
            // Ends on a byte; what follows must not be referred to, because
            // the compressor never sees what is stored.
            self.pump(&[], FlushCompress::Sync)?;
            self.deflate.reset();
            self.pending = false;
        }
        for block in bytes.chunks(STORED) {
            let length = block.len() as u16;
            self.out.write_all(&[0])?;
            self.out.write_all(&length.to_le_bytes())?;
            self.out.write_all(&(!length).to_le_bytes())?;
            self.out.write_all(block)?;
        }
        Ok(())
    }

    /// Writes the last block and the trailer, and hands the writer back.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.pump(&[], FlushCompress::Finish)?;
        self.out.write_all(&self.check.finalize().to_le_bytes())?;
        // Modulo 2^32, as the format has it.
        self.out.write_all(&(self.size as u32).to_le_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn count(&mut self, bytes: &[u8]) {
        self.check.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// Runs the compressor until it has taken everything and, when it was
    /// told to flush, left room in the buffer: the sign that no more comes.
    fn pump(&mut self, mut input: &[u8], flush: FlushCompress) -> io::Result<()> {
        loop {
            let (taken, given) = (self.deflate.total_in(), self.deflate.total_out());
            let status = self
                .deflate
                .compress(input, &mut self.buffer, flush)
                .map_err(io::Error::other)?;
            let made = (self.deflate.total_out() - given) as usize;
            self.out.write_all(&self.buffer[..made])?;
            input = &input[(self.deflate.total_in() - taken) as usize..];
            let full = made == self.buffer.len();
            if status == Status::StreamEnd || (input.is_empty() && !full) {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn written(pieces: &[(bool, Vec<u8>)]) -> Vec<u8> {
        let mut gzip = MixedGzip::new(Vec::new()).unwrap();
        for (stored, bytes) in pieces {
            match stored {
                true => gzip.store(bytes).unwrap(),
                false => gzip.deflate(bytes).unwrap(),
            }
        }
        gzip.finish().unwrap()
    }

    fn read(gzip: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(gzip)
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn reads_back_what_was_written(
            pieces in prop::collection::vec(
                (any::<bool>(), prop::collection::vec(0u8..4, 0..2000), 1usize..100), 0..12,
            ),
        ) {
            let pieces: Vec<_> = pieces.into_iter()
                .map(|(stored, bytes, times)| (stored, bytes.repeat(times)))
                .collect();
            let plain: Vec<u8> = pieces.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
            prop_assert_eq!(read(&written(&pieces)), plain);
        }
    }

    #[test]
    fn stores_what_is_stored_and_deflates_the_rest() {
        let zeros = vec![0; 1 << 20];
        assert!(written(&[(false, zeros.clone())]).len() < 2000);
        assert!(written(&[(true, zeros)]).len() > 1 << 20);
    }
}
