//! A suite's signed release.

use pgbundle::base::Epoch;
use pgbundle::repo::deb::release::Release;
use pgbundle::repo::openpgp::verify;
use sequoia_openpgp::Cert;
use sequoia_openpgp::parse::Parse;

/// The key that signed the one text there is, without its secret part.
const KEY: &[u8] = include_bytes!("../fixtures/archive.pgp");
/// All that the key ever signed.
const SIGNED: &str = include_str!("../fixtures/Release");

/// Nothing is accepted but what the key signed, whatever stands around it; a
/// release is read the same twice.
pub fn holds(bytes: &[u8]) -> bool {
    let key = Cert::from_bytes(KEY).expect("the key is sound");
    let at: Epoch = "2026-11-21T00:00:00Z".parse().expect("a time");
    if let Ok(text) = std::str::from_utf8(bytes) {
        reads(text, at);
    }
    match verify(bytes, std::slice::from_ref(&key), at) {
        Ok(signed) => {
            assert_eq!(lines(&signed.text), lines(SIGNED), "it was never signed");
            assert_eq!(signed.key, key.fingerprint().to_hex());
            reads(&signed.text, at)
        }
        Err(why) => {
            assert!(!why.to_string().is_empty(), "a refusal says why");
            false
        }
    }
}

/// White space at the end of lines is not signed (RFC 9580, section 7.2).
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).collect()
}

fn reads(text: &str, at: Epoch) -> bool {
    let release = Release::read(text, "Example", "one");
    assert_eq!(release, Release::read(text, "Example", "one"));
    let Ok(release) = release else {
        return false;
    };
    let expired = release.valid_until.is_some_and(|until| until < at);
    assert_eq!(release.check_valid(at).is_err(), expired);
    true
}
