//! Brings a file whose digest is known and whose size is not, in one piece
//! after the other.

use std::io::{self, Read};

use ureq::http::StatusCode;

use super::http::{Client, Fault, HttpError, open, refused, too_large};
use super::place::Place;
use super::{Blob, Store, StoreError};
use crate::base::Sha256;

impl Client {
    /// Brings a file of unknown size into the store, of at most `limit` bytes;
    /// one that the store has already is not asked for.
    pub fn bring(
        &self,
        place: &Place,
        sha256: Sha256,
        limit: u64,
        store: &Store,
    ) -> Result<Blob, HttpError> {
        match store.open_digested(sha256) {
            Err(StoreError::Missing(_) | StoreError::Altered { .. }) => {}
            settled => return Ok(settled?),
        }
        let put = |reader: &mut dyn Read| put_of(reader, place, sha256, limit, store);
        match place {
            Place::Folder(path) => put(&mut open(path, place)?),
            Place::Http(address) => self.patiently(place, |_| {
                let response = self.ask(place, address, 0)?;
                if response.status() != StatusCode::OK {
                    return Err(refused(place, response.status()));
                }
                let body = response.into_body().into_with_config().limit(u64::MAX);
                let mut body = Watched::new(body.reader());
                let put = put(&mut body);
                match body.broken {
                    Some(reason) => Err(Fault::Passing(reason)),
                    None => Ok(put?),
                }
            }),
        }
    }
}

fn put_of(
    reader: &mut dyn Read,
    place: &Place,
    sha256: Sha256,
    limit: u64,
    store: &Store,
) -> Result<Blob, HttpError> {
    match store.put_digested(&place.to_string(), reader, sha256, limit) {
        Err(StoreError::Mismatch { difference, .. }) => Err(HttpError::WrongDigest {
            place: place.clone(),
            wanted: sha256,
            found: difference.found,
        }),
        put => put?.ok_or_else(|| too_large(place, limit)),
    }
}

/// A body that remembers why it broke off, which is no fault of the store.
struct Watched<R> {
    body: R,
    broken: Option<String>,
}

impl<R> Watched<R> {
    fn new(body: R) -> Self {
        let broken = None;
        Self { body, broken }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buffer);
        if let Err(error) = &read
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.broken = Some(error.to_string());
        }
        read
    }
}
