//! Who signed a package, and that this is all of what was signed.
//!
//! A header signature covers the header alone. Packages of EL 8 and later
//! have their payload's digest in the header, so that it is covered as well;
//! those of CentOS 7 do not, but have a second signature, over header and
//! payload. A package is accepted when its whole file is covered, one way or
//! the other, and every signature it has is good: rpm on the host checks them
//! all, too.

use std::io::{self, Read};

use sequoia_openpgp::Cert;
use sequoia_openpgp::types::HashAlgorithm;
use sha2::{Digest, Sha256 as Hasher};

use super::file::{PackageFile, tag};
use super::header::Tag;
use crate::base::Epoch;
use crate::repo::openpgp::{Lifetime, SignatureError, Trust, claims_to_be, verify_detached};

/// `RPMSIGTAG_RSA`, `RPMSIGTAG_DSA`: over the header.
const OVER_HEADER: [Tag; 2] = [Tag(268), Tag(267)];

/// `RPMSIGTAG_PGP`, `RPMSIGTAG_GPG`: over header and payload.
const OVER_ALL: [Tag; 2] = [Tag(1002), Tag(1005)];

/// `RPMSIGTAG_MD5`: of header and payload.
const OF_ALL: Tag = Tag(1004);

/// SHA-256 among the hash algorithms of OpenPGP (RFC 9580, 9.5).
const SHA256: u64 = 8;

/// A package is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PackageSignatureError {
    /// Nobody signed it.
    #[error("it is not signed")]
    Unsigned,
    /// One of its signatures is not accepted.
    #[error("its signature over {covers}: {source}")]
    NotGood {
        /// What the signature is over.
        covers: &'static str,
        /// Why it is not accepted.
        source: SignatureError,
    },
    /// The payload is another one.
    #[error("its payload is not the one whose digest its signed header has")]
    PayloadAltered,
    /// It was cut off or altered on its way, whoever made it.
    #[error("its own digests are of another payload: it is damaged")]
    Damaged,
    /// Nothing that was signed says anything of the payload.
    #[error("its signature covers its header and not its payload")]
    PayloadUncovered,
    /// The file breaks off or cannot be read.
    #[error("it cannot be read to its end: {0}")]
    Unreadable(#[from] io::Error),
}

/// Checks header and payload together; the full fingerprint of the primary
/// key that signed. `payload` is what follows `package` in the file.
pub fn verify(
    package: &PackageFile,
    payload: impl Read + Send + Sync,
    trust: Trust<'_>,
    at: Epoch,
) -> Result<String, PackageSignatureError> {
    let header = package.header.bytes();
    let check = |signature, signed: &mut (dyn Read + Send + Sync), covers| {
        verify_detached(signed, signature, trust, at, Lifetime::AliveWhenSigned)
            .map_err(|source| PackageSignatureError::NotGood { covers, source })
    };
    let signatures = |tags: [Tag; 2]| {
        tags.into_iter()
            .filter_map(|t| package.signatures.binary(t))
    };

    let mut signer = None;
    for signature in signatures(OVER_HEADER) {
        signer = Some(check(signature, &mut &header[..], "its header")?);
    }
    let mut payload = Digesting::new(payload);
    let mut over_all = signatures(OVER_ALL);
    let whole = over_all.next();
    if let Some(signature) = whole {
        let mut all = header.chain(&mut payload);
        signer = Some(check(signature, &mut all, "header and payload")?);
    }
    if over_all.next().is_some() {
        return Err(PackageSignatureError::NotGood {
            covers: "header and payload",
            source: SignatureError::NotGood("there are two of them".to_owned()),
        });
    }
    let signer = signer.ok_or(PackageSignatureError::Unsigned)?;
    let found = payload.finish()?;
    match payload_digest(package) {
        Some(says) if says != found => Err(PackageSignatureError::PayloadAltered),
        None if whole.is_none() => Err(PackageSignatureError::PayloadUncovered),
        _ => Ok(signer),
    }
}

/// Checks the digests that rpm checks of a package whose signer nobody knows:
/// against damage, and against nobody's will.
pub fn verify_digests(
    package: &PackageFile,
    mut payload: impl Read,
) -> Result<(), PackageSignatureError> {
    let context = HashAlgorithm::MD5.context().map_err(io::Error::other)?;
    let mut of_all = context.for_digest();
    of_all.update(package.header.bytes());
    let mut of_payload = Hasher::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match payload.read(&mut piece)? {
            0 => break,
            count => {
                of_all.update(&piece[..count]);
                of_payload.update(&piece[..count]);
            }
        }
    }
    let of_all = of_all.into_digest().map_err(io::Error::other)?;
    let says = package.signatures.binary(OF_ALL);
    let of_payload = hex::encode(of_payload.finalize());
    let is_whole = says.is_none_or(|says| says == of_all)
        && payload_digest(package).is_none_or(|says| says == of_payload);
    match is_whole {
        true => Ok(()),
        false => Err(PackageSignatureError::Damaged),
    }
}

/// Whether it has any signature.
pub fn is_signed(package: &PackageFile) -> bool {
    signatures_of(package).next().is_some()
}

/// Whether one of its signatures names a key of these certificates.
pub fn claims_to_be_of(package: &PackageFile, certs: &[Cert]) -> bool {
    signatures_of(package).any(|signature| claims_to_be(signature, certs))
}

fn signatures_of(package: &PackageFile) -> impl Iterator<Item = &[u8]> {
    let tags = OVER_HEADER.into_iter().chain(OVER_ALL);
    tags.filter_map(|tag| package.signatures.binary(tag))
}

/// The payload's digest that the header has, where it is of an algorithm known here.
fn payload_digest(package: &PackageFile) -> Option<String> {
    let header = &package.header;
    let algorithm = header.numbers(tag::PAYLOAD_DIGEST_ALGORITHM).next();
    let digest = header.text(tag::PAYLOAD_DIGEST)?;
    (algorithm == Some(SHA256)).then(|| digest.to_ascii_lowercase())
}

/// A reader that digests what passes through it.
struct Digesting<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Digesting<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: Hasher::new(),
        }
    }

    /// Reads what is left; the digest of all, in hexadecimal.
    fn finish(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(hex::encode(self.hasher.finalize()))
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
