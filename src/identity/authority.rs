//! The cluster's CA: what it is called, and how it issues.
//!
//! Keys are P-256, because OpenSSL 1.0.2 knows no Ed25519. A certificate
//! begins one day before it is issued: a host whose clock is behind at first
//! boot can use it at once. Signatures are deterministic (RFC 6979), so what
//! is issued follows from key, request and serial number alone.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
    SignatureAlgorithm,
};

use super::random::{NoRandom, Random, draw};
use super::x509::Subject;
use crate::base::{ClusterName, Epoch};
use crate::bundle::sign::SigningKey;

/// Days that a certificate's start lies before its issue.
const BACKDATED_DAYS: i64 = 1;

/// Something could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// No random serial number.
    #[error(transparent)]
    Random(#[from] NoRandom),
    /// The certificate cannot be written.
    #[error("cannot issue the certificate of `{name}`: {reason}")]
    Certificate {
        /// Whose.
        name: String,
        /// The library's words.
        reason: String,
    },
}

/// A certificate to be issued to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The common name: the node's.
    pub node: String,
    /// The organisational unit: what it is for.
    pub purpose: &'static str,
    /// The names and addresses it is valid for.
    pub subjects: Vec<Subject>,
    /// The moment of issue.
    pub now: Epoch,
    /// Its last moment.
    pub not_after: Epoch,
    /// Whether its owner also shows it to others as a client.
    pub is_client: bool,
}

/// The CA's key with the name that it issues under.
pub struct Authority<'a> {
    key: &'a SigningKey,
    cluster: &'a ClusterName,
}

impl<'a> Authority<'a> {
    /// The CA of `cluster` with this key.
    pub fn new(cluster: &'a ClusterName, key: &'a SigningKey) -> Self {
        Self { key, cluster }
    }

    /// Makes the CA's own certificate, PEM. It may issue to nodes, not to other CAs.
    pub fn certify_itself(
        &self,
        now: Epoch,
        days: u32,
        random: &mut dyn Random,
    ) -> Result<String, IssueError> {
        let mut params = self.params();
        params.not_before = now.plus_days(-BACKDATED_DAYS).to_datetime();
        params.not_after = now.plus_days(i64::from(days)).to_datetime();
        params.serial_number = Some(serial(random)?);
        let made = params.self_signed(&Rfc6979::new(self.key));
        Ok(made.map_err(failed("the CA"))?.pem())
    }

    /// Issues what is asked for to the owner of `subject_key`, PEM.
    pub fn issue(
        &self,
        request: &Request,
        subject_key: &SigningKey,
        random: &mut dyn Random,
    ) -> Result<String, IssueError> {
        let failed = || failed(&request.node);
        let mut params = CertificateParams::default();
        params.not_before = request.now.plus_days(-BACKDATED_DAYS).to_datetime();
        params.not_after = request.not_after.to_datetime();
        params.serial_number = Some(serial(random)?);
        params.distinguished_name = self.name(&[
            (DnType::OrganizationalUnitName, request.purpose),
            (DnType::CommonName, &request.node),
        ]);
        let subjects = request.subjects.iter().map(alt_name);
        params.subject_alt_names = subjects.collect::<Result<_, _>>().map_err(failed())?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if request.is_client {
            let usage = ExtendedKeyUsagePurpose::ClientAuth;
            params.extended_key_usages.push(usage);
        }
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::new(self.params(), Rfc6979::new(self.key));
        let made = params.signed_by(&Rfc6979::new(subject_key), &issuer);
        Ok(made.map_err(failed())?.pem())
    }

    fn params(&self) -> CertificateParams {
        // The key is in the name: two CAs of one cluster must not look alike.
        let key = self.key.public().fingerprint().to_string();
        let mut params = CertificateParams::default();
        params.distinguished_name =
            self.name(&[(DnType::CommonName, &format!("pgbundle CA {}", &key[..8]))]);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    fn name(&self, rest: &[(DnType, &str)]) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, self.cluster.as_str());
        for (kind, value) in rest {
            name.push(kind.clone(), *value);
        }
        name
    }
}

fn failed(name: &str) -> impl FnOnce(rcgen::Error) -> IssueError {
    let name = name.to_owned();
    move |error| IssueError::Certificate {
        name,
        reason: error.to_string(),
    }
}

fn alt_name(subject: &Subject) -> Result<SanType, rcgen::Error> {
    Ok(match subject {
        Subject::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
        Subject::Ip(address) => SanType::IpAddress(*address),
    })
}

/// Sixteen random bytes, positive and of fixed length (RFC 5280, section 4.1.2.2).
fn serial(random: &mut dyn Random) -> Result<SerialNumber, NoRandom> {
    let mut bytes: [u8; 16] = draw(random)?;
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Our key as rcgen wants one.
struct Rfc6979<'a> {
    key: &'a SigningKey,
    point: Vec<u8>,
}

impl<'a> Rfc6979<'a> {
    fn new(key: &'a SigningKey) -> Self {
        let point = key.public_point();
        Self { key, point }
    }
}

impl PublicKeyData for Rfc6979<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Rfc6979<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign(message))
    }
}
