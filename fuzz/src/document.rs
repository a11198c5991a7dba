//! JSON documents: what was read is written in one form, and read again as it was.

use pgbundle::bundle::seal::canonical;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The document, if it is one.
pub fn read<T: Serialize + DeserializeOwned + PartialEq>(bytes: &[u8]) -> Option<T> {
    let document: T = serde_json::from_slice(bytes).ok()?;
    let written = canonical(&document);
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert!(again == document, "it reads back as something else");
    assert_eq!(canonical(&again), written, "there is one form");
    Some(document)
}
