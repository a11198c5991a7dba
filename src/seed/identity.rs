//! The identity document: who a host is, what it may install, and its secrets.
//!
//! cloud-init only carries it. The stub writes it to
//! [`PLANTED`], 0600 in a folder of 0700; the node program reads it there,
//! stores it durably with its generation, and can be handed a newer one later.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::base::{
    Architecture, BundlePath, ClusterName, Epoch, NodeName, NodePath, Role, SchemaVersion, Sha256,
};
use crate::bundle::assignment::Access;
use crate::bundle::manifest::OsRelease;

/// Where the stub plants the document.
pub const PLANTED: &str = "/var/lib/pgbundle/seed/identity.json";

/// Who a host is.
///
/// It has no `Debug`: [`SecretFile::content`] is in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Format of this document.
    pub format: SchemaVersion<1>,
    /// The cluster's name.
    pub cluster: ClusterName,
    /// The cluster's random identity: 32 hexadecimal digits.
    pub cluster_id: String,
    /// This node's name.
    pub node: NodeName,
    /// Its address with prefix, which an interface must carry.
    pub address: IpNet,
    /// Its roles.
    pub roles: Vec<Role>,
    /// The profile and architecture its bundles are built for.
    pub profile: String,
    /// The architecture.
    pub architecture: Architecture,
    /// What the host's os-release must say.
    pub os: OsRelease,
    /// Later documents and bundles must have a higher number.
    pub generation: u64,
    /// The date of the lock: a clock more than a day before it is out of step.
    pub date: Epoch,
    /// From when all certificates below are valid: a clock before it is out of step.
    pub valid_from: Epoch,
    /// When the certificates below expire: a clock after it is out of step, or the seed too old.
    pub expires: Epoch,
    /// The operator's signing key: PEM (SubjectPublicKeyInfo, P-256).
    pub signer: String,
    /// The program that reads this document.
    pub node_program: Pinned,
    /// The exact bundles for first boot, one a role.
    pub bundles: Vec<PinnedBundle>,
    /// Where they may be found, in order.
    pub sources: Vec<DeliverySource>,
    /// Whole files with this node's secrets, and no other node's.
    pub secrets: Vec<SecretFile>,
}

/// A file pinned by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// Path below a source's root.
    pub path: BundlePath,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

/// A bundle pinned by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedBundle {
    /// Its role.
    pub role: Role,
    /// The file.
    pub file: Pinned,
}

/// Where a host looks for its bundles. Written in the spec as `media`,
/// `folder:/srv/pgbundle`, or a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeliverySource {
    /// A disk or ISO labelled `PGBUNDLE`, or the seed's own ISO (`cidata`).
    Media,
    /// A folder of the host.
    Folder(NodePath),
    /// An `http://` or `https://` address without a trailing slash.
    Url(String),
}

/// The text names no source.
#[derive(Debug, thiserror::Error)]
pub enum NotASource {
    /// Neither of the three forms.
    #[error(
        "`{0}` is no place for bundles: write `media`, `folder:/an/absolute/path`, `http://…` or `https://…`"
    )]
    Form(String),
    /// An address with a user or a password, which is not repeated here.
    #[error(
        "an address of bundles may hold no user and no password: it is shown on consoles and in the runbook; what lies there is public"
    )]
    Credentials,
}

impl TryFrom<String> for DeliverySource {
    type Error = NotASource;

    fn try_from(text: String) -> Result<Self, NotASource> {
        if text == "media" {
            return Ok(Self::Media);
        }
        if let Some(folder) = text.strip_prefix("folder:") {
            return folder
                .parse()
                .map(Self::Folder)
                .map_err(|_| NotASource::Form(text.clone()));
        }
        let rest = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"));
        let host = rest.and_then(|rest| rest.split('/').next());
        if host.is_some_and(|host| host.contains('@')) {
            return Err(NotASource::Credentials);
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%+@".contains(c);
        match rest {
            Some(rest)
                if !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(is_plain) =>
            {
                Ok(Self::Url(text.trim_end_matches('/').to_owned()))
            }
            _ => Err(NotASource::Form(text)),
        }
    }
}

impl From<DeliverySource> for String {
    fn from(source: DeliverySource) -> String {
        match source {
            DeliverySource::Media => "media".to_owned(),
            DeliverySource::Folder(path) => format!("folder:{path}"),
            DeliverySource::Url(url) => url,
        }
    }
}

/// A file with a secret, installed byte for byte.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretFile {
    /// Where on the node.
    pub path: NodePath,
    /// Owner, group and mode; never readable by others unless it is a certificate.
    pub access: Access,
    /// Its content.
    pub content: String,
    /// Names of the services that take up a change of it.
    pub services: Vec<String>,
    /// A certificate or its key: `on_certificate` says how a service takes a new one.
    pub is_certificate: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_password_is_refused_and_not_repeated() {
        let read = |text: &str| DeliverySource::try_from(text.to_owned());
        for text in [
            "http://me:sentinel@m.example/b",
            "https://sentinel@m.example",
        ] {
            let refused = read(text).unwrap_err();
            assert!(matches!(refused, NotASource::Credentials));
            assert!(!refused.to_string().contains("sentinel"), "{refused}");
        }
        assert!(read("http://m.example/a@b").is_ok());
        assert!(matches!(read("ftp://m.example"), Err(NotASource::Form(_))));
    }
}
