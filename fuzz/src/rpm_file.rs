//! A package's file, as far as its payload.

use std::io::Cursor;

use pgbundle::base::Epoch;
use pgbundle::repo::openpgp::Trust;
use pgbundle::repo::rpm::file::PackageFile;
use pgbundle::repo::rpm::signature::verify;
use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse;

/// Two keys without their secret parts; the second is one of CentOS 7's time.
const KEYS: &[u8] = include_bytes!("../fixtures/packager.pgp");
/// All that they ever signed.
const SIGNED: [&[u8]; 2] = [
    include_bytes!("../seeds/rpm_file/now"),
    include_bytes!("../seeds/rpm_file/el7"),
];

/// Nothing is accepted but header and payload that a key signed, whatever
/// stands before them.
pub fn holds(bytes: &[u8]) -> bool {
    let mut file = Cursor::new(bytes);
    let package = match PackageFile::read(&mut file) {
        Ok(package) => package,
        Err(why) => {
            assert!(!why.to_string().is_empty(), "a refusal says why");
            return false;
        }
    };
    if let Ok(identity) = package.identity() {
        assert!(!identity.name.is_empty() && !identity.architecture.is_empty());
    }
    package.lacks(["/usr/bin/tiny"]);
    let certs: Vec<Cert> = CertParser::from_bytes(KEYS)
        .and_then(Iterator::collect)
        .expect("the keys are sound");
    let trust = Trust {
        certs: &certs,
        legacy: &[certs[1].fingerprint().to_hex()],
    };
    let at: Epoch = "2026-11-21T00:00:00Z".parse().expect("a time");
    let header = package.header.bytes();
    let payload = &bytes[file.position() as usize..];
    match verify(&package, file, trust, at) {
        Ok(_) => {
            let found = [header, payload].concat();
            assert!(
                SIGNED.iter().any(|all| all.ends_with(&found)),
                "never signed"
            );
            true
        }
        Err(why) => {
            assert!(!why.to_string().is_empty(), "a refusal says why");
            false
        }
    }
}
