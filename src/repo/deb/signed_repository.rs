//! A tiny signed repository, made in memory for tests.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use sequoia_openpgp::Cert;

use crate::base::{Epoch, Sha256};
use crate::profile::{AptArchive, Repository, Source};
use crate::repo::signing;
pub use crate::repo::signing::xz;
use crate::repo::transport::{Transport, TransportError};

/// When all of it happens: 2026-11-20.
pub fn today() -> Epoch {
    "2026-11-20T12:00:00Z".parse().expect("a time")
}

fn system_time(epoch: Epoch) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(epoch.seconds() as u64)
}

/// A key that signs, made ten days ago and good for `days` since.
pub fn key(days: u64) -> Cert {
    let made = system_time(today().plus_days(-10));
    signing::key(made, Some(Duration::from_secs(days * 86_400)))
}

/// Signs a text in the cleartext framework, `at` that time.
pub fn sign(text: &str, key: &Cert, at: Epoch) -> Vec<u8> {
    signing::sign(text, key, system_time(at))
}

/// A mirror in memory that remembers what was asked of it.
#[derive(Default)]
pub struct Mirror {
    /// Files by address.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What was asked for, in order.
    pub asked: Mutex<Vec<String>>,
}

impl Transport for Mirror {
    fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, TransportError> {
        self.asked.lock().unwrap().push(url.to_owned());
        let url = url.to_owned();
        match self.files.get(&url) {
            None => Err(TransportError::Missing { url }),
            Some(bytes) if bytes.len() as u64 > limit => {
                Err(TransportError::TooLarge { url, limit })
            }
            Some(bytes) => Ok(bytes.clone()),
        }
    }
}

/// The packages that the repository of [`publish`] has.
pub const PACKAGES: &str = "\
Package: a
Version: 1.0-1
Architecture: amd64
Depends: b (>= 2), libc6
Filename: pool/main/a/a_1.0-1_amd64.deb
Size: 10
SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

Package: b
Version: 2
Architecture: all
Installed-Size: 3
Filename: pool/main/b/b_2_all.deb
Size: 20
SHA256: 01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b
";

/// The text of a release of [`PACKAGES`].
pub fn release(packages: &[u8], packed: &[u8]) -> String {
    format!(
        "Origin: Example\nSuite: stable\nCodename: one\nDate: Fri, 20 Nov 2026 02:11:10 UTC\n\
         Valid-Until: Fri, 27 Nov 2026 02:11:10 UTC\nAcquire-By-Hash: yes\n\
         Architectures: all amd64\nNo-Support-for-Architecture-all: Packages\nSHA256:\n {} {} \
         main/binary-amd64/Packages\n {} {} main/binary-amd64/Packages.xz\n",
        Sha256::of(packages),
        packages.len(),
        Sha256::of(packed),
        packed.len()
    )
}

/// A mirror at `root` that serves a release signed by `key`.
pub fn publish(root: &str, key: &Cert) -> Mirror {
    let packed = xz(PACKAGES.as_bytes());
    let signed = sign(&release(PACKAGES.as_bytes(), &packed), key, today());
    let mut mirror = Mirror::default();
    mirror
        .files
        .insert(format!("{root}/dists/one/InRelease"), signed);
    mirror.files.insert(
        format!("{root}/dists/one/main/binary-amd64/Packages.xz"),
        packed,
    );
    mirror
}

/// The source that trusts `key`, with one public mirror.
pub fn source(key: &Cert) -> Source {
    Source {
        id: "example".to_owned(),
        keys: vec![key.fingerprint().to_hex()],
        mirrors: vec!["http://public.example".to_owned()],
        kind: Repository::Apt(archive()),
    }
}

/// What of it is read, and whose it must be.
pub fn archive() -> AptArchive {
    AptArchive {
        suites: vec!["one".to_owned()],
        components: vec!["main".to_owned()],
        origin: "Example".to_owned(),
        codenames: vec!["one".to_owned()],
    }
}
