//! Digests and writes what a program makes while it makes more: an archive's
//! own digest runs over every byte that was digested as a member already, and
//! the two need not wait for each other.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use crate::base::Sha256;
use crate::base::digest::Hashing;

/// Bytes that are handed on together.
const PIECE: usize = 256 * 1024;

/// Pieces that may wait to be written; more are not made until then.
const WAITING: usize = 4;

/// Where the maker writes to.
pub(super) struct Ahead {
    piece: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    emptied: Receiver<Vec<u8>>,
}

/// Runs `make` while its bytes go to `out`, and gives what it returned, and
/// the digest and number of the bytes or why they could not be written.
pub(super) fn digested<T>(
    out: impl Write + Send,
    make: impl FnOnce(&mut Ahead) -> T,
) -> (T, io::Result<(Sha256, u64)>) {
    let (full, arriving) = sync_channel(WAITING);
    let (emptied, empty) = channel();
    let mut ahead = Ahead {
        piece: Vec::with_capacity(PIECE),
        full,
        emptied: empty,
    };
    thread::scope(|scope| {
        let writing = scope.spawn(move || write(out, &arriving, &emptied));
        let made = make(&mut ahead);
        drop(ahead);
        let written = writing.join().expect("writing does not panic");
        (made, written)
    })
}

fn write(
    out: impl Write,
    arriving: &Receiver<Vec<u8>>,
    emptied: &Sender<Vec<u8>>,
) -> io::Result<(Sha256, u64)> {
    let mut hashing = Hashing::new(out);
    for mut piece in arriving {
        hashing.write_all(&piece)?;
        piece.clear();
        // The maker takes none back once it is done.
        drop(emptied.send(piece));
    }
    hashing.flush()?;
    Ok(hashing.finish())
}

impl Ahead {
    fn hand_on(&mut self) -> io::Result<()> {
        let next = self.emptied.try_recv();
        let next = next.unwrap_or_else(|_| Vec::with_capacity(PIECE));
        let full = std::mem::replace(&mut self.piece, next);
        self.full
            .send(full)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Ahead {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.hand_on()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_in_order_and_are_digested() {
        let bytes: Vec<_> = (0..3 * PIECE + 5).map(|n| (n % 251) as u8).collect();
        let mut out = Vec::new();
        let (made, written) = digested(&mut out, |ahead| {
            bytes
                .chunks(1000)
                .try_for_each(|some| ahead.write_all(some))?;
            ahead.flush()
        });
        made.unwrap();
        assert_eq!(written.unwrap(), (Sha256::of(&bytes), bytes.len() as u64));
        assert!(out == bytes);
    }

    /// A disk that is full from the first byte.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_stops_the_maker_and_is_what_is_told() {
        let (made, written) = digested(Full, |ahead| {
            (0..).try_for_each(|_: u64| ahead.write_all(&[0; PIECE]))
        });
        assert_eq!(made.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
