//! Whose an etcd data folder is, read from the first record of its log.
//!
//! A log segment begins with two records, the checksum seed and the metadata
//! (etcd: server/storage/wal/wal.go, walpb/record.proto). A record is eight
//! bytes of little-endian length, whose upper byte counts the padding, and a
//! protobuf message {1: type, 2: crc, 3: bytes}; the metadata's bytes are
//! {1: member id, 2: cluster id}.

use std::fs;
use std::io;
use std::path::Path;

/// The ids that an etcd data folder was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The member.
    pub member: u64,
    /// The cluster.
    pub cluster: u64,
}

/// What a data folder of etcd says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// No log: etcd would start as if new (it makes the log's folder last).
    Empty,
    /// A log with readable ids.
    Of(Owner),
    /// A log that cannot be read, or a disk that does not say whether there is
    /// one, for this reason. It is never taken for a disk that was lost.
    Unreadable(String),
}

const METADATA: u64 = 1;

/// Looks into `<folder>/member/wal`.
pub fn read(folder: &Path) -> Disk {
    first_segment(&folder.join("member/wal")).unwrap_or_else(Disk::Unreadable)
}

fn first_segment(log: &Path) -> Result<Disk, String> {
    let told = |path: &Path, fault: io::Error| format!("`{}`: {fault}", path.display());
    let entries = match fs::read_dir(log) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Disk::Empty),
        Err(fault) => return Err(told(log, fault)),
    };
    let mut segments = Vec::new();
    for entry in entries {
        segments.push(entry.map_err(|fault| told(log, fault))?.path());
    }
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "wal"));
    let Some(first) = segments.iter().min() else {
        return Ok(Disk::Empty);
    };
    let bytes = fs::read(first).map_err(|fault| told(first, fault))?;
    let found = owner(&bytes).map(Disk::Of);
    found.ok_or_else(|| format!("`{}` does not begin as a log does", first.display()))
}

/// The ids in the second record of a segment.
fn owner(segment: &[u8]) -> Option<Owner> {
    let mut rest = segment;
    for _ in 0..2 {
        let (record, after) = record(rest)?;
        rest = after;
        let (mut kind, mut content) = (0, &[][..]);
        each_field(record, |number, value| match (number, value) {
            (1, Value::Number(number)) => kind = number,
            (3, Value::Bytes(bytes)) => content = bytes,
            _ => {}
        })?;
        if kind == METADATA {
            return ids(content);
        }
    }
    None
}

fn ids(metadata: &[u8]) -> Option<Owner> {
    let (mut member, mut cluster) = (None, None);
    each_field(metadata, |number, value| match (number, value) {
        (1, Value::Number(id)) => member = Some(id),
        (2, Value::Number(id)) => cluster = Some(id),
        _ => {}
    })?;
    Some(Owner {
        member: member?,
        cluster: cluster?,
    })
}

fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let head = u64::from_le_bytes(*head);
    // Bit 63 says that there is padding, bits 56 to 58 how much.
    let padding = if head >> 63 == 1 { (head >> 56) & 7 } else { 0 };
    let length = usize::try_from(head & ((1 << 56) - 1)).ok()?;
    let record = rest.get(..length)?;
    Some((record, rest.get(length + usize::try_from(padding).ok()?..)?))
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Calls `found` for each field of a protobuf message; none when it is malformed.
fn each_field<'a>(mut bytes: &'a [u8], mut found: impl FnMut(u64, Value<'a>)) -> Option<()> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Value::Bytes(value)
            }
            _ => return None,
        };
        found(key >> 3, value);
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_ids_that_etcd_wrote() {
        // The first bytes of a segment of etcd 3.4.23.
        let segment = hex::decode(concat!(
            "0400000000000084",
            "0804100000000000",
            "1e00000000000082",
            "080110fac782a209",
            "1a1408baf1a78e84acfffd7710e78bc6",
            "afbceb98f8760000",
            "0e00000000000082"
        ))
        .unwrap();
        let expected = Owner {
            member: 8_645_782_499_530_242_234,
            cluster: 8_570_459_336_700_167_655,
        };
        assert_eq!(owner(&segment), Some(expected));
        for cut in 0..48 {
            assert_eq!(owner(&segment[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_folder_without_a_log_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), Disk::Empty);
        fs::create_dir_all(folder.path().join("member/snap")).unwrap();
        assert_eq!(read(folder.path()), Disk::Empty);
        fs::create_dir_all(folder.path().join("member/wal")).unwrap();
        fs::write(folder.path().join("member/wal/0-0.wal"), "no log").unwrap();
        assert!(matches!(read(folder.path()), Disk::Unreadable(_)));
    }

    #[test]
    fn a_disk_that_cannot_be_asked_is_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("member/wal");
        fs::create_dir(folder.path().join("member")).unwrap();
        fs::write(&log, "not a folder").unwrap();
        let Disk::Unreadable(reason) = read(folder.path()) else {
            panic!("taken for empty");
        };
        assert!(reason.contains("member/wal"), "{reason}");
        fs::remove_file(&log).unwrap();
        fs::create_dir_all(log.join("0-0.wal")).unwrap();
        assert!(matches!(read(folder.path()), Disk::Unreadable(_)));
        let member = folder.path().join("member");
        fs::remove_dir_all(&member).unwrap();
        fs::write(&member, "not a folder").unwrap();
        assert!(matches!(read(folder.path()), Disk::Unreadable(_)));
    }
}
