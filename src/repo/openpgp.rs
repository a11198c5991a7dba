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

use std::io::Read;
use std::time::{Duration, SystemTime};

use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::parse::stream::{
    GoodChecksum, MessageLayer, MessageStructure, VerificationError, VerificationHelper,
    VerifierBuilder,
};
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::types::RevocationStatus;
use sequoia_openpgp::{Cert, KeyHandle};

use crate::base::Epoch;

/// A text whose signature was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The text that was signed, and nothing around it.
    pub text: String,
    /// Full fingerprint of the primary key whose signature was accepted.
    pub key: String,
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
        certs: pinned,
        policy: &policy,
        time,
        key: None,
    };
    let refuse =
        |error: sequoia_openpgp::anyhow::Error| SignatureError::NotGood(format!("{error:#}"));
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
    certs: &'c [Cert],
    policy: &'c StandardPolicy<'c>,
    time: SystemTime,
    key: Option<String>,
}

impl Pinned<'_> {
    // Sequoia judges a key at the moment of the signature. An index is also
    // refused once its key has expired or was revoked, as apt does.
    fn still_signs(&self, good: &GoodChecksum<'_>) -> bool {
        let Ok(cert) = good.ka.cert().with_policy(self.policy, self.time) else {
            return false;
        };
        let is_revoked = matches!(cert.revocation_status(), RevocationStatus::Revoked(_));
        let mut keys = cert.keys().alive().revoked(false).for_signing();
        let signer = good.ka.key().fingerprint();
        !is_revoked && keys.any(|key| key.key().fingerprint() == signer)
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
        Ok(self.certs.to_vec())
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
