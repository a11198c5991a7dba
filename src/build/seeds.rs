//! One seed a node: its identity, and cloud-init's files that carry it.

use super::{BuildError, Composed, Inputs, MadeFile};
use crate::archive::iso::{Content, IsoFile};
use crate::base::{BundlePath, SchemaVersion};
use crate::bundle::manifest::{ManifestFile, ReleaseBundle};
use crate::identity::{Account, Identities, KeyPair};
use crate::render::{self, EtcdSecrets, NodeSecretsInput, PostgresSecrets, ProxySecrets};
use crate::seed::identity::{Identity, Pinned, PinnedBundle};
use crate::seed::nocloud;
use crate::seed::user_data::UserData;
use crate::spec::Node;

/// A node's seed: cloud-init's files by name.
pub struct Seed {
    /// `user-data`, `meta-data` and, where the spec has a network, `network-config`.
    pub files: Vec<(&'static str, Vec<u8>)>,
}

impl Seed {
    /// What of it is shown to the operator.
    pub fn shown(&self, node: &Node) -> Option<MadeFile> {
        let (name, bytes) = self.files.iter().find(|(name, _)| *name == "user-data")?;
        Some(MadeFile {
            path: format!("seeds/{}/{name}", node.name),
            size: bytes.len() as u64,
        })
    }
}

/// Makes a node's seed, which pins the bundles just written.
pub fn seed(
    node: &Node,
    composed: &Composed,
    written: &[ReleaseBundle],
    node_program: &ManifestFile,
    inputs: &Inputs<'_>,
    identities: &Identities,
) -> Result<Seed, BuildError> {
    let generation = composed.generation;
    let identity = identity(node, generation, written, node_program, inputs, identities)?;
    let mut files = vec![
        ("user-data", UserData::of(&identity)?.as_bytes().to_vec()),
        ("meta-data", nocloud::meta_data(&identity).into_bytes()),
    ];
    if let Some(network) = nocloud::network_config(node) {
        files.push(("network-config", network.into_bytes()));
    }
    Ok(Seed { files })
}

/// A node's identity document, which pins `written`.
pub fn identity(
    node: &Node,
    generation: u64,
    written: &[ReleaseBundle],
    node_program: &ManifestFile,
    inputs: &Inputs<'_>,
    identities: &Identities,
) -> Result<Identity, BuildError> {
    let plan = inputs.locked.plan();
    let carried = written
        .iter()
        .filter(|bundle| node.roles.contains(&bundle.role));
    Ok(Identity {
        format: SchemaVersion,
        cluster: plan.spec.cluster.clone(),
        cluster_id: identities.cluster_id().to_owned(),
        node: node.name.clone(),
        address: node.address,
        roles: node.roles.clone(),
        profile: plan.profile.name.clone(),
        architecture: plan.architecture.clone(),
        os: plan.profile.os.clone(),
        generation,
        date: inputs.date,
        valid_from: identities.valid_from(&node.name),
        expires: identities.expires(&node.name),
        signer: identities.signer().public().to_pem(),
        node_program: pinned(node_program),
        bundles: carried
            .map(|bundle| PinnedBundle {
                role: bundle.role,
                file: pinned(&bundle.file),
            })
            .collect(),
        sources: plan.spec.delivery.clone(),
        secrets: secrets(node, inputs, identities)?,
    })
}

fn pinned(file: &ManifestFile) -> Pinned {
    Pinned {
        path: file.path.clone(),
        size: file.size,
        sha256: file.sha256,
    }
}

/// The secret files of a node: what its roles need, and no more.
fn secrets(
    node: &Node,
    inputs: &Inputs<'_>,
    identities: &Identities,
) -> Result<Vec<crate::seed::identity::SecretFile>, BuildError> {
    let keys = identities
        .node(&node.name)
        .expect("the secrets were opened for this plan");
    let password = |account| identities.password(account);
    let (superuser, replication, rewind) = (
        password(Account::Superuser),
        password(Account::Replication),
        password(Account::Rewind),
    );
    let (rest, statistics) = (password(Account::RestApi), password(Account::Statistics));
    let postgres = keys
        .patroni
        .as_ref()
        .zip(keys.postgres.as_ref())
        .map(|(patroni, postgres)| PostgresSecrets {
            patroni: pair(patroni),
            postgres: pair(postgres),
            superuser: superuser.expose(),
            replication: replication.expose(),
            rewind: rewind.expose(),
            rest: rest.expose(),
        });
    let proxy = node
        .roles
        .contains(&crate::base::Role::Proxy)
        .then(|| ProxySecrets {
            statistics: statistics.expose(),
        });
    let input = NodeSecretsInput {
        etcd: keys.etcd.as_ref().map(|tls| EtcdSecrets { tls: pair(tls) }),
        postgres,
        proxy,
    };
    Ok(render::secret_files(inputs.locked.plan(), &input)?)
}

fn pair(pair: &KeyPair) -> render::KeyPair<'_> {
    render::KeyPair {
        certificate: &pair.certificate,
        key: pair.key.expose(),
    }
}

/// The ISO's files: the seed, and with it the program and bundles where `media` asks for them.
pub fn iso_files(seed: &Seed, media: &[(BundlePath, std::path::PathBuf)]) -> Vec<IsoFile> {
    let seed_file = |(name, bytes): &(&'static str, Vec<u8>)| IsoFile {
        path: name.parse().expect("the names are constants"),
        content: Content::Bytes(bytes.clone()),
        mode: 0o600,
    };
    let media_file = |(path, file): &(BundlePath, std::path::PathBuf)| IsoFile {
        path: path.clone(),
        content: Content::File(file.clone()),
        mode: 0o644,
    };
    seed.files
        .iter()
        .map(seed_file)
        .chain(media.iter().map(media_file))
        .collect()
}
