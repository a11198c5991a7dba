//! Signatures of upstream's indexes (RFC 9580, the cleartext framework).
//!
//! Design: by `sequoia-openpgp`, whose licence is LGPL-2.0-or-later. It is
//! taken all the same because it has what the permissive implementations
//! leave to their callers and where mistakes are made silently: expiry and
//! revocation, key flags, the binding of subkeys, and which hashes still count
//! at which date. The work is distributed with its source, so relinking
//! against another version is open to everyone.
//!
//! The policy is sequoia's standard one, judged at a moment that is handed in.
//! It is loosened in two ways for keys that a profile calls legacy, and for
//! these alone: CentOS 7 was made when both were usual, and is still signed so.

use std::io::Read;
use std::time::{Duration, SystemTime};

use sequoia_openpgp::packet::{Packet, Signature, Tag};
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::parse::stream::{
    DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationError,
    VerificationHelper, VerifierBuilder,
};
use sequoia_openpgp::policy::{HashAlgoSecurity, StandardPolicy};
use sequoia_openpgp::types::{HashAlgorithm, RevocationStatus};
use sequoia_openpgp::{Cert, KeyHandle, PacketPile};

use crate::base::Epoch;

/// A text whose signature was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The text that was signed, and nothing around it.
    pub text: String,
    /// Full fingerprint of the primary key whose signature was accepted.
    pub key: String,
}

/// Who may sign.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'c> {
    /// The certificates; a signature of any of them suffices.
    pub certs: &'c [Cert],
    /// Fingerprints of those that are judged by the rules of CentOS 7's time.
    pub legacy: &'c [String],
}

/// What a signature's key is asked besides having been good when it signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Not to have expired since: an index is made again every few days.
    StillAlive,
    /// Nothing but not to have been revoked: a package is signed once, and
    /// installed for years.
    AliveWhenSigned,
}

/// The signature is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Not a signed text at all.
    #[error("it is not a text signed in the OpenPGP cleartext framework")]
    Unsigned,
    /// No pinned key's signature is good.
    #[error("no signature by a pinned key is good: {0}")]
    NotGood(String),
    /// What was signed is not text.
    #[error("the signed text is not UTF-8")]
    NotText,
}

// A Release file is signed minutes to hours after the `Date` that it carries,
// so what is judged at that date is given one more day.
const DAYS_UNTIL_SIGNED: i64 = 1;

/// Checks a cleartext signature against `pinned` certificates; one good
/// signature of any of them suffices. Keys are judged at `at`.
pub fn verify(message: &[u8], pinned: &[Cert], at: Epoch) -> Result<Signed, SignatureError> {
    if !message.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----") {
        return Err(SignatureError::Unsigned);
    }
    let time = moment(at.plus_days(DAYS_UNTIL_SIGNED));
    let policy = StandardPolicy::at(time);
    let helper = Pinned {
        certs: pinned.to_vec(),
        policy: &policy,
        time,
        lifetime: Lifetime::StillAlive,
        key: None,
    };
    let mut verifier = VerifierBuilder::from_bytes(message)
        .and_then(|builder| builder.with_policy(&policy, time, helper))
        .map_err(refuse)?;
    let mut text = Vec::new();
    verifier
        .read_to_end(&mut text)
        .map_err(|error| refuse(error.into()))?;
    let key = verifier.into_helper().key.ok_or(SignatureError::Unsigned)?;
    let text = String::from_utf8(text).map_err(|_| SignatureError::NotText)?;
    Ok(Signed { text, key })
}

/// Checks a detached signature, armored or not, of what `signed` yields; the
/// full fingerprint of the primary key that signed.
pub fn verify_detached(
    signed: impl Read + Send + Sync,
    signature: &[u8],
    trust: Trust<'_>,
    at: Epoch,
    lifetime: Lifetime,
) -> Result<String, SignatureError> {
    let time = moment(at.plus_days(DAYS_UNTIL_SIGNED));
    let (policy, certs) = judged(signature, trust, time)?;
    let helper = Pinned {
        certs,
        policy: &policy,
        time,
        lifetime,
        key: None,
    };
    let mut verifier = DetachedVerifierBuilder::from_bytes(signature)
        .and_then(|builder| builder.with_policy(&policy, time, helper))
        .map_err(refuse)?;
    verifier.verify_reader(signed).map_err(refuse)?;
    verifier.into_helper().key.ok_or(SignatureError::Unsigned)
}

/// By which rules a signature is judged, and the certificates to which they
/// apply: the loosened ones only where no other certificate can have made it.
fn judged<'p>(
    signature: &[u8],
    trust: Trust<'_>,
    time: SystemTime,
) -> Result<(StandardPolicy<'p>, Vec<Cert>), SignatureError> {
    let issuers = issuers(signature)?;
    let is_legacy = |cert: &&Cert| trust.legacy.contains(&cert.fingerprint().to_hex());
    let has_signed = |cert: &&Cert| is_of(cert, &issuers);
    let (legacy, strict): (Vec<&Cert>, Vec<&Cert>) = trust.certs.iter().partition(is_legacy);
    let mut policy = StandardPolicy::at(time);
    if strict.iter().any(has_signed) || !legacy.iter().any(has_signed) {
        return Ok((policy, strict.into_iter().cloned().collect()));
    }
    policy.accept_packet_tag_version(Tag::Signature, 3);
    // What binds a key to its owner, not what was signed with it.
    policy.accept_hash_property(
        HashAlgorithm::SHA1,
        HashAlgoSecurity::SecondPreImageResistance,
    );
    Ok((policy, legacy.into_iter().cloned().collect()))
}

/// Whether a detached signature names a key of these certificates; whether it
/// is good is another question.
pub fn claims_to_be(signature: &[u8], certs: &[Cert]) -> bool {
    let issuers = issuers(signature).unwrap_or_default();
    certs.iter().any(|cert| is_of(cert, &issuers))
}

fn issuers(signature: &[u8]) -> Result<Vec<KeyHandle>, SignatureError> {
    let packets = PacketPile::from_bytes(signature).map_err(refuse)?;
    let mut issuers = Vec::new();
    for packet in packets.children() {
        match packet {
            Packet::Signature(signature) => issuers.extend(signature.get_issuers()),
            _ => return Err(SignatureError::Unsigned),
        }
    }
    Ok(issuers)
}

fn is_of(cert: &Cert, issuers: &[KeyHandle]) -> bool {
    let mut handles = cert.keys().map(|key| key.key().key_handle());
    handles.any(|handle| issuers.iter().any(|issuer| issuer.aliases(&handle)))
}

fn refuse(error: sequoia_openpgp::anyhow::Error) -> SignatureError {
    SignatureError::NotGood(format!("{error:#}"))
}

/// The text of a message, of whose signature nothing is known.
pub fn unproved_text(message: &[u8]) -> Result<String, SignatureError> {
    let text = std::str::from_utf8(message).map_err(|_| SignatureError::NotText)?;
    let text = text.replace("\r\n", "\n");
    // RFC 9580, 7: headers, an empty line, the text with its dashes escaped.
    let (_, body) = text.split_once("\n\n").ok_or(SignatureError::Unsigned)?;
    let (body, _) = body
        .split_once("\n-----BEGIN PGP SIGNATURE-----")
        .ok_or(SignatureError::Unsigned)?;
    let line = |line: &str| format!("{}\n", line.strip_prefix("- ").unwrap_or(line));
    Ok(body.lines().map(line).collect())
}

fn moment(at: Epoch) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(at.seconds().unsigned_abs())
}

struct Pinned<'c> {
    certs: Vec<Cert>,
    policy: &'c StandardPolicy<'c>,
    time: SystemTime,
    lifetime: Lifetime,
    key: Option<String>,
}

impl Pinned<'_> {
    // Sequoia judges a key at the moment of the signature. What was revoked
    // since never counts, and an index is refused once its key has expired, as
    // apt does.
    fn still_signs(&self, good: &GoodChecksum<'_>) -> bool {
        let Ok(cert) = good.ka.cert().with_policy(self.policy, self.time) else {
            return false;
        };
        let is_revoked = matches!(cert.revocation_status(), RevocationStatus::Revoked(_));
        let mut keys = cert.keys().revoked(false).for_signing();
        let signer = good.ka.key().fingerprint();
        let is_old_enough = self.lifetime == Lifetime::AliveWhenSigned;
        !is_revoked
            && keys.any(|key| {
                key.key().fingerprint() == signer && (is_old_enough || key.alive().is_ok())
            })
    }
}

fn unpinned(signature: &Signature) -> String {
    let signers = signature.get_issuers();
    let signer = signers
        .first()
        .map_or_else(|| "a key without a name".to_owned(), KeyHandle::to_string);
    format!(
        "it is signed by {signer}, which no pinned certificate at hand has: where the distribution \
         has announced a new key, pin it in a profile of your own"
    )
}

impl VerificationHelper for Pinned<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> sequoia_openpgp::Result<Vec<Cert>> {
        Ok(self.certs.clone())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> sequoia_openpgp::Result<()> {
        let mut refusals = Vec::new();
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else {
                continue;
            };
            for result in results {
                match result {
                    Ok(good) if self.still_signs(&good) => {
                        self.key = Some(good.ka.cert().fingerprint().to_hex());
                    }
                    Ok(good) => refusals.push(format!(
                        "the key {} has expired or was revoked",
                        good.ka.cert().fingerprint()
                    )),
                    Err(VerificationError::MissingKey { sig }) => refusals.push(unpinned(sig)),
                    Err(error) => refusals.push(error.to_string()),
                }
            }
        }
        match &self.key {
            Some(_) => Ok(()),
            None => Err(sequoia_openpgp::anyhow::anyhow!(refusals.join("; "))),
        }
    }
}
