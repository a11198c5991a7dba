//! The lock.

use pgbundle::lock::text;

/// A lock that is read is written in one form, and read again as it was.
pub fn holds(bytes: &[u8]) -> bool {
    let Some(lock) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text::read(text).ok())
    else {
        return false;
    };
    let written = text::write(&lock);
    let again = text::read(&written).expect("what was written can be read");
    assert_eq!(again, lock);
    assert_eq!(text::write(&again), written, "there is one form");
    true
}
