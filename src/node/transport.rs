//! Bringing a pinned file from a delivery source to a place of our own, where
//! its whole digest is checked. Only this module and the health questions
//! open sockets on a host.
//!
//! What was brought is not flushed: it is unpacked at once and removed, and
//! whatever a power cut leaves of it is judged by its digest again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::Body;
use ureq::http::Response;

use super::host::Host;
use super::http::{self, Trust};
use super::media;
use crate::base::Sha256;
use crate::seed::identity::{DeliverySource, Pinned};

/// Why a place did not give the file.
#[derive(Debug, thiserror::Error)]
pub enum Miss {
    /// It is not there, or not yet.
    #[error("{place}: {reason}")]
    Absent {
        /// Where it was looked for.
        place: String,
        /// What was found instead.
        reason: String,
    },
    /// The right name with wrong bytes.
    #[error(
        "{place}: `{}` was altered: its digest is {found} over {size} bytes, the seed pins {} over {} bytes: copy it there again, or give this host the seed of the build that it is from",
        pinned.path, pinned.sha256, pinned.size
    )]
    Altered {
        /// Where it was found.
        place: String,
        /// Its digest.
        found: Sha256,
        /// Its bytes.
        size: u64,
        /// What was pinned.
        pinned: Box<Pinned>,
    },
    /// Our own disk is in the way.
    #[error("cannot write `{path}`: {source}")]
    NotWritten {
        /// Our file.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

/// Brings `pinned` to `target` from one source; `target` then has its digest.
pub fn bring(
    host: &Host,
    source: &DeliverySource,
    pinned: &Pinned,
    target: &Path,
) -> Result<(), Miss> {
    match source {
        DeliverySource::Folder(folder) => copy(
            &folder.under(&host.root),
            &format!("folder {folder}"),
            pinned,
            target,
        ),
        DeliverySource::Media => from_media(host, pinned, target),
        DeliverySource::Url(url) => download(url, pinned, target),
    }
}

fn from_media(host: &Host, pinned: &Pinned, target: &Path) -> Result<(), Miss> {
    let mut reasons = Vec::new();
    for label in media::LABELS {
        let place = format!("disk labelled {label}");
        match media::mount(host, label) {
            Ok(Some(mounted)) => match copy(mounted.root(), &place, pinned, target) {
                Err(Miss::Absent { reason, .. }) => reasons.push(format!("{label}: {reason}")),
                decided => return decided,
            },
            Ok(None) => reasons.push(format!("no disk is labelled {label}")),
            Err(stop) => reasons.push(stop.to_string()),
        }
    }
    Err(Miss::Absent {
        place: "media".to_owned(),
        reason: reasons.join(", "),
    })
}

fn copy(root: &Path, place: &str, pinned: &Pinned, target: &Path) -> Result<(), Miss> {
    let path = pinned.path.under(root);
    let absent = |fault: io::Error| absent(place, format!("`{}`: {fault}", pinned.path));
    let from = File::open(&path).map_err(absent)?;
    let mut to = fresh(target).map_err(|source| not_written(target, source))?;
    io::copy(&mut from.take(pinned.size + 1), &mut to)
        .map_err(|source| not_written(target, source))?;
    check(target, place, pinned)
}

fn fresh(target: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(target)
}

fn absent(place: &str, reason: String) -> Miss {
    Miss::Absent {
        place: place.to_owned(),
        reason,
    }
}

fn not_written(path: &Path, source: io::Error) -> Miss {
    Miss::NotWritten {
        path: path.display().to_string(),
        source,
    }
}

/// Checks the digest of the whole file; a wrong one is removed.
fn check(target: &Path, place: &str, pinned: &Pinned) -> Result<(), Miss> {
    let digest = File::open(target).and_then(Sha256::of_reader);
    let (found, size) = digest.map_err(|source| not_written(target, source))?;
    if (found, size) == (pinned.sha256, pinned.size) {
        return Ok(());
    }
    fs::remove_file(target).map_err(|source| not_written(target, source))?;
    Err(Miss::Altered {
        place: place.to_owned(),
        found,
        size,
        pinned: Box::new(pinned.clone()),
    })
}

const LIMIT: Duration = Duration::from_secs(15);
const TRIES: usize = 5;

/// Downloads with resume: a body cut short goes on where it stopped. Where the
/// whole is wrong, what was there before may be at fault and not what came now,
/// so it is begun again once before the source is called altered.
fn download(url: &str, pinned: &Pinned, target: &Path) -> Result<(), Miss> {
    let place = format!("{url}/{}", pinned.path);
    let part = part_of(target, pinned);
    let mut again = true;
    loop {
        let resumed = complete(&place, &part, pinned.size)?;
        fs::rename(&part, target).map_err(|source| not_written(target, source))?;
        match check(target, url, pinned) {
            Err(Miss::Altered { .. }) if resumed && again => again = false,
            decided => return decided,
        }
    }
}

/// Completes the part; says whether an earlier part was gone on with.
fn complete(place: &str, part: &Path, size: u64) -> Result<bool, Miss> {
    let (mut reason, mut resumed) = (String::new(), false);
    for _ in 0..TRIES {
        match receive(place, part, size) {
            Ok(from) => return Ok(resumed || from > 0),
            Err(Received::Nothing(why)) => return Err(absent(place, why)),
            Err(Received::Some { from, why }) => {
                reason = why;
                resumed |= from > 0;
            }
            Err(Received::Unwritten(source)) => return Err(not_written(part, source)),
        }
    }
    Err(absent(place, reason))
}

fn part_of(target: &Path, pinned: &Pinned) -> PathBuf {
    target.with_file_name(format!("{}.part", pinned.sha256))
}

enum Received {
    /// It will not come from there now.
    Nothing(String),
    /// Not all of it; to ask again may help.
    Some { from: u64, why: String },
    /// Our own disk is in the way.
    Unwritten(io::Error),
}

/// Goes on with the part; returns where the body began.
fn receive(place: &str, part: &Path, size: u64) -> Result<u64, Received> {
    let present = fs::metadata(part).map_or(0, |metadata| metadata.len());
    if present > 0 && present >= size {
        return Ok(present);
    }
    let mut response = ask(place, present).map_err(Received::Nothing)?;
    let (mut file, from) = accept(&response, part, present)?;
    pour(response.body_mut().as_reader(), &mut file, size - from)
        .map_err(|fault| fault.after(from))?;
    match file.metadata().map_err(Received::Unwritten)?.len() {
        whole if whole >= size => Ok(from),
        short => Err(Received::Some {
            from,
            why: format!("the body ended after {short} of {size} bytes"),
        }),
    }
}

fn ask(place: &str, from: u64) -> Result<Response<Body>, String> {
    let agent = http::agent(Trust::Public, LIMIT).map_err(|fault| fault.to_string())?;
    let mut request = agent.get(place);
    if from > 0 {
        request = request.header("Range", format!("bytes={from}-"));
    }
    request.call().map_err(|fault| fault.to_string())
}

/// Opens the part where the body begins: servers may ignore `Range` (RFC 9110,
/// 14.2), and an answer to another range must not be put behind what we have.
fn accept(response: &Response<Body>, part: &Path, present: u64) -> Result<(File, u64), Received> {
    match response.status().as_u16() {
        200 => Ok((fresh(part).map_err(Received::Unwritten)?, 0)),
        206 if starts_at(response, present) => {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(part);
            Ok((file.map_err(Received::Unwritten)?, present))
        }
        206 | 416 if present > 0 => {
            fs::remove_file(part).map_err(Received::Unwritten)?;
            Err(Received::Some {
                from: 0,
                why: "the server sent another range than was asked for".to_owned(),
            })
        }
        status => Err(Received::Nothing(format!("the server answered {status}"))),
    }
}

/// `Content-Range: bytes <from>-…` (RFC 9110, 14.4).
fn starts_at(response: &Response<Body>, from: u64) -> bool {
    let range = response.headers().get("Content-Range");
    let first = range
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().strip_prefix("bytes "))
        .and_then(|text| text.split('-').next());
    first.is_some_and(|text| text.trim().parse() == Ok(from))
}

/// Copies at most `left` bytes and one, telling a fault of the peer from one of our disk.
fn pour(from: impl Read, to: &mut File, left: u64) -> Result<(), Poured> {
    let mut from = from.take(left + 1);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => to.write_all(&buffer[..read]).map_err(Poured::Unwritten)?,
            Err(fault) => return Err(Poured::Cut(fault)),
        }
    }
}

enum Poured {
    Cut(io::Error),
    Unwritten(io::Error),
}

impl Poured {
    /// The same, of a body that began at `from`.
    fn after(self, from: u64) -> Received {
        match self {
            Self::Cut(fault) => Received::Some {
                from,
                why: fault.to_string(),
            },
            Self::Unwritten(fault) => Received::Unwritten(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;
    use crate::node::system::Real;

    fn pinned(bytes: &[u8]) -> Pinned {
        Pinned {
            path: "bundles/etcd.tar.gz".parse().unwrap(),
            size: bytes.len() as u64,
            sha256: Sha256::of(bytes),
        }
    }

    #[test]
    fn a_folder_gives_the_file_or_says_what_is_wrong() {
        let root = tempfile::tempdir().unwrap();
        let host = Host {
            root: root.path().to_owned(),
            system: &Real,
        };
        let source = DeliverySource::try_from("folder:/srv".to_owned()).unwrap();
        let target = root.path().join("target");
        let wanted = pinned(b"bundle");
        assert!(matches!(
            bring(&host, &source, &wanted, &target),
            Err(Miss::Absent { .. })
        ));
        fs::create_dir_all(root.path().join("srv/bundles")).unwrap();
        fs::write(root.path().join("srv/bundles/etcd.tar.gz"), b"bundlf").unwrap();
        assert!(matches!(
            bring(&host, &source, &wanted, &target),
            Err(Miss::Altered { .. })
        ));
        assert!(!target.exists());
        fs::write(root.path().join("srv/bundles/etcd.tar.gz"), b"bundle").unwrap();
        bring(&host, &source, &wanted, &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"bundle");
    }

    /// Serves `bytes`, cutting each body off after a third of them.
    fn stingy_server(bytes: Vec<u8>) -> String {
        let length = bytes.len();
        server(bytes, length / 3 + 1, |from| from)
    }

    /// Serves at most `limit` of `bytes` at a time, from where `skewed` says.
    fn server(bytes: Vec<u8>, limit: usize, skewed: fn(usize) -> usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut from = 0;
                for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                    let line = line.unwrap().to_lowercase();
                    if let Some(range) = line.strip_prefix("range: bytes=") {
                        from = range.trim_end_matches('-').parse().unwrap();
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                let from = skewed(from);
                let rest = &bytes[from..];
                let status = if from == 0 {
                    "200 OK".to_owned()
                } else {
                    let (last, whole) = (bytes.len() - 1, bytes.len());
                    format!("206 Partial Content\r\nContent-Range: bytes {from}-{last}/{whole}")
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
                    rest.len()
                );
                // A client that wants no such range goes away before the end.
                if stream.write_all(head.as_bytes()).is_ok() {
                    drop(stream.write_all(&rest[..rest.len().min(limit)]));
                }
            }
        });
        url
    }

    #[test]
    fn a_body_cut_short_is_resumed() {
        let bytes: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("bundle");
        let url = stingy_server(bytes.clone());
        download(&url, &pinned(&bytes), &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), bytes);
        let mut altered = bytes.clone();
        altered[7] ^= 1;
        assert!(matches!(
            download(&url, &pinned(&altered), &target),
            Err(Miss::Altered { .. })
        ));
        assert!(matches!(
            download("http://127.0.0.1:1", &pinned(&bytes), &target),
            Err(Miss::Absent { .. })
        ));
    }

    #[test]
    fn another_range_than_was_asked_for_is_not_put_behind_the_part() {
        let bytes: Vec<u8> = (0..90_000u32).map(|n| (n % 241) as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let (target, wanted) = (folder.path().join("bundle"), pinned(&bytes));
        fs::write(part_of(&target, &wanted), &bytes[..1000]).unwrap();
        let skewed = |from: usize| if from == 0 { 0 } else { from - 7 };
        download(
            &server(bytes.clone(), bytes.len(), skewed),
            &wanted,
            &target,
        )
        .unwrap();
        assert_eq!(fs::read(&target).unwrap(), bytes);
    }

    #[test]
    fn a_bad_earlier_part_is_begun_again_before_the_source_is_called_altered() {
        let bytes: Vec<u8> = (0..90_000u32).map(|n| (n % 241) as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let (target, wanted) = (folder.path().join("bundle"), pinned(&bytes));
        let url = server(bytes.clone(), bytes.len(), |from| from);
        for left in [vec![b'x'; 1000], vec![b'x'; 90_000], vec![b'x'; 90_001]] {
            fs::write(part_of(&target, &wanted), left).unwrap();
            download(&url, &wanted, &target).unwrap();
            assert_eq!(fs::read(&target).unwrap(), bytes);
        }
    }
}
