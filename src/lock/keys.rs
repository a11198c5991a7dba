//! The certificates of those who sign an rpm closure: a bundle carries them,
//! because yum and dnf check every package by them once more.
//!
//! They stand in the lock, so that the lock, the spec and the secrets are still
//! all that a bundle is made from. Which of a certificate's signatures stand
//! there is decided by the lock's date, not by the copy that was at hand.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, SystemTime};

use sequoia_openpgp::armor::{Kind, Writer};
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::serialize::Marshal;
use sequoia_openpgp::{Cert, Packet};

use super::cover::Gap;
use super::given::SOURCE;
use super::{Lock, LockedKey};
use crate::base::Epoch;
use crate::profile::{Profile, Repository, Source};
use crate::repo::keyring::{Keyring, NoKey};

/// The certificates that sources of the lock's rpm packages pin and that are
/// at hand, sorted by fingerprint.
pub fn of(lock: &Lock, profile: &Profile, keyring: &Keyring) -> Result<Vec<LockedKey>, NoKey> {
    let mut rows: Vec<LockedKey> = Vec::new();
    for source in signing(lock, profile) {
        for cert in keyring.pinned(&source.keys)? {
            rows.push(LockedKey {
                fingerprint: cert.fingerprint().to_hex(),
                certificate: written(&cert, lock.date),
            });
        }
    }
    rows.sort_by(|a, b| a.fingerprint.cmp(&b.fingerprint));
    rows.dedup();
    Ok(rows)
}

/// In what a lock's certificates are not those of the plan's sources.
pub fn gaps(lock: &Lock, profile: &Profile) -> Vec<Gap> {
    let sources: Vec<_> = signing(lock, profile).collect();
    let has = |source: &&Source| {
        let mut rows = lock.keys.iter();
        rows.any(|row| source.keys.contains(&row.fingerprint))
    };
    let lacking = sources.iter().filter(|source| !has(source)).map(|source| {
        let id = &source.id;
        Gap::New(format!("a certificate of source `{id}` is carried"))
    });
    let pinned: BTreeSet<_> = sources.iter().flat_map(|source| &source.keys).collect();
    let strange = lock.keys.iter();
    let strange = strange.filter(|row| !pinned.contains(&row.fingerprint));
    let strange = strange.map(|row| {
        let key = &row.fingerprint;
        Gap::Dropped(format!("the certificate {key} is carried"))
    });
    lacking.chain(strange).collect()
}

/// Whether a row's certificate is the one that it names, and nothing besides.
pub fn is_whole(row: &LockedKey) -> bool {
    let Ok(cert) = Cert::from_bytes(row.certificate.as_bytes()) else {
        return false;
    };
    cert.fingerprint().to_hex() == row.fingerprint && !cert.is_tsk()
}

/// Sources of rpm packages that are locked and signed.
fn signing<'a>(lock: &'a Lock, profile: &'a Profile) -> impl Iterator<Item = &'a Source> {
    let rows = lock.packages.iter();
    let signed = rows.filter(|row| row.by_digest.is_none());
    let used: BTreeSet<_> = signed.map(|row| row.source.as_str()).collect();
    profile.sources.iter().filter(move |source| {
        let is_rpm = matches!(source.kind, Repository::RpmMd(_));
        // What an operator was given may be signed by any of them.
        let is_used = used.contains(source.id.as_str()) || used.contains(SOURCE);
        is_rpm && !source.keys.is_empty() && is_used
    })
}

/// The certificate in armor: its key, its names and what signs by it, each bound
/// by one signature of its own. rpm 4 imports none that others have signed too,
/// and the reader of yum 3.4 wants the checksum and knows no other kinds of keys.
fn written(cert: &Cert, at: Epoch) -> String {
    let primary = cert.primary_key().key().clone();
    let mut packets = vec![Packet::from(primary)];
    for user in cert.userids() {
        if let Some(binding) = newest(user.self_signatures(), at) {
            packets.extend([user.userid().clone().into(), binding.into()]);
        }
    }
    for subkey in cert.keys().subkeys() {
        let binding = newest(subkey.self_signatures(), at);
        let signs = |binding: &Signature| binding.key_flags().is_some_and(|f| f.for_signing());
        if let Some(binding) = binding.filter(signs) {
            packets.extend([subkey.key().clone().into(), binding.into()]);
        }
    }
    let mut armor = Writer::new(Vec::new(), Kind::PublicKey).expect("memory");
    for packet in &packets {
        packet.serialize(&mut armor).expect("memory");
    }
    armor.flush().expect("memory");
    let bytes = armor.finalize().expect("memory");
    String::from_utf8(bytes).expect("armor is ASCII")
}

/// The last of these signatures that was made by then; where none was, the first.
fn newest<'s>(signatures: impl Iterator<Item = &'s Signature>, at: Epoch) -> Option<Signature> {
    let seconds = u64::try_from(at.seconds()).unwrap_or_default();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let mut all: Vec<_> = signatures.cloned().collect();
    all.sort_by_key(|signature| signature.signature_creation_time());
    let by_then = all
        .iter()
        .rposition(|signature| signature.signature_creation_time() <= Some(at));
    (!all.is_empty()).then(|| all.swap_remove(by_then.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use sequoia_openpgp::cert::CertBuilder;
    use sequoia_openpgp::packet::signature::SignatureBuilder;
    use sequoia_openpgp::types::SignatureType;

    use super::*;

    fn moment(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn row(cert: &Cert, at: Epoch) -> LockedKey {
        LockedKey {
            fingerprint: cert.fingerprint().to_hex(),
            certificate: written(cert, at),
        }
    }

    #[test]
    fn a_copy_that_was_renewed_or_signed_by_others_gives_the_same_text() {
        let at: Epoch = "2026-01-05T02:11:10Z".parse().unwrap();
        let builder = CertBuilder::general_purpose(Some("Packager <packager@example.org>"));
        let builder = builder.set_creation_time(moment(1_600_000_000));
        let (cert, _) = builder.generate().unwrap();
        let first = row(&cert, at);
        assert!(is_whole(&first));
        let block = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n";
        assert!(first.certificate.starts_with(block), "{first:?}");
        let checksum = first.certificate.lines().rev().nth(1).unwrap();
        assert!(
            checksum.starts_with('=') && checksum.len() == 5,
            "{first:?}"
        );

        let key = cert.primary_key().key().clone();
        let mut signer = key.parts_into_secret().unwrap().into_keypair().unwrap();
        let renewed = SignatureBuilder::new(SignatureType::PositiveCertification)
            .set_signature_creation_time(moment(1_800_000_000))
            .unwrap();
        let user = cert.userids().next().unwrap().userid().clone();
        let renewed = renewed
            .sign_userid_binding(&mut signer, None, &user)
            .unwrap();
        let (renewed_cert, _) = cert
            .clone()
            .insert_packets([Packet::from(renewed)])
            .unwrap();
        assert_eq!(row(&renewed_cert, at), first);
        let later: Epoch = "2030-01-05T02:11:10Z".parse().unwrap();
        assert_ne!(row(&renewed_cert, later), first);
        // Of its subkeys only what signs is there.
        let read = Cert::from_bytes(first.certificate.as_bytes()).unwrap();
        assert_eq!(read.keys().subkeys().count(), 1);
    }

    #[test]
    fn a_row_with_another_certificate_is_told() {
        let at: Epoch = "2026-01-05T02:11:10Z".parse().unwrap();
        let make = || CertBuilder::new().add_userid("x").generate().unwrap().0;
        let (one, other) = (row(&make(), at), row(&make(), at));
        let swapped = LockedKey {
            certificate: other.certificate,
            ..one
        };
        assert!(!is_whole(&swapped));
    }
}
