//! What is accepted of a mirror, and what is not.

use super::super::signed_repository::*;
use super::*;
use crate::repo::keyring::Keyring;
use crate::repo::mirror::{Mirrors, ReadBy, SourceError};
use sequoia_openpgp::Cert;

const ROOT: &str = "http://public.example";
const INRELEASE: &str = "http://public.example/dists/one/InRelease";
const PACKED: &str = "http://public.example/dists/one/main/binary-amd64/Packages.xz";

fn read(
    mirror: &Mirror,
    cert: &Cert,
    archive: &AptArchive,
    at: Epoch,
) -> Result<Vec<VerifiedIndex>, IndexError> {
    let architecture = "amd64".parse().unwrap();
    let reading = Reading {
        transport: mirror,
        mirror: ROOT,
        certs: std::slice::from_ref(cert),
        at,
        architecture: &architecture,
    };
    reading.apt("example", archive)
}

fn refusal(mirror: &Mirror, key: &Cert, at: Epoch) -> String {
    read(mirror, key, &archive(), at).unwrap_err().to_string()
}

#[test]
fn takes_what_is_signed_and_keeps_the_proof() {
    let key = key(100);
    let mirror = publish(ROOT, &key);
    let indexes = read(&mirror, &key, &archive(), today()).unwrap();
    assert_eq!(indexes.len(), 1);
    assert_eq!(indexes[0].packages[0].bytes(), PACKAGES);
    assert_eq!(indexes[0].key, key.fingerprint().to_hex());
    assert_eq!(indexes[0].date.to_string(), "2026-11-20T02:11:10Z");
    let paths: Vec<_> = indexes[0]
        .evidence
        .iter()
        .map(|e| e.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "dists/one/InRelease",
            "dists/one/main/binary-amd64/Packages.xz"
        ]
    );
    assert!(
        mirror.asked.lock().unwrap()[1].contains("/by-hash/SHA256/"),
        "by digest first"
    );
}

#[test]
fn refuses_altered_text_whatever_the_digests_say() {
    let key = key(100);
    let mut mirror = publish(ROOT, &key);
    let signed = String::from_utf8(mirror.files[INRELEASE].clone()).unwrap();
    let altered = signed.replace("Suite: stable", "Suite: stab1e");
    mirror
        .files
        .insert(INRELEASE.to_owned(), altered.into_bytes());
    let why = refusal(&mirror, &key, today());
    assert!(
        why.contains("no signature by a pinned key is good"),
        "{why}"
    );
    assert_eq!(
        mirror.asked.lock().unwrap().len(),
        1,
        "nothing else is asked of such a mirror"
    );
}

#[test]
fn reads_only_what_was_signed() {
    let key = key(100);
    let mut mirror = publish(ROOT, &key);
    let mut signed = mirror.files[INRELEASE].clone();
    signed.extend(b"\nOrigin: Other\nCodename: two\n");
    mirror.files.insert(INRELEASE.to_owned(), signed);
    let indexes = read(&mirror, &key, &archive(), today()).unwrap();
    assert_eq!(indexes[0].packages[0].bytes(), PACKAGES);
    let text = mirror.files[INRELEASE].clone();
    let mut before = b"Origin: Other\n".to_vec();
    before.extend(text);
    mirror.files.insert(INRELEASE.to_owned(), before);
    assert!(refusal(&mirror, &key, today()).contains("not a text signed"));
}

#[test]
fn refuses_keys_that_are_not_pinned() {
    let (ours, theirs) = (key(100), key(100));
    let why = refusal(&publish(ROOT, &theirs), &ours, today());
    assert!(
        why.contains("no signature by a pinned key is good"),
        "{why}"
    );
}

#[test]
fn judges_keys_and_dates_at_the_moment_it_is_given() {
    let short = key(12);
    let mirror = publish(ROOT, &short);
    assert!(read(&mirror, &short, &archive(), today()).is_ok());
    let why = refusal(&mirror, &short, today().plus_days(3));
    assert!(why.contains("has expired or was revoked"), "{why}");
    let long = key(100);
    let why = refusal(&publish(ROOT, &long), &long, today().plus_days(10));
    assert!(why.contains("expired at 2026-11-27T02:11:10Z"), "{why}");
}

#[test]
fn refuses_another_origin_and_another_codename() {
    let key = key(100);
    let mirror = publish(ROOT, &key);
    let foreign = AptArchive {
        origin: "Debian".to_owned(),
        ..archive()
    };
    let why = read(&mirror, &key, &foreign, today())
        .unwrap_err()
        .to_string();
    assert!(
        why.contains("has Origin `Example`, the profile wants `Debian`"),
        "{why}"
    );
    let foreign = AptArchive {
        codenames: vec!["two".to_owned()],
        ..archive()
    };
    let why = read(&mirror, &key, &foreign, today())
        .unwrap_err()
        .to_string();
    assert!(
        why.contains("has Codename `one`, the profile wants `two`"),
        "{why}"
    );
}

#[test]
fn refuses_an_index_that_is_not_the_signed_one_before_it_is_opened() {
    let key = key(100);
    let mut mirror = publish(ROOT, &key);
    let size = mirror.files[PACKED].len();
    mirror.files.insert(PACKED.to_owned(), vec![b'x'; size]);
    let why = refusal(&mirror, &key, today());
    assert!(why.contains("its index says"), "{why}");
    mirror.files.insert(PACKED.to_owned(), vec![b'x'; size + 1]);
    let why = refusal(&mirror, &key, today());
    assert!(why.contains("more than the"), "{why}");
}

#[test]
fn refuses_to_unpack_more_than_the_signed_size() {
    let key = key(100);
    let mut mirror = publish(ROOT, &key);
    let bomb = xz(&vec![0; 1 << 20]);
    let signed = sign(&release(PACKAGES.as_bytes(), &bomb), &key, today());
    mirror.files.insert(INRELEASE.to_owned(), signed);
    mirror.files.insert(PACKED.to_owned(), bomb);
    let why = refusal(&mirror, &key, today());
    assert!(
        why.contains(&format!("{} bytes", PACKAGES.len() + 1)),
        "{why}"
    );
}

#[test]
fn tries_mirrors_in_order_and_names_each_that_failed() {
    let key = key(100);
    let folder = tempfile::tempdir().unwrap();
    let mut armored = Vec::new();
    sequoia_openpgp::serialize::Serialize::serialize(&key, &mut armored).unwrap();
    std::fs::write(folder.path().join("k.gpg"), armored).unwrap();
    let source = source(&key);
    let keyring = Keyring::find(&[folder.path().to_owned()], &source.keys);
    let mirrors = Mirrors {
        explicit: vec![(None, "http://me:secret@first.example/".to_owned())],
        machine: vec![],
    };
    let architecture = "amd64".parse().unwrap();
    let read = |mirror: &Mirror| {
        let by = ReadBy {
            transport: mirror,
            keyring: &keyring,
            architecture: &architecture,
            at: today(),
        };
        mirrors.read(&source, &by, |reading| reading.apt("example", &archive()))
    };
    assert_eq!(read(&publish(ROOT, &key)).unwrap().index.len(), 1);
    let why = read(&Mirror::default()).unwrap_err().to_string();
    assert!(
        why.contains("first.example/") && why.contains("public.example/"),
        "{why}"
    );
}

#[test]
fn says_which_key_is_missing_and_where_it_looked() {
    let key = key(100);
    let folder = tempfile::tempdir().unwrap();
    let source = source(&key);
    let keyring = Keyring::find(&[folder.path().to_owned()], &source.keys);
    let architecture = "amd64".parse().unwrap();
    let by = ReadBy {
        transport: &Mirror::default(),
        keyring: &keyring,
        architecture: &architecture,
        at: today(),
    };
    let read = |reading: &Reading<'_>| reading.apt("example", &archive());
    let error = Mirrors::default().read(&source, &by, read);
    let error = error.unwrap_err();
    assert!(matches!(error, SourceError::NoKey { .. }));
    let why = error.to_string();
    for part in [&source.keys[0], folder.path().to_str().unwrap()] {
        assert!(why.contains(part), "{why}");
    }
}
