//! The operator's `secrets/` folder: the cluster's CA, the signing key, each
//! node's keys, and the passwords. Made once, reused ever after.
//!
//! ```text
//! cluster.json                            cluster id, etcd token, generation, nodes
//! ca.key  ca.pem                          the CA's key; the set of CAs that nodes trust
//! signer.key  signer.pub                  the key that signs bundles
//! passwords.json                          passwords
//! nodes/<node>/{etcd,patroni,postgres}.{key,pem}
//! ```
//!
//! Opening the folder makes what is missing, and nothing else: a node that
//! joins gets keys, the others keep theirs; what was lost is asked for. A certificate is issued anew, for
//! the same key, when [`renewal::judge`] says so. Chance and the clock enter
//! as arguments; from an opened folder on, everything is pure.
//!
//! `ca.pem` may hold several certificates: nodes trust them all, the one that
//! belongs to `ca.key` issues.

pub mod authority;
mod cluster;
mod error;
pub mod folder;
pub mod list;
mod node;
pub mod passwords;
pub mod random;
pub mod renewal;
pub mod x509;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use authority::{Authority, IssueError};
use cluster::ClusterRecord;
pub use error::IdentityError;
use folder::Folder;
use list::Listed;
pub use node::{KeyPair, NodeSecrets, Purpose};
pub use passwords::Account;
use passwords::Passwords;
use random::{NoRandom, Random, draw};
use x509::Fields;

use crate::base::{ClusterName, Epoch, NodeName, Role, Secret, Sha256};
use crate::bundle::sign::SigningKey;
use crate::plan::Plan;
use crate::spec::Node;

/// The opened secrets of a cluster. It has no `Debug`.
pub struct Identities {
    folder: Folder,
    cluster: ClusterRecord,
    ca_pem: String,
    ca_valid_from: Epoch,
    ca_expires: Epoch,
    signer: SigningKey,
    passwords: Passwords,
    nodes: BTreeMap<NodeName, NodeSecrets>,
}

impl Identities {
    /// Opens `folder` for the plan's cluster and makes what is missing.
    pub fn open_or_make(
        folder: &Path,
        plan: &Plan,
        now: Epoch,
        random: &mut dyn Random,
    ) -> Result<Self, IdentityError> {
        let folder = Folder::open_or_make(folder)?;
        let _locked = folder.lock()?;
        let spec = &plan.spec;
        let mut cluster = ClusterRecord::open_or_make(&folder, &spec.cluster, random)?;
        none_is_lost(&folder, &cluster, &spec.nodes)?;
        let ca_key = key_of(&folder, &cluster, "ca.key", "ca.pem", random)?;
        let authority = Authority::new(&spec.cluster, &ca_key);
        let days = spec.certificates.ca_days;
        let ca_pem = ca_of(&folder, || authority.certify_itself(now, days, random))?;
        let ca = own_certificate(&folder, &ca_pem, &ca_key, now)?;
        let signer = signer_of(&folder, &cluster, random)?;
        let passwords = passwords_of(&folder, &cluster, random)?;
        let desk = node::Desk {
            folder: &folder,
            authority: &authority,
            ca: &ca,
            days: spec.certificates.node_days,
            entries: entries(plan),
            now,
        };
        let mut nodes = BTreeMap::new();
        for node in &spec.nodes {
            nodes.insert(node.name.clone(), desk.secrets_of(node, random)?);
        }
        if cluster.note(nodes.keys()) {
            cluster.store(&folder)?;
        }
        Ok(Self {
            ca_valid_from: ca.not_before,
            ca_expires: ca.not_after,
            folder,
            cluster,
            ca_pem,
            signer,
            passwords,
            nodes,
        })
    }

    /// The cluster's random identity: 32 hexadecimal digits.
    pub fn cluster_id(&self) -> &str {
        &self.cluster.cluster_id
    }

    /// The token that keeps members of other etcd clusters out.
    pub fn etcd_token(&self) -> &str {
        &self.cluster.etcd_token
    }

    /// The generation for a build with this content: the one that the same
    /// content had, or the next, which is stored before it is handed out.
    pub fn generation_for(&mut self, content: Sha256) -> Result<u64, IdentityError> {
        let _locked = self.folder.lock()?;
        // Another build may have counted on since this one opened the folder.
        self.cluster.read_again(&self.folder)?;
        if self.cluster.take_up(content) {
            self.cluster.store(&self.folder)?;
        }
        Ok(self.cluster.generation)
    }

    /// Remembers that the lock of this digest was proved.
    pub fn note_proof(&mut self, lock: Sha256) -> Result<(), IdentityError> {
        let _locked = self.folder.lock()?;
        self.cluster.read_again(&self.folder)?;
        if self.cluster.proved.replace(lock) != Some(lock) {
            self.cluster.store(&self.folder)?;
        }
        Ok(())
    }

    /// The set of CAs that nodes trust, PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The key that signs bundles.
    pub fn signer(&self) -> &SigningKey {
        &self.signer
    }

    /// The password of an account.
    pub fn password(&self, account: Account) -> Secret {
        self.passwords.of(account)
    }

    /// The keys and certificates of a node of the plan; none for another.
    pub fn node(&self, name: &NodeName) -> Option<&NodeSecrets> {
        self.nodes.get(name)
    }

    /// The moment from which all of a node's certificates, and the CA, are valid.
    pub fn valid_from(&self, name: &NodeName) -> Epoch {
        let own = self.nodes.get(name).into_iter().flat_map(NodeSecrets::all);
        own.map(|(_, pair)| pair.valid_from)
            .fold(self.ca_valid_from, Epoch::max)
    }

    /// The moment at which the first of a node's certificates, or the CA, expires.
    pub fn expires(&self, name: &NodeName) -> Epoch {
        let own = self.nodes.get(name).into_iter().flat_map(NodeSecrets::all);
        own.map(|(_, pair)| pair.expires)
            .fold(self.ca_expires, Epoch::min)
    }
}

/// Digest of the lock that was last proved for the cluster with these secrets, if any was.
pub fn proved_lock(folder: &Path, cluster: &ClusterName) -> Option<Sha256> {
    let folder = Folder::open(folder).ok()?;
    ClusterRecord::open(&folder, cluster).ok()??.proved
}

/// A node that joins is given keys; one that had some is not given others in silence.
fn none_is_lost(
    folder: &Folder,
    cluster: &ClusterRecord,
    nodes: &[Node],
) -> Result<(), IdentityError> {
    for node in nodes {
        let own = folder.at(&format!("nodes/{}", node.name));
        if cluster.knows(&node.name) && own.symlink_metadata().is_err() {
            return Err(IdentityError::LostNode {
                node: node.name.clone(),
                folder: own,
            });
        }
    }
    Ok(())
}

/// Where clients enter the cluster: by its VIP, else by any proxy.
fn entries(plan: &Plan) -> Vec<IpAddr> {
    match &plan.spec.vip {
        Some(vip) => vec![vip.address.addr()],
        None => plan
            .nodes_with(Role::Proxy)
            .map(|proxy| proxy.address.addr())
            .collect(),
    }
}

/// Lists the certificates of `nodes` that lie in `folder`, and makes none.
pub fn certificates(
    folder: &Path,
    nodes: &[Node],
    now: Epoch,
) -> Result<Vec<Listed>, IdentityError> {
    let folder = Folder::open(folder)?;
    let mut listed = Vec::new();
    let mut add = |node: Option<&NodeName>, purpose, file: &str| -> Result<(), IdentityError> {
        if let Some(pem) = folder.read(file)? {
            for fields in x509::read_all(&folder.shown(file), pem.expose())? {
                listed.push(Listed::new(node.cloned(), purpose, &fields, now));
            }
        }
        Ok(())
    };
    add(None, "ca", "ca.pem")?;
    for node in nodes {
        for purpose in Purpose::ALL {
            let file = purpose.file(&node.name, "pem");
            add(Some(&node.name), purpose.as_str(), &file)?;
        }
    }
    Ok(listed)
}

/// Reads a private key, or makes it. `public` is what is made from it: where
/// that is there alone, the key was lost, and a new one would not fit.
fn key_of(
    folder: &Folder,
    cluster: &ClusterRecord,
    name: &str,
    public: &str,
    random: &mut dyn Random,
) -> Result<SigningKey, IdentityError> {
    if let Some(pem) = folder.read(name)? {
        return Ok(SigningKey::from_pem(&folder.shown(name), &pem)?);
    }
    if folder.read(public)?.is_some() {
        return Err(IdentityError::Incomplete {
            missing: folder.at(name),
            beside: folder.at(public),
        });
    }
    is_still_to_be_made(folder, cluster, name)?;
    let key = draw_key(random)?;
    folder.write(name, key.to_pem().expose())?;
    Ok(key)
}

/// A part that is not there was never there, or it was lost.
fn is_still_to_be_made(
    folder: &Folder,
    cluster: &ClusterRecord,
    name: &str,
) -> Result<(), IdentityError> {
    if !cluster.is_complete() {
        return Ok(());
    }
    Err(IdentityError::Incomplete {
        missing: folder.at(name),
        beside: folder.at(cluster::NAME),
    })
}

fn draw_key(random: &mut dyn Random) -> Result<SigningKey, NoRandom> {
    loop {
        if let Some(key) = SigningKey::from_random(&draw(random)?) {
            return Ok(key);
        }
    }
}

fn ca_of(
    folder: &Folder,
    make: impl FnOnce() -> Result<String, IssueError>,
) -> Result<String, IdentityError> {
    if let Some(pem) = folder.read("ca.pem")? {
        return Ok(pem.expose().to_owned());
    }
    let pem = make()?;
    folder.write("ca.pem", &pem)?;
    Ok(pem)
}

/// The certificate of the set that belongs to the CA's key and lasts longest.
fn own_certificate(
    folder: &Folder,
    pem: &str,
    key: &SigningKey,
    now: Epoch,
) -> Result<Fields, IdentityError> {
    let public_key = key.public().to_der();
    let all = x509::read_all(&folder.shown("ca.pem"), pem)?;
    // A CA that was prolonged with its key stands there twice.
    let own = all
        .into_iter()
        .filter(|ca| ca.public_key == public_key)
        .max_by_key(|ca| ca.not_after);
    let own = own.ok_or_else(|| IdentityError::NotItsKey {
        certificates: folder.at("ca.pem"),
        key: folder.at("ca.key"),
    })?;
    if own.not_after <= now {
        return Err(IdentityError::Expired {
            path: folder.at("ca.pem"),
            expired: own.not_after,
        });
    }
    Ok(own)
}

fn signer_of(
    folder: &Folder,
    cluster: &ClusterRecord,
    random: &mut dyn Random,
) -> Result<SigningKey, IdentityError> {
    let key = key_of(folder, cluster, "signer.key", "signer.pub", random)?;
    let public = key.public().to_pem();
    if folder
        .read("signer.pub")?
        .is_none_or(|pem| pem.expose() != public)
    {
        folder.write("signer.pub", &public)?;
    }
    Ok(key)
}

fn passwords_of(
    folder: &Folder,
    cluster: &ClusterRecord,
    random: &mut dyn Random,
) -> Result<Passwords, IdentityError> {
    const NAME: &str = "passwords.json";
    let mut passwords = match folder.read(NAME)? {
        Some(text) => from_json(folder, NAME, &text)?,
        None => {
            is_still_to_be_made(folder, cluster, NAME)?;
            Passwords::empty()
        }
    };
    if passwords.complete(random)? {
        folder.write(NAME, &to_json(&passwords))?;
    }
    Ok(passwords)
}

fn from_json<T: serde::de::DeserializeOwned>(
    folder: &Folder,
    name: &str,
    text: &Secret,
) -> Result<T, IdentityError> {
    serde_json::from_str(text.expose()).map_err(|error| IdentityError::Json {
        path: folder.at(name),
        // serde_json quotes what it did not expect, which here may be a secret.
        reason: format!("line {}, column {}", error.line(), error.column()),
    })
}

fn to_json(document: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(document);
    text.expect("these structs have text keys and no failure") + "\n"
}
