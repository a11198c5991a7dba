//! Reads back the few fields of a certificate (RFC 5280) that decide whether
//! it is still good. It proves nothing: the certificates are this folder's own.

use std::fmt;
use std::net::IpAddr;

use p256::pkcs8::der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier, OctetStringRef, UtcTime};
use p256::pkcs8::der::{
    self, Class, Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged, pem,
};

use crate::base::Epoch;

const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// A name that a certificate is valid for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A host's name.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => write!(f, "{address}"),
        }
    }
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Its serial number, lower-case hex.
    pub serial: String,
    /// From when it is valid.
    pub not_before: Epoch,
    /// Until when.
    pub not_after: Epoch,
    /// Its issuer, in DER.
    pub issuer: Vec<u8>,
    /// Its subject's name, in DER.
    pub subject: Vec<u8>,
    /// Its public key (SubjectPublicKeyInfo), in DER.
    pub public_key: Vec<u8>,
    /// What it is valid for, sorted.
    pub subjects: Vec<Subject>,
}

/// The text is no certificate.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is no certificate in PEM: {reason}")]
pub struct NotACertificate {
    name: String,
    reason: String,
}

/// Reads every certificate of a PEM file; `name` is the file that a refusal names.
pub fn read_all(name: &str, text: &str) -> Result<Vec<Fields>, NotACertificate> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let starts: Vec<_> = text.match_indices(BEGIN).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| read(name, &text[start..end]))
        .collect()
}

/// Reads one certificate in PEM.
pub fn read(name: &str, text: &str) -> Result<Fields, NotACertificate> {
    let refuse = |reason: &dyn fmt::Display| NotACertificate {
        name: name.to_owned(),
        reason: reason.to_string(),
    };
    let (_, der) = pem::decode_vec(text.as_bytes()).map_err(|e| refuse(&e))?;
    fields(&der).map_err(|e| refuse(&e))
}

fn fields(der: &[u8]) -> der::Result<Fields> {
    let certificate = AnyRef::from_der(der)?;
    let mut outer = SliceReader::new(certificate.value())?;
    let signed = AnyRef::decode(&mut outer)?;
    let mut reader = SliceReader::new(signed.value())?;
    AnyRef::decode(&mut reader)?; // version
    let serial = AnyRef::decode(&mut reader)?;
    AnyRef::decode(&mut reader)?; // signature algorithm
    let issuer = AnyRef::decode(&mut reader)?.to_der()?;
    let validity = AnyRef::decode(&mut reader)?;
    let mut times = SliceReader::new(validity.value())?;
    Ok(Fields {
        serial: hex::encode(serial.value()),
        issuer,
        not_before: time(&mut times)?,
        not_after: time(&mut times)?,
        subject: AnyRef::decode(&mut reader)?.to_der()?,
        public_key: AnyRef::decode(&mut reader)?.to_der()?,
        subjects: alt_names(&mut reader)?,
    })
}

fn time(reader: &mut SliceReader<'_>) -> der::Result<Epoch> {
    let value = AnyRef::decode(reader)?;
    let since_1970 = match value.tag() {
        Tag::UtcTime => value.decode_as::<UtcTime>()?.to_unix_duration(),
        _ => value.decode_as::<GeneralizedTime>()?.to_unix_duration(),
    };
    let seconds = i64::try_from(since_1970.as_secs());
    let epoch = seconds.ok().and_then(|s| Epoch::from_seconds(s).ok());
    epoch.ok_or_else(|| der::ErrorKind::DateTime.into())
}

fn alt_names(reader: &mut SliceReader<'_>) -> der::Result<Vec<Subject>> {
    let mut names = Vec::new();
    while !reader.is_finished() {
        let field = AnyRef::decode(reader)?;
        if field.tag().class() == Class::ContextSpecific && field.tag().number() == TagNumber::N3 {
            let list = AnyRef::from_der(field.value())?;
            let mut extensions = SliceReader::new(list.value())?;
            while !extensions.is_finished() {
                names.extend(names_of(&AnyRef::decode(&mut extensions)?)?);
            }
        }
    }
    names.sort();
    Ok(names)
}

/// The names in one extension, none where it is another than subjectAltName.
fn names_of(extension: &AnyRef<'_>) -> der::Result<Vec<Subject>> {
    let mut reader = SliceReader::new(extension.value())?;
    if ObjectIdentifier::decode(&mut reader)? != SUBJECT_ALT_NAME {
        return Ok(Vec::new());
    }
    let mut value = AnyRef::decode(&mut reader)?;
    if value.tag() == Tag::Boolean {
        value = AnyRef::decode(&mut reader)?;
    }
    let octets = value.decode_as::<OctetStringRef<'_>>()?;
    let list = AnyRef::from_der(octets.as_bytes())?;
    let mut reader = SliceReader::new(list.value())?;
    let mut names = Vec::new();
    while !reader.is_finished() {
        names.extend(general_name(&AnyRef::decode(&mut reader)?));
    }
    Ok(names)
}

/// `dNSName [2]` or `iPAddress [7]` (RFC 5280, section 4.2.1.6).
fn general_name(name: &AnyRef<'_>) -> Option<Subject> {
    let bytes = name.value();
    if name.tag().number() == TagNumber::N2 {
        return String::from_utf8(bytes.to_vec()).ok().map(Subject::Dns);
    }
    if name.tag().number() != TagNumber::N7 {
        return None;
    }
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.ok().map(Subject::Ip)
}
