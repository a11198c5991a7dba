//! A node's own keys and certificates: one pair for each thing it serves.

use std::net::{IpAddr, Ipv4Addr};

use super::authority::{Authority, Request};
use super::folder::Folder;
use super::random::Random;
use super::renewal::{Verdict, Wanted, judge};
use super::x509::{self, Fields, Subject};
use super::{IdentityError, draw_key};
use crate::base::{Epoch, NodeName, Role, Secret};
use crate::bundle::sign::SigningKey;
use crate::spec::Node;

/// What a pair is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// An etcd member, towards clients and peers.
    Etcd,
    /// Patroni: its REST API, and as a client of etcd.
    Patroni,
    /// PostgreSQL and PgBouncer, towards their clients.
    Postgres,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Etcd, Self::Patroni, Self::Postgres];

    /// Its name, in file names and certificates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Patroni => "patroni",
            Self::Postgres => "postgres",
        }
    }

    /// The role whose nodes have such a pair.
    fn role(self) -> Role {
        match self {
            Self::Etcd => Role::Etcd,
            Self::Patroni | Self::Postgres => Role::Postgres,
        }
    }

    /// Whether it serves as a client's certificate, too. etcd takes any client
    /// with one of this CA: PostgreSQL's certificate must open nothing there.
    fn is_client(self) -> bool {
        match self {
            // etcd's gateway dials its own server with the server's certificate.
            Self::Etcd | Self::Patroni => true,
            Self::Postgres => false,
        }
    }

    /// Its file in the folder of secrets.
    pub(super) fn file(self, node: &NodeName, suffix: &str) -> String {
        format!("nodes/{node}/{}.{suffix}", self.as_str())
    }
}

/// A private key with its certificate. It has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The private key, PEM (PKCS #8).
    pub key: Secret,
    /// The certificate, PEM.
    pub certificate: String,
    /// From when it is valid.
    pub valid_from: Epoch,
    /// When it expires.
    pub expires: Epoch,
}

/// A node's pairs: those of its roles and no others. It has no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NodeSecrets {
    /// Where the node is an etcd member.
    pub etcd: Option<KeyPair>,
    /// Where it runs PostgreSQL.
    pub patroni: Option<KeyPair>,
    /// Where it runs PostgreSQL.
    pub postgres: Option<KeyPair>,
}

impl NodeSecrets {
    /// The pairs that the node has.
    pub fn all(&self) -> impl Iterator<Item = (Purpose, &KeyPair)> {
        let pairs = [&self.etcd, &self.patroni, &self.postgres];
        Purpose::ALL
            .into_iter()
            .zip(pairs)
            .filter_map(|(purpose, pair)| pair.as_ref().map(|pair| (purpose, pair)))
    }
}

/// Where nodes' certificates are kept, judged and issued.
pub(super) struct Desk<'a> {
    pub folder: &'a Folder,
    pub authority: &'a Authority<'a>,
    pub ca: &'a Fields,
    pub days: u32,
    /// Where clients enter: the VIP, else every proxy.
    pub entries: Vec<IpAddr>,
    pub now: Epoch,
}

impl Desk<'_> {
    /// A node's pairs, made or renewed where they must be.
    pub fn secrets_of(
        &self,
        node: &Node,
        random: &mut dyn Random,
    ) -> Result<NodeSecrets, IdentityError> {
        Ok(NodeSecrets {
            etcd: self.pair(node, Purpose::Etcd, random)?,
            patroni: self.pair(node, Purpose::Patroni, random)?,
            postgres: self.pair(node, Purpose::Postgres, random)?,
        })
    }

    fn pair(
        &self,
        node: &Node,
        purpose: Purpose,
        random: &mut dyn Random,
    ) -> Result<Option<KeyPair>, IdentityError> {
        if !node.roles.contains(&purpose.role()) {
            return Ok(None);
        }
        let key = self.key(node, purpose, random)?;
        let request = self.request(node, purpose);
        let file = purpose.file(&node.name, "pem");
        let kept = match self.folder.read(&file)? {
            Some(pem) => self.keep(&file, pem, &key, &request)?,
            None => None,
        };
        if let Some(kept) = kept {
            return Ok(Some(kept));
        }
        let certificate = self.authority.issue(&request, &key, random)?;
        let fields = x509::read(&file, &certificate)?;
        self.folder.write(&file, &certificate)?;
        Ok(Some(KeyPair {
            key: key.to_pem(),
            certificate,
            valid_from: fields.not_before,
            expires: fields.not_after,
        }))
    }

    fn key(
        &self,
        node: &Node,
        purpose: Purpose,
        random: &mut dyn Random,
    ) -> Result<SigningKey, IdentityError> {
        let file = purpose.file(&node.name, "key");
        if let Some(pem) = self.folder.read(&file)? {
            return Ok(SigningKey::from_pem(&self.folder.shown(&file), &pem)?);
        }
        let certificate = purpose.file(&node.name, "pem");
        if self.folder.read(&certificate)?.is_some() {
            return Err(IdentityError::LostKey {
                key: self.folder.at(&file),
                certificate: self.folder.at(&certificate),
            });
        }
        let key = draw_key(random)?;
        self.folder.write(&file, key.to_pem().expose())?;
        Ok(key)
    }

    fn keep(
        &self,
        file: &str,
        pem: Secret,
        key: &SigningKey,
        request: &Request,
    ) -> Result<Option<KeyPair>, IdentityError> {
        let fields = x509::read(&self.folder.shown(file), pem.expose())?;
        let wanted = Wanted {
            subjects: &request.subjects,
            public_key: &key.public().to_der(),
            issuer: &self.ca.subject,
            not_after: request.not_after,
        };
        Ok(match judge(Some(&fields), &wanted, self.now) {
            Verdict::Issue(_) => None,
            Verdict::Keep => Some(KeyPair {
                key: key.to_pem(),
                certificate: pem.expose().to_owned(),
                valid_from: fields.not_before,
                expires: fields.not_after,
            }),
        })
    }

    fn request(&self, node: &Node, purpose: Purpose) -> Request {
        let mut subjects = vec![
            Subject::Dns(node.name.to_string()),
            Subject::Dns("localhost".to_owned()),
            Subject::Ip(node.address.addr()),
            Subject::Ip(Ipv4Addr::LOCALHOST.into()),
        ];
        // A client checks PostgreSQL's certificate against the address it entered by.
        if purpose == Purpose::Postgres {
            subjects.extend(self.entries.iter().copied().map(Subject::Ip));
        }
        subjects.sort();
        subjects.dedup();
        let lifetime = self.now.plus_days(i64::from(self.days));
        Request {
            node: node.name.to_string(),
            purpose: purpose.as_str(),
            subjects,
            now: self.now,
            not_after: lifetime.min(self.ca.not_after),
            is_client: purpose.is_client(),
        }
    }
}
