//! An archive's side of the matter, for tests: a key, a signature, a packed
//! index. The tests of the whole program include this file too.

use std::io::Write;
use std::time::{Duration, SystemTime};

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::stream::{Message, Signer};

/// A key that signs, `made` then and good for so long; none: for ever.
pub fn key(made: SystemTime, valid: Option<Duration>) -> Cert {
    CertBuilder::general_purpose(["Archive <archive@example.org>"])
        .set_creation_time(made)
        .set_validity_period(valid)
        .generate()
        .expect("a key")
        .0
}

/// Signs a text in the cleartext framework, `at` that time.
pub fn sign(text: &str, key: &Cert, at: SystemTime) -> Vec<u8> {
    let policy = StandardPolicy::at(at);
    let pair = key
        .keys()
        .with_policy(&policy, at)
        .secret()
        .for_signing()
        .next()
        .expect("a signing key")
        .key()
        .clone()
        .into_keypair()
        .expect("an unprotected key");
    let mut out = Vec::new();
    let signer = Signer::new(Message::new(&mut out), pair).expect("a signer");
    let signer = signer.cleartext().creation_time(at);
    let mut message = signer.build().expect("a signer");
    message.write_all(text.as_bytes()).expect("memory");
    message.finalize().expect("memory");
    out
}

/// Compresses as an archive does.
pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = liblzma::write::XzEncoder::new(&mut out, 1);
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory");
    out
}
