//! The operator's signature: ECDSA over P-256 with SHA-256, as DER.
//!
//! Signatures are deterministic (RFC 6979), so a bundle is the same bytes
//! each time it is sealed, and OpenSSL 1.0.2 and later can check one alone:
//! `openssl dgst -sha256 -verify signer.pub -signature manifest.sig manifest.json`

use std::fmt;

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::{DecodePublicKey, EncodePublicKey};

use crate::base::Sha256;
#[cfg(feature = "workstation")]
pub use private::SigningKey;

/// A key that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not a public key in PEM.
    #[error("`{name}` holds no P-256 public key in PEM (SubjectPublicKeyInfo): {reason}")]
    Public {
        /// The file or field.
        name: String,
        /// The decoder's words.
        reason: String,
    },
    /// Not a private key in PEM.
    #[error("`{name}` holds no P-256 private key in PEM (PKCS #8)")]
    Private {
        /// The file.
        name: String,
    },
}

/// The public half of a signing key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads PEM; `name` is the file or field that a refusal names.
    pub fn from_pem(name: &str, pem: &str) -> Result<Self, KeyError> {
        VerifyingKey::from_public_key_pem(pem)
            .map(Self)
            .map_err(|reason| KeyError::Public {
                name: name.to_owned(),
                reason: reason.to_string(),
            })
    }

    /// Writes PEM (SubjectPublicKeyInfo) with a final newline.
    pub fn to_pem(&self) -> String {
        self.0
            .to_public_key_pem(p256::pkcs8::LineEnding::LF)
            .expect("a valid point has an encoding")
    }

    /// Writes DER (SubjectPublicKeyInfo).
    pub fn to_der(&self) -> Vec<u8> {
        let der = self.0.to_public_key_der();
        der.expect("a valid point has an encoding").into_vec()
    }

    /// SHA-256 of the key's SubjectPublicKeyInfo in DER, by which people compare keys.
    pub fn fingerprint(&self) -> Sha256 {
        Sha256::of(&self.to_der())
    }

    /// Says whether `signature` (DER) is this key's over `message`.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_der(signature)
            .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

#[cfg(feature = "workstation")]
mod private {
    use p256::ecdsa::signature::Signer;
    use p256::ecdsa::{Signature, SigningKey as Inner, VerifyingKey};
    use p256::elliptic_curve::zeroize::Zeroizing;
    use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};

    use super::{KeyError, PublicKey};
    use crate::base::Secret;

    /// A private P-256 key. It has no `Debug`.
    #[derive(Clone)]
    pub struct SigningKey(Inner);

    impl SigningKey {
        /// From thirty-two random bytes; none where they are no scalar of the
        /// group (one draw in 2³²), and others must be drawn.
        pub fn from_random(bytes: &[u8; 32]) -> Option<Self> {
            Inner::from_bytes(bytes.into()).ok().map(Self)
        }

        /// Reads PEM (PKCS #8); `name` is the file that a refusal names.
        pub fn from_pem(name: &str, pem: &Secret) -> Result<Self, KeyError> {
            Inner::from_pkcs8_pem(pem.expose())
                .map(Self)
                .map_err(|_| KeyError::Private {
                    name: name.to_owned(),
                })
        }

        /// Writes PEM (PKCS #8, version 1, which every OpenSSL reads).
        pub fn to_pem(&self) -> Secret {
            let pem: Zeroizing<String> = self
                .0
                .to_pkcs8_pem(LineEnding::LF)
                .expect("a valid scalar has an encoding");
            Secret::new(pem.as_str())
        }

        /// The public half.
        pub fn public(&self) -> PublicKey {
            PublicKey(VerifyingKey::from(&self.0))
        }

        /// The public point, uncompressed (SEC 1), as certificates carry it.
        pub fn public_point(&self) -> Vec<u8> {
            let point = self.0.verifying_key().to_encoded_point(false);
            point.as_bytes().to_vec()
        }

        /// Signs `message`; the same message always gives the same DER.
        pub fn sign(&self, message: &[u8]) -> Vec<u8> {
            let signature: Signature = self.0.sign(message);
            signature.to_der().as_bytes().to_vec()
        }
    }
}

#[cfg(all(test, feature = "workstation"))]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_random(&[seed; 32]).unwrap()
    }

    #[test]
    fn signs_the_same_each_time_and_for_its_own_key_only() {
        let signature = key(7).sign(b"message");
        assert_eq!(signature, key(7).sign(b"message"));
        assert!(key(7).public().has_signed(b"message", &signature));
        assert!(!key(7).public().has_signed(b"massage", &signature));
        assert!(!key(8).public().has_signed(b"message", &signature));
        assert!(
            !key(7)
                .public()
                .has_signed(b"message", &signature[..signature.len() - 1])
        );
    }

    #[test]
    fn reads_what_it_writes() {
        let pem = key(9).to_pem();
        let read = SigningKey::from_pem("signer.key", &pem).unwrap();
        assert_eq!(read.public(), key(9).public());
        let public = PublicKey::from_pem("signer.pub", &read.public().to_pem()).unwrap();
        assert_eq!(public.fingerprint(), key(9).public().fingerprint());
        assert!(PublicKey::from_pem("signer.pub", pem.expose()).is_err());
    }

    #[test]
    fn zero_is_no_key() {
        assert!(SigningKey::from_random(&[0; 32]).is_none());
    }
}
