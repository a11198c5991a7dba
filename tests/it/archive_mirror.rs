//! A small signed apt archive in a folder: real packages, an index, a signature.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use pgbundle::base::Sha256;
use sequoia_openpgp::Cert;
use sequoia_openpgp::serialize::SerializeInto;

#[path = "../../src/repo/signing.rs"]
mod signing;

/// The suite, which no apt archive of a real machine has.
pub const SUITE: &str = "one";

/// What the archive says it is as of; the lock takes it as its date.
const DATE: &str = "Mon, 05 Jan 2026 02:11:10 UTC";

/// Name, version, architecture and needs of each package.
const PACKAGES: [(&str, &str, &str, &str); 10] = [
    ("etcd-client", "3.4.23-1", "amd64", ""),
    ("etcd-server", "3.4.23-1", "amd64", "libtiny (>= 1)"),
    ("haproxy", "2.6.12-1", "amd64", "libtiny"),
    ("keepalived", "1:2.2.7-1+b2", "amd64", "installed-already"),
    ("libtiny", "1.2~rc1-3", "amd64", ""),
    ("patroni", "3.0.2-1", "all", "python3-etcd | python3-consul"),
    ("pgbouncer", "1.18.0-1", "amd64", "postgresql-common"),
    ("postgresql-15", "15.14-0", "amd64", "postgresql-common"),
    ("postgresql-common", "248", "all", ""),
    ("python3-etcd", "0.4.5-4", "all", "installed-already"),
];

/// The base image's packages.
pub const BASE: &str =
    "Package: installed-already\nVersion: 1\nArchitecture: amd64\nInstalled-Size: 1\n";

/// An archive's key, and who has it.
pub struct Archive {
    key: Cert,
}

fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

impl Archive {
    /// An archive whose key was made in 2024.
    pub fn new() -> Self {
        Self {
            key: signing::key(moment(1_704_067_200), None),
        }
    }

    /// One whose key was good when it signed and has expired five days later.
    pub fn of_an_expired_key() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Self {
            key: signing::key(moment(1_704_067_200), Some(days(740))),
        }
    }

    /// The fingerprint that a profile pins.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint().to_hex()
    }

    /// The certificate, as a keyring package brings it.
    pub fn certificate(&self) -> Vec<u8> {
        self.key.to_vec().expect("memory")
    }

    /// Writes packages, index and signature below `root`.
    pub fn publish(&self, root: &Path) {
        self.publish_with(root, "");
    }

    /// The same with more fields in the signed text.
    pub fn publish_with(&self, root: &Path, fields: &str) {
        self.publish_packages(root, &[], fields);
    }

    /// The same with some packages, by name, in other versions.
    pub fn publish_newer(&self, root: &Path, newer: &[(&str, &str)]) {
        self.publish_packages(root, newer, "");
    }

    fn publish_packages(&self, root: &Path, newer: &[(&str, &str)], fields: &str) {
        let mut index = String::new();
        for (name, version, architecture, depends) in PACKAGES {
            let other = newer.iter().find(|(other, _)| *other == name);
            let version = other.map_or(version, |(_, version)| version);
            let control = control(name, version, architecture, depends);
            let deb = deb(name, &control);
            let file = version.replace(':', "%3a");
            let path = format!("pool/main/{name}_{file}_{architecture}.deb");
            write(&root.join(&path), &deb);
            index.push_str(&format!(
                "{control}Filename: {path}\nSize: {}\nSHA256: {}\n\n",
                deb.len(),
                Sha256::of(&deb)
            ));
        }
        self.publish_index(root, index.as_bytes(), fields);
    }

    fn publish_index(&self, root: &Path, index: &[u8], fields: &str) {
        let suite = root.join("dists").join(SUITE);
        let packed = signing::xz(index);
        write(&suite.join("main/binary-amd64/Packages.xz"), &packed);
        let release = format!("{fields}{}", release(index, &packed));
        // Two hours after 2026-01-05T02:11:10Z.
        let signed = signing::sign(&release, &self.key, moment(1_767_586_270));
        write(&suite.join("InRelease"), &signed);
    }
}

fn release(index: &[u8], packed: &[u8]) -> String {
    let row = |bytes: &[u8], name: &str| {
        format!(
            " {} {} main/binary-amd64/{name}\n",
            Sha256::of(bytes),
            bytes.len()
        )
    };
    format!(
        "Origin: Tiny\nSuite: stable\nCodename: {SUITE}\nDate: {DATE}\nAcquire-By-Hash: no\n\
         Architectures: all amd64\nNo-Support-for-Architecture-all: Packages\nSHA256:\n{}{}",
        row(index, "Packages"),
        row(packed, "Packages.xz")
    )
}

fn control(name: &str, version: &str, architecture: &str, depends: &str) -> String {
    let needs = match depends {
        "" => String::new(),
        depends => format!("Depends: {depends}\n"),
    };
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n\
         Maintainer: Nobody <nobody@example.org>\nInstalled-Size: 8\n{needs}\
         Description: a package that holds one text\n"
    )
}

/// A binary package (deb(5)): an `ar` archive of three members.
fn deb(name: &str, control: &str) -> Vec<u8> {
    let text = format!("This is {name}.\n");
    let data = tar_gz(&format!("./usr/share/doc/{name}/copyright"), &text);
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", tar_gz("./control", control)),
        ("data.tar.gz", data),
    ];
    let mut ar = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let head = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            "100644",
            bytes.len()
        );
        ar.extend(head.as_bytes());
        ar.extend(&bytes);
        if bytes.len() % 2 == 1 {
            ar.push(b'\n');
        }
    }
    ar
}

fn tar_gz(path: &str, text: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    archive
        .append_data(&mut header, path, text.as_bytes())
        .expect("memory");
    archive.into_inner().unwrap().finish().expect("memory")
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a file has a folder")).unwrap();
    let mut file = fs::File::create(path).unwrap();
    file.write_all(bytes).unwrap();
}
