//! Which packages are accepted, which are not, and what is said of those.

use std::io::{Cursor, Write};
use std::sync::LazyLock;
use std::time::SystemTime;

use proptest::prelude::*;
use sequoia_openpgp::Cert;

use super::*;
use crate::repo::rpm::rpm_writing::{Package, Signing, bound_by_sha1, moment, rsa_key, sense};

/// 2018-11-12, when CentOS 7 was signed.
static MADE: LazyLock<SystemTime> = LazyLock::new(|| moment(1_541_980_800));
static KEY: LazyLock<Cert> = LazyLock::new(|| rsa_key(*MADE));
static OLD_KEY: LazyLock<Cert> = LazyLock::new(|| bound_by_sha1(&KEY, *MADE));

fn now() -> Epoch {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn package() -> Package<'static> {
    Package {
        files: vec![("/usr/bin/tiny", "#!/bin/sh\n")],
        requires: vec![("tiny-libs", sense::AT_LEAST, "1.0")],
        ..Package::new("tiny", "1.0", "x86_64")
    }
}

fn check(file: &[u8], certs: &[Cert], legacy: &[String]) -> Result<String, String> {
    let mut file = Cursor::new(file);
    let package = PackageFile::read(&mut file).map_err(|error| error.to_string())?;
    let trust = Trust { certs, legacy };
    verify(&package, file, trust, now()).map_err(|error| error.to_string())
}

fn strict(file: &[u8]) -> Result<String, String> {
    check(file, std::slice::from_ref(&*KEY), &[])
}

fn fingerprint() -> String {
    KEY.fingerprint().to_hex()
}

#[test]
fn a_header_signature_and_the_payloads_digest_cover_a_package() {
    let file = package().signed(&KEY, *MADE, Signing::NOW);
    assert_eq!(strict(&file), Ok(fingerprint()));
}

#[test]
fn without_that_digest_the_payload_needs_a_signature_of_its_own() {
    let package = Package {
        payload_digest: false,
        ..package()
    };
    let header_alone = package.signed(&KEY, *MADE, Signing::NOW);
    let why = strict(&header_alone).unwrap_err();
    assert!(
        why.contains("covers its header and not its payload"),
        "{why}"
    );
    let both = Signing {
        all: true,
        ..Signing::NOW
    };
    assert!(strict(&package.signed(&KEY, *MADE, both)).is_ok());
    let payload_alone = Signing {
        header: false,
        ..both
    };
    assert!(strict(&package.signed(&KEY, *MADE, payload_alone)).is_ok());
}

#[test]
fn what_nobody_pinned_signed_is_refused() {
    let unsigned = strict(&package().unsigned()).unwrap_err();
    assert_eq!(unsigned, "it is not signed");
    let stranger = rsa_key(*MADE);
    let why = strict(&package().signed(&stranger, *MADE, Signing::NOW)).unwrap_err();
    assert!(why.contains("no pinned certificate at hand has"), "{why}");
}

#[test]
fn centos_7s_signatures_count_for_its_keys_and_for_no_other() {
    let package = Package {
        payload_digest: false,
        ..package()
    };
    let file = package.signed(&OLD_KEY, *MADE, Signing::EL7);
    let old = std::slice::from_ref(&*OLD_KEY);
    assert_eq!(check(&file, old, &[fingerprint()]), Ok(fingerprint()));
    let why = check(&file, old, &[]).unwrap_err();
    assert!(why.contains("signature over its header"), "{why}");
    // Each of the two by itself is refused of a key that is not legacy.
    assert!(check(&file, std::slice::from_ref(&*KEY), &[]).is_err());
    let version_4 = Signing {
        version_3: false,
        ..Signing::EL7
    };
    let file = package.signed(&OLD_KEY, *MADE, version_4);
    assert!(check(&file, old, &[]).is_err());
    assert!(check(&file, old, &[fingerprint()]).is_ok());
}

#[test]
fn a_key_that_has_expired_still_vouches_for_what_it_signed_before() {
    let days = |days: u64| std::time::Duration::from_secs(days * 86_400);
    let key = crate::repo::signing::key(*MADE, Some(days(30)));
    let certs = std::slice::from_ref(&key);
    let before = package().signed(&key, *MADE + days(10), Signing::NOW);
    assert!(check(&before, certs, &[]).is_ok());
}

#[test]
fn a_package_is_told_from_every_other() {
    let package = Package {
        epoch: Some(2),
        ..package()
    };
    let read = PackageFile::read(&mut Cursor::new(package.unsigned())).unwrap();
    assert_eq!(read.identity().unwrap().to_string(), "tiny-2:1.0-1.x86_64");
    assert_eq!(package.file_name(), "tiny-1.0-1.x86_64.rpm");
    assert_eq!(read.lacks(["/usr/bin/tiny"]), None);
    for other in ["/usr/bin/tin", "/bin/tiny", "tiny", "/usr/bin/", ""] {
        assert_eq!(read.lacks(["/usr/bin/tiny", other]), Some(other));
    }
}

#[test]
fn what_is_no_package_is_refused_for_what_it_is() {
    let good = package().unsigned();
    let refusal = |file: Vec<u8>| strict(&file).unwrap_err();
    let with = |place: usize, byte: u8| {
        let mut file = good.clone();
        file[place] = byte;
        file
    };
    assert!(refusal(b"!<arch>\n".repeat(20)).contains("no rpm package"));
    assert!(refusal(with(4, 2)).contains("format 2"));
    assert!(refusal(with(96, 0)).contains("signature header: it does not begin"));
    assert!(refusal(with(104, 1)).contains("more than one may have"));
    assert!(refusal(with(108, 255)).contains("more than one may have"));
    assert!(refusal(with(96 + 16 + 7, 77)).contains("of no known type"));
    assert!(refusal(with(96 + 16 + 8, 1)).contains("longer than the values are"));
    assert!(refusal(good[..300].to_vec()).contains("cannot be read"));
}

/// A real package and its real key, where they lie beside the project.
#[test]
fn a_real_package_of_centos_7_is_accepted_by_its_real_key() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let name = "el7/389-ds-base-devel-1.3.8.4-15.el7.x86_64.rpm";
    let Ok(file) = std::fs::read(folder.join(name)) else {
        // Straight to standard error: what a passing test prints is not shown otherwise.
        let said = writeln!(
            std::io::stderr(),
            "../shared/data/{name} is not there: only packages made in the test were checked"
        );
        return said.expect("standard error is open");
    };
    let pinned = ["6341AB2753D78A78A7C27BB124C6A8A7F4A80EB5".to_owned()];
    let keyring = crate::repo::keyring::Keyring::find(&[folder.join("keys")], &pinned);
    let certs = keyring.pinned(&pinned).unwrap();
    assert_eq!(check(&file, &certs, &pinned), Ok(pinned[0].clone()));
    let why = check(&file, &certs, &[]).unwrap_err();
    assert!(why.contains("v3 is not considered secure"), "{why}");
    let read = PackageFile::read(&mut Cursor::new(&file)).unwrap();
    assert_eq!(
        read.identity().unwrap().to_string(),
        "389-ds-base-devel-1.3.8.4-15.el7.x86_64"
    );
    assert_eq!(read.lacks(["/usr/include/dirsrv/slapi-plugin.h"]), None);
    for place in [1_500, 100_000, file.len() - 1] {
        let mut altered = file.clone();
        altered[place] ^= 1;
        assert!(check(&altered, &certs, &pinned).is_err(), "at {place}");
    }
}

proptest! {
    // Whatever single bit of header or payload turns, somebody sees it. What
    // stands before the header is covered by nothing, and decides nothing.
    #[test]
    fn no_bit_of_header_or_payload_turns_unseen(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        static FILES: LazyLock<[(Vec<u8>, &Cert); 2]> = LazyLock::new(|| {
            let el7 = Package { payload_digest: false, ..package() };
            [
                (package().signed(&KEY, *MADE, Signing::NOW), &*KEY),
                (el7.signed(&OLD_KEY, *MADE, Signing::EL7), &*OLD_KEY),
            ]
        });
        for (file, key) in FILES.iter() {
            let mut reader = Cursor::new(file);
            let header = PackageFile::read(&mut reader).unwrap().header;
            let start = reader.position() as usize - header.bytes().len();
            let mut altered = file.clone();
            let place = start + at.index(file.len() - start);
            altered[place] ^= 1 << bit;
            let certs = std::slice::from_ref(*key);
            prop_assert!(check(&altered, certs, &[fingerprint()]).is_err(), "at {}", place);
        }
    }

    #[test]
    fn any_bytes_are_a_package_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut file = package().unsigned();
        let place = bytes.len() % 200;
        let end = (place + bytes.len()).min(file.len());
        file[place..end].copy_from_slice(&bytes[..end - place]);
        if let Ok(read) = PackageFile::read(&mut file.as_slice()) {
            let _ = read.identity();
            let _ = read.lacks(["/usr/bin/tiny"]);
        }
    }
}
