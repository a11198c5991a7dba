//! The only module that opens sockets on the workstation.
//!
//! Faults of the world (no connection, a stall, a body cut short, a server
//! that is busy) are tried again with growing pauses; an answer (404, 403, a
//! file of another size) is not. A download goes on where it stopped, and
//! becomes a blob only when its digest matches. Proxies come from the
//! environment (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Timeout};

use super::part::Part;
use super::place::Place;
use super::{Blob, Store, StoreError};
use crate::base::Sha256;

/// How patient a client is, and whom it trusts.
#[derive(Clone, Debug)]
pub struct Options {
    /// PEM file of the certificate authorities to trust instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// How long a connection may be silent.
    pub stall: Duration,
    /// Tries in a row that may bring nothing.
    pub tries: u32,
    /// The first pause between tries; each later one is twice as long.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ca_file: None,
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            tries: 4,
            pause: Duration::from_millis(500),
        }
    }
}

/// What a download has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its digest.
    pub sha256: Sha256,
    /// Its bytes.
    pub size: u64,
}

/// A file could not be had from a place.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The place does not have it.
    #[error("{0} is not there")]
    NotFound(Place),
    /// The server says no.
    #[error("{place} was refused with status {status}")]
    Refused {
        /// What was asked for.
        place: Place,
        /// The HTTP status.
        status: u16,
    },
    /// It could not be reached, or not wholly.
    #[error("{place} could not be fetched in {tries} tries: {reason}")]
    Unreachable {
        /// What was asked for.
        place: Place,
        /// How often it was tried.
        tries: u32,
        /// The last fault.
        reason: String,
    },
    /// The place has another file of that name.
    #[error("{place} is {found} bytes long, not {wanted}")]
    WrongSize {
        /// What was asked for.
        place: Place,
        /// The size it should have.
        wanted: u64,
        /// What the server announced or sent.
        found: String,
    },
    /// The place has another file of that name and size.
    #[error("{place} has digest {found}, not {wanted}")]
    WrongDigest {
        /// What was asked for.
        place: Place,
        /// The digest it should have.
        wanted: Sha256,
        /// The digest it has.
        found: Sha256,
    },
    /// It is more than was asked for.
    #[error("{place} is larger than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        place: Place,
        /// The bound.
        limit: u64,
    },
    /// A file of this machine cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Local {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file of certificate authorities is no such file.
    #[error("{} holds no certificate in PEM: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The store is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One try went wrong.
pub(super) enum Fault {
    /// Trying again may help.
    Passing(String),
    /// It will not.
    Final(HttpError),
}

impl<E: Into<HttpError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

fn passing(reason: impl ToString) -> Fault {
    Fault::Passing(reason.to_string())
}

/// A body that broke off; ureq wraps its own errors in those of reading.
fn broken_off(error: io::Error) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    passing(match inner {
        Some(inner) => in_words(inner),
        None => in_words(&ureq::Error::Io(error)),
    })
}

fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            "no connection came about in time".to_owned()
        }
        ureq::Error::Timeout(_) => "the server fell silent".to_owned(),
        ureq::Error::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
            "the connection was cut".to_owned()
        }
        ureq::Error::HostNotFound => "there is no such host".to_owned(),
        other => other.to_string(),
    }
}

/// Fetches files from places.
pub struct Client {
    agent: Agent,
    options: Options,
}

impl Client {
    /// Prepares a client; reads the file of certificate authorities, opens no socket.
    pub fn new(options: Options) -> Result<Self, HttpError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("pgbundle/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots(&options)?).build())
            .timeout_resolve(Some(options.connect))
            .timeout_connect(Some(options.connect))
            .timeout_recv_response(Some(options.stall))
            .timeout_per_read(Some(options.stall))
            .build();
        let agent = config.new_agent();
        Ok(Self { agent, options })
    }

    /// Reads a small file into memory.
    pub fn get(&self, place: &Place, limit: u64) -> Result<Vec<u8>, HttpError> {
        match place {
            Place::Folder(path) => bounded(open(path, place)?, limit)
                .map_err(local(path))?
                .ok_or_else(|| too_large(place, limit)),
            Place::Http(address) => self.patiently(place, |_| self.try_get(place, address, limit)),
        }
    }

    fn try_get(&self, place: &Place, address: &str, limit: u64) -> Result<Vec<u8>, Fault> {
        let response = self.ask(place, address, 0)?;
        if response.status() != StatusCode::OK {
            return Err(refused(place, response.status()));
        }
        let body = response.into_body().into_with_config().limit(u64::MAX);
        bounded(body.reader(), limit)
            .map_err(broken_off)?
            .ok_or_else(|| Fault::Final(too_large(place, limit)))
    }

    /// Brings a file into the store. `arrived` is told the bytes that are
    /// there so far: it may go back when a server makes it start again.
    pub fn download(
        &self,
        place: &Place,
        expected: Expected,
        store: &Store,
        arrived: &dyn Fn(u64),
    ) -> Result<Blob, HttpError> {
        match place {
            Place::Folder(path) => copy_in(path, place, expected, store),
            Place::Http(address) => {
                let mut part = Part::open(store, expected.sha256, expected.size)?;
                // Whoever wrote the part before may have finished it.
                if store.has(expected.sha256) {
                    part.restart()?;
                    return Ok(store.open(expected.sha256, expected.size)?);
                }
                let mut part = Some(part);
                let download = Download {
                    client: self,
                    place,
                    address,
                    expected,
                    arrived,
                };
                self.patiently(place, |progress| download.attempt(&mut part, progress))
            }
        }
    }

    /// Tries until it works, a fault is final, or nothing came `tries` times
    /// in a row; a try that brought something does not count.
    pub(super) fn patiently<T>(
        &self,
        place: &Place,
        mut attempt: impl FnMut(&mut bool) -> Result<T, Fault>,
    ) -> Result<T, HttpError> {
        let (mut tries, mut fruitless) = (0, 0);
        loop {
            let mut progress = false;
            let reason = match attempt(&mut progress) {
                Ok(value) => return Ok(value),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Passing(reason)) => reason,
            };
            tries += 1;
            fruitless = if progress { 1 } else { fruitless + 1 };
            if fruitless >= self.options.tries || tries >= 10 * self.options.tries {
                let place = place.clone();
                return Err(HttpError::Unreachable {
                    place,
                    tries,
                    reason,
                });
            }
            thread::sleep(self.options.pause * (1 << (fruitless - 1).min(6)));
        }
    }

    pub(super) fn ask(
        &self,
        place: &Place,
        address: &str,
        from: u64,
    ) -> Result<Response<Body>, Fault> {
        let mut request = self.agent.get(address);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let response = request.call().map_err(|error| fault_of(place, error))?;
        match response.status().as_u16() {
            404 | 410 => Err(Fault::Final(HttpError::NotFound(place.clone()))),
            408 | 425 | 429 | 500.. => Err(passing(format!("status {}", response.status()))),
            _ => Ok(response),
        }
    }
}

/// Faults of an address or of trust stay; all others may pass.
fn fault_of(place: &Place, error: ureq::Error) -> Fault {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::Rustls(_) => {
            Fault::Final(HttpError::Unreachable {
                place: place.clone(),
                tries: 1,
                reason: error.to_string(),
            })
        }
        other => passing(in_words(&other)),
    }
}

pub(super) fn refused(place: &Place, status: StatusCode) -> Fault {
    Fault::Final(HttpError::Refused {
        place: place.clone(),
        status: status.as_u16(),
    })
}

pub(super) fn too_large(place: &Place, limit: u64) -> HttpError {
    let place = place.clone();
    HttpError::TooLarge { place, limit }
}

/// One file on its way from one address.
struct Download<'a> {
    client: &'a Client,
    place: &'a Place,
    address: &'a str,
    expected: Expected,
    arrived: &'a dyn Fn(u64),
}

impl Download<'_> {
    fn attempt(&self, part: &mut Option<Part<'_>>, progress: &mut bool) -> Result<Blob, Fault> {
        let mut open = part.take().expect("every way back puts the part back");
        let resumed = self.fill(&mut open, progress);
        let resumed = match resumed {
            Ok(resumed) => resumed,
            Err(fault) => {
                *part = Some(open);
                return Err(fault);
            }
        };
        let (emptied, found) = match open.finish()? {
            Ok(blob) => return Ok(blob),
            Err(mismatch) => mismatch,
        };
        *part = Some(emptied);
        // What was there before may be at fault and not what came now.
        if resumed {
            return Err(passing(
                "the digest did not match after going on with an earlier part",
            ));
        }
        Err(Fault::Final(HttpError::WrongDigest {
            place: self.place.clone(),
            wanted: self.expected.sha256,
            found,
        }))
    }

    /// Completes the part; says whether an earlier part was gone on with.
    fn fill(&self, part: &mut Part<'_>, progress: &mut bool) -> Result<bool, Fault> {
        let present = part.resume()?;
        if present == self.expected.size && present > 0 {
            return Ok(true);
        }
        let response = self.client.ask(self.place, self.address, present)?;
        let from = self.accept(&response, present, part)?;
        self.check_announced(&response, from)?;
        let body = response.into_body().into_with_config().limit(u64::MAX);
        self.copy(body.reader(), from, part, progress)?;
        Ok(from > 0)
    }

    /// Where the body begins: servers may ignore `Range` (RFC 9110, 14.2).
    fn accept(
        &self,
        response: &Response<Body>,
        present: u64,
        part: &mut Part<'_>,
    ) -> Result<u64, Fault> {
        match response.status() {
            StatusCode::OK => {
                part.restart()?;
                Ok(0)
            }
            StatusCode::PARTIAL_CONTENT if starts_at(response, present) => Ok(present),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if present > 0 => {
                part.restart()?;
                Err(passing("the server sent another range than was asked for"))
            }
            status => Err(refused(self.place, status)),
        }
    }

    fn check_announced(&self, response: &Response<Body>, from: u64) -> Result<(), Fault> {
        match response.body().content_length() {
            Some(length) if from.saturating_add(length) != self.expected.size => {
                Err(self.wrong_size(from.saturating_add(length).to_string()))
            }
            _ => Ok(()),
        }
    }

    fn copy(
        &self,
        mut body: impl Read,
        from: u64,
        part: &mut Part<'_>,
        progress: &mut bool,
    ) -> Result<(), Fault> {
        let mut buffer = vec![0; 64 * 1024];
        let mut total = from;
        loop {
            let count = body.read(&mut buffer).map_err(broken_off)?;
            if count == 0 {
                break;
            }
            *progress = true;
            total += count as u64;
            if total > self.expected.size {
                part.restart()?;
                return Err(self.wrong_size(format!("more than {}", self.expected.size)));
            }
            write(part, &buffer[..count], self.expected.sha256)?;
            (self.arrived)(total);
        }
        if total < self.expected.size {
            return Err(passing(format!(
                "the body ended after {total} of {} bytes",
                self.expected.size
            )));
        }
        Ok(())
    }

    fn wrong_size(&self, found: String) -> Fault {
        Fault::Final(HttpError::WrongSize {
            place: self.place.clone(),
            wanted: self.expected.size,
            found,
        })
    }
}

fn write(part: &mut Part<'_>, bytes: &[u8], sha256: Sha256) -> Result<(), StoreError> {
    let name = PathBuf::from(format!("{sha256}.part"));
    part.file()
        .write_all(bytes)
        .map_err(super::failed("write", &name))
}

/// `Content-Range: bytes <from>-…` (RFC 9110, 14.4).
fn starts_at(response: &Response<Body>, from: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE);
    let first = range
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().strip_prefix("bytes "))
        .and_then(|text| text.split('-').next());
    first.is_some_and(|text| text.trim().parse() == Ok(from))
}

fn copy_in(
    path: &Path,
    place: &Place,
    expected: Expected,
    store: &Store,
) -> Result<Blob, HttpError> {
    let file = open(path, place)?;
    let Expected { sha256, size } = expected;
    let length = file.metadata().map_err(local(path))?.len();
    if length != size {
        return Err(HttpError::WrongSize {
            place: place.clone(),
            wanted: size,
            found: length.to_string(),
        });
    }
    match store.put_expected(&place.to_string(), file, sha256, size) {
        Err(StoreError::Mismatch { difference, .. }) => Err(HttpError::WrongDigest {
            place: place.clone(),
            wanted: sha256,
            found: difference.found,
        }),
        other => Ok(other?),
    }
}

pub(super) fn open(path: &Path, place: &Place) -> Result<File, HttpError> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => HttpError::NotFound(place.clone()),
        _ => local(path)(error),
    })
}

fn local(path: &Path) -> impl FnOnce(io::Error) -> HttpError + use<> {
    let path = path.to_owned();
    move |source| HttpError::Local { path, source }
}

/// All that `reader` yields, or nothing when that is more than `limit`.
fn bounded(reader: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

fn roots(options: &Options) -> Result<RootCerts, HttpError> {
    let Some(path) = &options.ca_file else {
        return Ok(RootCerts::WebPki);
    };
    let refuse = |reason: String| HttpError::CaFile {
        path: path.clone(),
        reason,
    };
    let pem = std::fs::read(path).map_err(local(path))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(found) = item.map_err(|error| refuse(error.to_string()))? {
            certificates.push(found);
        }
    }
    if certificates.is_empty() {
        return Err(refuse("no CERTIFICATE block".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
