//! A packager's side of the matter, for tests: small packages that rpm
//! installs, signed as rpmsign does, or as it did in CentOS 7's time. The
//! tests of the whole program include this file too.

use std::io::Write;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use sequoia_openpgp::cert::{CertBuilder, CipherSuite};
use sequoia_openpgp::crypto::{KeyPair, Signer as _};
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::packet::{Packet, UserID};
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::MarshalInto;
use sequoia_openpgp::serialize::stream::{Message, Signer};
use sequoia_openpgp::types::{HashAlgorithm, KeyFlags, SignatureType};
use sequoia_openpgp::{Cert, KeyID};
use sha2::{Digest, Sha256};

/// A package to be written.
#[derive(Clone, Debug)]
pub struct Package<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its epoch, where it has one.
    pub epoch: Option<u32>,
    /// Its version.
    pub version: &'a str,
    /// Its release.
    pub release: &'a str,
    /// Its architecture.
    pub architecture: &'a str,
    /// What it needs: a name, flags of `rpmsenseFlags`, a version.
    pub requires: Vec<(&'a str, u32, &'a str)>,
    /// What it provides besides itself.
    pub provides: Vec<(&'a str, u32, &'a str)>,
    /// Its files: paths of two parts at least, and what is in them.
    pub files: Vec<(&'a str, &'a str)>,
    /// What all of its files are.
    pub attributes: Attributes<'a>,
    /// The module that it was built for, where there is one.
    pub module: Option<&'a str>,
    /// Whether the header has the payload's digest, as from rpm 4.14 on.
    pub payload_digest: bool,
}

/// What a package's files are; what is in a symbolic link is where it leads.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Kind and permissions (inode(7)).
    pub mode: u16,
    /// `rpmfileAttrs`.
    pub flags: u32,
    /// User and group.
    pub owner: &'a str,
    /// 1 for ELF of 32 bits, 2 for 64.
    pub color: u32,
}

/// A plain file of root's.
pub const PLAIN: Attributes<'static> = Attributes {
    mode: 0o100_644,
    flags: 0,
    owner: "root",
    color: 0,
};

/// Flags of a relation (`rpmsenseFlags`).
pub mod sense {
    /// `=`
    pub const EQUAL: u32 = 8;
    /// `>=`
    pub const AT_LEAST: u32 = 12;
}

/// How a package is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signing {
    /// Over the header.
    pub header: bool,
    /// Over header and payload.
    pub all: bool,
    /// By signatures of version 3, as in CentOS 7.
    pub version_3: bool,
}

impl Signing {
    /// As CentOS 7 and EPEL 7 do.
    pub const EL7: Self = Self {
        header: true,
        all: true,
        version_3: true,
    };
    /// As `rpmsign` does now.
    pub const NOW: Self = Self {
        header: true,
        all: false,
        version_3: false,
    };
}

/// A value of a header.
enum Value {
    Numbers(Vec<u32>),
    Shorts(Vec<u16>),
    Text(String),
    Texts(Vec<String>),
    Translated(String),
    Binary(Vec<u8>),
}

/// An RSA key that signs, made at that time.
pub fn rsa_key(made: SystemTime) -> Cert {
    let key = CertBuilder::new()
        .add_userid("Packager <packager@example.org>")
        .set_cipher_suite(CipherSuite::RSA2k)
        .set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
        .set_creation_time(made)
        .generate()
        .expect("a key")
        .0;
    // rpm 4 imports no key that has signatures beside that of its owner.
    bound(&key, made, HashAlgorithm::SHA256)
}

/// The same key, bound to its owner by a signature with SHA-1.
pub fn bound_by_sha1(cert: &Cert, made: SystemTime) -> Cert {
    bound(cert, made, HashAlgorithm::SHA1)
}

fn bound(cert: &Cert, made: SystemTime, hash: HashAlgorithm) -> Cert {
    let key = cert.primary_key().key().clone();
    let secret = key.clone().parts_into_secret().expect("a secret key");
    let mut signer = secret.clone().into_keypair().expect("an unprotected key");
    let owner = UserID::from("Packager <packager@example.org>");
    let binding = SignatureBuilder::new(SignatureType::PositiveCertification)
        .set_hash_algo(hash)
        .set_key_flags(KeyFlags::empty().set_certification().set_signing())
        .and_then(|builder| builder.set_signature_creation_time(made))
        .and_then(|builder| builder.sign_userid_binding(&mut signer, None, &owner))
        .expect("a signature");
    let packets = [Packet::from(secret), owner.into(), binding.into()];
    Cert::from_packets(packets.into_iter()).expect("a certificate")
}

fn signing_pair(cert: &Cert, at: SystemTime) -> KeyPair {
    // Even keys that nobody should accept sign here.
    let mut policy = StandardPolicy::at(at);
    policy.accept_hash(HashAlgorithm::SHA1);
    let mut keys = cert.keys().with_policy(&policy, at).secret().for_signing();
    let key = keys.next().expect("a signing key").key().clone();
    key.into_keypair().expect("an unprotected key")
}

/// A detached signature, as a packet.
pub fn detached(bytes: &[u8], key: &Cert, at: SystemTime) -> Vec<u8> {
    let mut out = Vec::new();
    let signer = Signer::new(Message::new(&mut out), signing_pair(key, at)).expect("a signer");
    let signer = signer.detached().creation_time(at);
    let mut message = signer.build().expect("a signer");
    message.write_all(bytes).expect("memory");
    message.finalize().expect("memory");
    out
}

/// A detached signature of version 3 (RFC 4880, 5.2.2).
pub fn detached_v3(bytes: &[u8], key: &Cert, at: SystemTime) -> Vec<u8> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).expect("a time");
    let mut hashed = vec![0];
    hashed.extend((since.as_secs() as u32).to_be_bytes());
    let digest = Sha256::new()
        .chain_update(bytes)
        .chain_update(&hashed)
        .finalize();
    let mut pair = signing_pair(key, at);
    let made = pair
        .sign(HashAlgorithm::SHA256, &digest)
        .expect("a signature");
    let mut body = vec![3, 5];
    body.extend(&hashed);
    body.extend(KeyID::from(pair.public().fingerprint()).as_bytes());
    body.push(pair.public().pk_algo().into());
    body.push(HashAlgorithm::SHA256.into());
    body.extend(&digest[..2]);
    body.extend(made.to_vec().expect("memory"));
    // An old packet's head: tag 2, a length of two bytes.
    let mut packet = vec![0x89];
    packet.extend((body.len() as u16).to_be_bytes());
    packet.extend(body);
    packet
}

impl<'a> Package<'a> {
    /// A package of that name and version that holds nothing and needs nothing.
    pub fn new(name: &'a str, version: &'a str, architecture: &'a str) -> Self {
        Self {
            name,
            epoch: None,
            version,
            release: "1",
            architecture,
            requires: Vec::new(),
            provides: Vec::new(),
            files: Vec::new(),
            attributes: PLAIN,
            module: None,
            payload_digest: true,
        }
    }

    /// The name of its file.
    pub fn file_name(&self) -> String {
        let Self {
            name,
            version,
            release,
            architecture,
            ..
        } = self;
        format!("{name}-{version}-{release}.{architecture}.rpm")
    }

    /// The package's file, unsigned.
    pub fn unsigned(&self) -> Vec<u8> {
        self.write(None)
    }

    /// The package's file, signed at that time.
    pub fn signed(&self, key: &Cert, at: SystemTime, how: Signing) -> Vec<u8> {
        self.write(Some((key, at, how)))
    }

    fn write(&self, signer: Option<(&Cert, SystemTime, Signing)>) -> Vec<u8> {
        let payload = self.payload();
        let header = self.header(&payload);
        let all = [header.as_slice(), &payload].concat();
        let digest = hex::encode(Sha256::digest(&header));
        let mut signatures = vec![
            (273, Value::Text(digest)),
            (1000, Value::Numbers(vec![all.len() as u32])),
            (1004, Value::Binary(md5(&all))),
        ];
        if let Some((key, at, how)) = signer {
            let sign = if how.version_3 { detached_v3 } else { detached };
            if how.header {
                signatures.push((268, Value::Binary(sign(&header, key, at))));
            }
            if how.all {
                signatures.push((1002, Value::Binary(sign(&all, key, at))));
            }
        }
        let mut file = self.lead();
        file.extend(write_header(62, signatures));
        file.resize(file.len().next_multiple_of(8), 0);
        file.extend(all);
        file
    }

    fn lead(&self) -> Vec<u8> {
        let mut lead = vec![0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0, 0, 1];
        lead.extend(self.name.bytes().take(65));
        lead.resize(76, 0);
        lead.extend([0, 1, 0, 5]);
        lead.resize(96, 0);
        lead
    }

    fn header(&self, payload: &[u8]) -> Vec<u8> {
        let text = |text: &str| Value::Text(text.to_owned());
        let epoch = self
            .epoch
            .map_or(String::new(), |epoch| format!("{epoch}:"));
        let own = format!("{epoch}{}-{}", self.version, self.release);
        let mut provides = self.provides.clone();
        provides.push((self.name, sense::EQUAL, &own));
        let mut requires = self.requires.clone();
        // What these packages ask of rpm itself (rpmlib(…) by PREREQ and RPMLIB flags).
        requires.push(("rpmlib(CompressedFileNames)", 0x100_000a, "3.0.4-1"));
        let size: usize = self.files.iter().map(|(_, content)| content.len()).sum();
        let mut values = vec![
            (100, Value::Texts(vec!["C".to_owned()])),
            (1000, text(self.name)),
            (1001, text(self.version)),
            (1002, text(self.release)),
            (1004, Value::Translated("A package of a test".to_owned())),
            (1005, Value::Translated("It holds little".to_owned())),
            (1006, Value::Numbers(vec![1_700_000_000])),
            (1007, text("packager.example")),
            (1009, Value::Numbers(vec![size as u32])),
            (1014, text("Apache-2.0")),
            (1016, Value::Translated("Unspecified".to_owned())),
            (1021, text("linux")),
            (1022, text(self.architecture)),
            (1044, text(&format!("{}-{}.src.rpm", self.name, own))),
            (1064, text("4.11.3")),
            (1124, text("cpio")),
            (1125, text("gzip")),
            (1126, text("9")),
        ];
        values.extend(self.epoch.map(|epoch| (1003, Value::Numbers(vec![epoch]))));
        values.extend(relations([1047, 1112, 1113], &provides));
        values.extend(relations([1049, 1048, 1050], &requires));
        values.extend(self.file_values());
        values.extend(self.module.map(|module| (5096, text(module))));
        if self.payload_digest {
            let digest = hex::encode(Sha256::digest(payload));
            values.push((5092, Value::Texts(vec![digest])));
            values.push((5093, Value::Numbers(vec![8])));
        }
        write_header(63, values)
    }

    fn file_values(&self) -> Vec<(u32, Value)> {
        if self.files.is_empty() {
            return Vec::new();
        }
        let mut folders: Vec<String> = Vec::new();
        let mut columns = Files::default();
        for (inode, (path, content)) in (1..).zip(&self.files) {
            let (folder, name) = path.rsplit_once('/').expect("an absolute path");
            let folder = format!("{folder}/");
            if !folders.contains(&folder) {
                folders.push(folder.clone());
            }
            let place = folders.iter().position(|one| *one == folder);
            columns.folder.push(place.expect("it was put there") as u32);
            columns.names.push(name.to_owned());
            let is_settings = folder.starts_with("/etc/");
            columns.flags.push(match is_settings {
                true => self.attributes.flags | CONFIGURATION,
                false => self.attributes.flags,
            });
            columns.sizes.push(content.len() as u32);
            columns.digests.push(hex::encode(Sha256::digest(content)));
            columns.inodes.push(inode);
        }
        let count = self.files.len();
        let same = |text: &str| Value::Texts(vec![text.to_owned(); count]);
        let Attributes {
            mode, owner, color, ..
        } = self.attributes;
        let numbers = |number| Value::Numbers(vec![number; count]);
        let links = match mode & 0o170_000 {
            0o120_000 => self.files.iter().map(|(_, to)| (*to).to_owned()).collect(),
            _ => vec![String::new(); count],
        };
        vec![
            (1028, Value::Numbers(columns.sizes)),
            (1030, Value::Shorts(vec![mode; count])),
            (1033, Value::Shorts(vec![0; count])),
            (1034, Value::Numbers(vec![1_700_000_000; count])),
            (1035, Value::Texts(columns.digests)),
            (1036, Value::Texts(links)),
            (1037, Value::Numbers(columns.flags)),
            (1039, same(owner)),
            (1040, same(owner)),
            (1045, Value::Numbers(vec![u32::MAX; count])),
            (1095, Value::Numbers(vec![1; count])),
            (1096, Value::Numbers(columns.inodes)),
            (1097, same("")),
            (1140, numbers(color)),
            (1116, Value::Numbers(columns.folder)),
            (1117, Value::Texts(columns.names)),
            (1118, Value::Texts(folders)),
            (5011, Value::Numbers(vec![8])),
        ]
    }

    /// An archive of cpio's "newc" format, packed by gzip.
    fn payload(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        let mut member = |name: &str, content: &str, inode: u32, mode: u32| {
            let head = [
                inode,
                mode,
                0,
                0,
                1,
                1_700_000_000,
                content.len() as u32,
                0,
                0,
                0,
                0,
                name.len() as u32 + 1,
                0,
            ];
            archive.extend(b"070701");
            head.iter()
                .for_each(|number| archive.extend(format!("{number:08x}").bytes()));
            archive.extend(name.bytes());
            archive.push(0);
            archive.resize(archive.len().next_multiple_of(4), 0);
            archive.extend(content.bytes());
            archive.resize(archive.len().next_multiple_of(4), 0);
        };
        for (inode, (path, content)) in (1..).zip(&self.files) {
            let mode = u32::from(self.attributes.mode);
            member(&format!(".{path}"), content, inode, mode);
        }
        member("TRAILER!!!", "", 0, 0);
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&archive).expect("memory");
        packed.finish().expect("memory")
    }
}

/// `%config(noreplace)` (`rpmfileAttrs`).
const CONFIGURATION: u32 = 1 | 16;

#[derive(Default)]
struct Files {
    folder: Vec<u32>,
    names: Vec<String>,
    sizes: Vec<u32>,
    flags: Vec<u32>,
    digests: Vec<String>,
    inodes: Vec<u32>,
}

fn relations(tags: [u32; 3], all: &[(&str, u32, &str)]) -> [(u32, Value); 3] {
    let [names, flags, versions] = tags;
    let text = |text: &str| text.to_owned();
    [
        (
            names,
            Value::Texts(all.iter().map(|(name, ..)| text(name)).collect()),
        ),
        (
            flags,
            Value::Numbers(all.iter().map(|(_, flag, _)| *flag).collect()),
        ),
        (
            versions,
            Value::Texts(all.iter().map(|(.., version)| text(version)).collect()),
        ),
    ]
}

// Nothing else covers the payload of CentOS 7's packages in rpm's eyes where no key is known.
fn md5(bytes: &[u8]) -> Vec<u8> {
    let hasher = HashAlgorithm::MD5.context().expect("sequoia has it");
    let mut hasher = hasher.for_digest();
    hasher.update(bytes);
    hasher.into_digest().expect("memory")
}

/// A header that is one region, of which `region` is the tag.
fn write_header(region: u32, mut values: Vec<(u32, Value)>) -> Vec<u8> {
    values.sort_by_key(|(tag, _)| *tag);
    let mut store = Vec::new();
    let mut table = Vec::new();
    for (tag, value) in &values {
        let (kind, count, align, bytes) = written(value);
        store.resize(store.len().next_multiple_of(align), 0);
        for number in [*tag, kind, store.len() as u32, count] {
            table.extend(number.to_be_bytes());
        }
        store.extend(bytes);
    }
    let entries = values.len() as u32 + 1;
    let mut whole = Vec::new();
    for number in [region, 7, store.len() as u32, 16] {
        whole.extend(number.to_be_bytes());
    }
    let end = -(entries as i32 * 16);
    for number in [region as i32, 7, end, 16] {
        store.extend(number.to_be_bytes());
    }
    let mut header = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    header.extend(entries.to_be_bytes());
    header.extend((store.len() as u32).to_be_bytes());
    [header, whole, table, store].concat()
}

/// Type, count, alignment and bytes.
fn written(value: &Value) -> (u32, u32, usize, Vec<u8>) {
    let ended = |text: &String| [text.as_bytes(), &[0]].concat();
    match value {
        Value::Shorts(numbers) => {
            let bytes = numbers.iter().flat_map(|number| number.to_be_bytes());
            (3, numbers.len() as u32, 2, bytes.collect())
        }
        Value::Numbers(numbers) => {
            let bytes = numbers.iter().flat_map(|number| number.to_be_bytes());
            (4, numbers.len() as u32, 4, bytes.collect())
        }
        Value::Text(text) => (6, 1, 1, ended(text)),
        Value::Binary(bytes) => (7, bytes.len() as u32, 1, bytes.clone()),
        Value::Texts(texts) => {
            let bytes = texts.iter().flat_map(ended);
            (8, texts.len() as u32, 1, bytes.collect())
        }
        Value::Translated(text) => (9, 1, 1, ended(text)),
    }
}

/// A moment, in seconds since 1970.
pub fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
