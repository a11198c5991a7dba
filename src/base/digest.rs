//! SHA-256 digests (FIPS 180-4): the only name by which pgbundle trusts bytes.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;
use std::sync::{Mutex, mpsc};
use std::thread;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A SHA-256 digest, written as exactly 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

/// The text was not a SHA-256 digest.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a SHA-256 digest (64 lower-case hexadecimal digits)")]
pub struct NotADigest(String);

impl Sha256 {
    /// Digests bytes that are already in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Digests all that `reader` yields and counts its bytes.
    pub fn of_reader(mut reader: impl Read) -> io::Result<(Self, u64)> {
        let mut hashing = Hashing::new(io::sink());
        copy(&mut reader, &mut hashing)?;
        Ok(hashing.finish())
    }

    /// The thirty-two bytes themselves.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{self}")
    }
}

impl FromStr for Sha256 {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let refuse = || NotADigest(text.to_owned());
        let lower_case = text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if text.len() != 64 || !lower_case {
            return Err(refuse());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| refuse())?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Sha256 {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> String {
        digest.to_string()
    }
}

/// Bytes copied at a time: few calls, and what was read is still in the
/// processor's cache when it is digested.
const PIECE: usize = 64 * 1024;

/// Bytes that are read before they are handed on to be digested.
const READ_AHEAD: usize = 1 << 20;

/// Copies all that `reader` yields and counts its bytes; the memory it takes
/// does not depend on how many they are.
pub fn copy(reader: &mut impl Read, out: &mut impl Write) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut copied = 0;
    loop {
        let count = match reader.read(&mut piece) {
            Ok(0) => return Ok(copied),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        out.write_all(&piece[..count])?;
        copied += count as u64;
    }
}

/// Bytes together with their digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Digested<B> {
    bytes: B,
    sha256: Sha256,
}

impl<B: AsRef<[u8]>> Digested<B> {
    /// Digests the bytes.
    pub fn of(bytes: B) -> Self {
        let sha256 = Sha256::of(bytes.as_ref());
        Self { bytes, sha256 }
    }

    /// The bytes.
    pub fn bytes(&self) -> &B {
        &self.bytes
    }

    /// Their digest.
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// Their number.
    pub fn size(&self) -> u64 {
        self.bytes.as_ref().len() as u64
    }
}

impl Digested<Vec<u8>> {
    /// Reads exactly `size` bytes, and digests what has been read while the
    /// next is; none where `reader` yields less or more.
    pub fn read(mut reader: impl Read + Send, size: u64) -> io::Result<Option<Self>> {
        let Ok(length) = usize::try_from(size) else {
            return Ok(None);
        };
        match Self::read_parts(vec![(&mut reader, length)], 1) {
            Ok(read) if reader.read(&mut [0])? == 0 => Ok(Some(read)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads as many bytes from each reader as stand beside it, and puts them
    /// one behind the other. `at_once` are read from at a time, while what
    /// came from the first of them is digested.
    pub fn read_parts<R: Read + Send>(parts: Vec<(R, usize)>, at_once: usize) -> io::Result<Self> {
        let mut bytes = vec![0; parts.iter().map(|(_, length)| length).sum()];
        let sha256 = fill(&mut bytes, parts, at_once)?;
        Ok(Self { bytes, sha256 })
    }

    /// The same bytes as text, where they are UTF-8.
    pub fn into_text(self) -> Result<Digested<String>, std::string::FromUtf8Error> {
        let bytes = String::from_utf8(self.bytes)?;
        let sha256 = self.sha256;
        Ok(Digested { bytes, sha256 })
    }
}

/// What a reader is to fill, and whom it tells of each piece that it filled.
struct Part<'b, R> {
    reader: R,
    room: &'b mut [u8],
    arrived: mpsc::Sender<&'b [u8]>,
}

fn fill<R: Read + Send>(
    mut room: &mut [u8],
    parts: Vec<(R, usize)>,
    at_once: usize,
) -> io::Result<Sha256> {
    let (mut waiting, mut arrivals) = (VecDeque::new(), Vec::new());
    for (reader, length) in parts {
        let (own, rest) = room.split_at_mut(length);
        room = rest;
        let (arrived, arriving) = mpsc::channel();
        waiting.push_back(Part {
            reader,
            room: own,
            arrived,
        });
        arrivals.push(arriving);
    }
    let waiting = Mutex::new(waiting);
    thread::scope(|scope| {
        let reading: Vec<_> = (0..at_once)
            .map(|_| scope.spawn(|| read_all(&waiting)))
            .collect();
        let mut state = sha2::Sha256::new();
        for piece in arrivals.iter().flatten() {
            state.update(piece);
        }
        for one in reading {
            one.join().expect("reading does not panic")?;
        }
        Ok(Sha256(state.finalize().into()))
    })
}

/// Reads one part after the other until none waits, or one cannot be read.
fn read_all<R: Read>(waiting: &Mutex<VecDeque<Part<'_, R>>>) -> io::Result<()> {
    let waiting = || waiting.lock().expect("nothing panics with the parts");
    let next = || waiting().pop_front();
    while let Some(mut part) = next() {
        for piece in part.room.chunks_mut(READ_AHEAD) {
            if let Err(error) = part.reader.read_exact(piece) {
                // Nobody waits for what is not going to be read.
                waiting().clear();
                return Err(error);
            }
            let taken = part.arrived.send(piece);
            taken.expect("the digest takes all pieces");
        }
    }
    Ok(())
}

impl<B: AsRef<[u8]>> fmt::Debug for Digested<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {:?}", self.size(), self.sha256)
    }
}

/// A writer that digests and counts what passes through it.
pub struct Hashing<W> {
    inner: W,
    state: sha2::Sha256,
    size: u64,
}

impl<W: Write> Hashing<W> {
    /// Wraps `inner`; nothing has been counted yet.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            state: sha2::Sha256::new(),
            size: 0,
        }
    }

    /// The digest and the number of bytes written so far.
    pub fn finish(self) -> (Sha256, u64) {
        (Sha256(self.state.finalize().into()), self.size)
    }
}

impl Hashing<Vec<u8>> {
    /// What was written, with its digest.
    pub fn into_digested(self) -> Digested<Vec<u8>> {
        Digested {
            bytes: self.inner,
            sha256: Sha256(self.state.finalize().into()),
        }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.state.update(&buffer[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_empty_digest() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::of(b"").to_string(), text);
        assert_eq!(text.parse::<Sha256>().unwrap(), Sha256::of(b""));
    }

    #[test]
    fn reads_exactly_what_was_announced() {
        let bytes = vec![7; READ_AHEAD + 3];
        let read = |size: usize| Digested::read(&bytes[..], size as u64).unwrap();
        assert!(read(bytes.len()) == Some(Digested::of(bytes.clone())));
        assert!(read(bytes.len() - 1).is_none() && read(bytes.len() + 1).is_none());
        assert!(Digested::read(&b""[..], 0).unwrap() == Some(Digested::of(vec![])));
    }

    #[test]
    fn parts_are_put_one_behind_the_other_and_the_first_that_is_short_ends_it() {
        let parts = |lengths: [usize; 3]| {
            let long = vec![1; READ_AHEAD + 3];
            let readers = [&long[..], b"ab", b"c"].map(io::Cursor::new);
            let whole: Vec<_> = [&long[..], b"abc"].concat();
            let parts = || readers.clone().into_iter().zip(lengths).collect();
            [1, 2, 9].map(|n| {
                (
                    Digested::read_parts(parts(), n).ok(),
                    Digested::of(whole.clone()),
                )
            })
        };
        for (read, whole) in parts([READ_AHEAD + 3, 2, 1]) {
            assert!(read == Some(whole));
        }
        for (read, _) in parts([READ_AHEAD + 4, 2, 1]) {
            assert!(read.is_none());
        }
    }

    #[test]
    fn refuses_upper_case_short_and_long_text() {
        let digest = Sha256::of(b"x").to_string();
        assert!(digest.to_uppercase().parse::<Sha256>().is_err());
        assert!(digest[1..].parse::<Sha256>().is_err());
        assert!(format!("{digest}0").parse::<Sha256>().is_err());
    }
}
