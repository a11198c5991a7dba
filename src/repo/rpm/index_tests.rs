//! What is accepted of a mirror of an rpm-md repository, and what is not.

use std::sync::LazyLock;
use std::sync::Mutex;
use std::time::SystemTime;

use sequoia_openpgp::Cert;

use super::super::publishing::{Files, Publisher};
use super::super::rpm_writing::{Package, Signing, bound_by_sha1, moment, rsa_key};
use super::*;
use crate::repo::deb::signed_repository::Mirror;

const ROOT: &str = "http://public.example";

/// 2026-01-05T02:11:10Z.
static MADE: LazyLock<SystemTime> = LazyLock::new(|| moment(1_767_579_070));
static KEY: LazyLock<Cert> = LazyLock::new(|| rsa_key(*MADE));

fn files(index: bool) -> Files {
    let publisher = Publisher {
        key: &KEY,
        at: *MADE,
        packages: Some(Signing::NOW),
        index,
        modules: Some("---\n"),
    };
    publisher.publish(&[Package::new("tiny", "1.0", "noarch")])
}

fn mirror(files: Files) -> Mirror {
    let at_root = |(path, bytes)| (format!("{ROOT}/{path}"), bytes);
    Mirror {
        files: files.into_iter().map(at_root).collect(),
        asked: Mutex::default(),
    }
}

fn read(files: Files, cert: &Cert, metadata: Metadata) -> Result<VerifiedIndex, IndexError> {
    read_with(files, cert, metadata, Vec::new())
}

fn read_with(
    files: Files,
    cert: &Cert,
    metadata: Metadata,
    legacy_keys: Vec<String>,
) -> Result<VerifiedIndex, IndexError> {
    let reading = Reading {
        transport: &mirror(files),
        mirror: ROOT,
        certs: std::slice::from_ref(cert),
        at: "2026-02-01T00:00:00Z".parse().unwrap(),
        architecture: &"x86_64".parse().unwrap(),
    };
    let repository = RpmRepository {
        metadata,
        legacy_keys,
        frozen: None,
    };
    reading.rpm_md("example", &repository)
}

fn refusal(files: Files, cert: &Cert, metadata: Metadata) -> String {
    read(files, cert, metadata).unwrap_err().to_string()
}

#[test]
fn takes_what_is_signed_and_keeps_the_proof() {
    let index = read(files(true), &KEY, Metadata::Signed).unwrap();
    assert_eq!(index.key, Some(KEY.fingerprint().to_hex()));
    assert_eq!(index.date.to_string(), "2026-01-05T02:11:10Z");
    assert!(index.primary.bytes().contains("<name>tiny</name>"));
    let paths: Vec<_> = index.evidence.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(paths[..2], [REPOMD, SIGNATURE]);
    assert!(paths[2].ends_with("-primary.xml.gz") && paths.len() == 4);
    assert_eq!(index.modules.unwrap().bytes(), "---\n");
}

#[test]
fn reads_an_index_that_nobody_signs_as_one() {
    let index = read(files(false), &KEY, Metadata::Unsigned).unwrap();
    assert_eq!(index.key, None);
    assert_eq!(index.evidence.len(), 3);
    let why = refusal(files(false), &KEY, Metadata::Signed);
    assert!(why.contains("repomd.xml.asc is not there"), "{why}");
}

#[test]
fn refuses_an_index_that_no_pinned_key_signed() {
    let why = refusal(files(true), &rsa_key(*MADE), Metadata::Signed);
    assert!(why.contains("no pinned certificate at hand has"), "{why}");
    let mut altered = files(true);
    let repomd = altered.get_mut(REPOMD).unwrap();
    repomd.extend(b"\n");
    let why = refusal(altered, &KEY, Metadata::Signed);
    assert!(
        why.starts_with("repodata/repomd.xml: no signature"),
        "{why}"
    );
}

#[test]
fn judges_a_legacy_key_by_the_rules_of_its_time_and_no_other_key() {
    let old = bound_by_sha1(&KEY, *MADE);
    let legacy = vec![old.fingerprint().to_hex()];
    assert!(read_with(files(true), &old, Metadata::Signed, legacy).is_ok());
    assert!(read(files(true), &old, Metadata::Signed).is_err());
}

#[test]
fn refuses_a_part_that_is_not_the_one_that_is_named() {
    for metadata in [Metadata::Signed, Metadata::Unsigned] {
        let mut altered = files(true);
        let is_primary = |path: &&String| path.ends_with("-primary.xml.gz");
        let path = altered.keys().find(is_primary).unwrap().clone();
        let length = altered[&path].len();
        altered.get_mut(&path).unwrap()[length / 2] ^= 1;
        let why = refusal(altered.clone(), &KEY, metadata);
        assert!(why.contains("its index says"), "{why}");
        altered.remove(&path);
        let why = refusal(altered, &KEY, metadata);
        assert!(why.contains("primary.xml.gz is not there"), "{why}");
    }
}

#[test]
fn refuses_to_unpack_more_than_any_index_has() {
    let mut huge = files(false);
    let repomd = String::from_utf8(huge[REPOMD].clone()).unwrap();
    let size = repomd.split("<open-size>").nth(1).unwrap();
    let size = size.split('<').next().unwrap();
    let repomd = repomd.replacen(size, "99999999999999", 1);
    huge.insert(REPOMD.to_owned(), repomd.into_bytes());
    let why = refusal(huge, &KEY, Metadata::Unsigned);
    assert!(why.contains("more than an index may have"), "{why}");
}

#[test]
fn wants_to_know_when_an_index_was_made() {
    let mut undated = files(false);
    let repomd = String::from_utf8(undated[REPOMD].clone()).unwrap();
    let repomd = repomd.replace("<revision>1767579070</revision>", "");
    let repomd = repomd.replace("<timestamp>1767579070</timestamp>", "");
    undated.insert(REPOMD.to_owned(), repomd.into_bytes());
    let why = refusal(undated, &KEY, Metadata::Unsigned);
    assert!(why.contains("does not say when it was made"), "{why}");
}

#[test]
fn looks_up_who_owns_a_file_and_keeps_the_lists_as_proof() {
    let publisher = Publisher {
        key: &KEY,
        at: *MADE,
        packages: Some(Signing::NOW),
        index: false,
        modules: None,
    };
    let files = publisher.publish(&[Package {
        files: vec![("/usr/share/tiny/one", "one")],
        ..Package::new("tiny", "1.0", "noarch")
    }]);
    let mut index = read(files.clone(), &KEY, Metadata::Unsigned).unwrap();
    let wanted = ["/usr/share/tiny/one", "/usr/share/tiny/two"].map(str::to_owned);
    let mut asked = |files: Files| {
        let reading = Reading {
            transport: &mirror(files),
            mirror: ROOT,
            certs: &[],
            at: "2026-02-01T00:00:00Z".parse().unwrap(),
            architecture: &"x86_64".parse().unwrap(),
        };
        let found = reading.look_up(&index, &wanted.clone().into())?;
        index.learn(found);
        Ok::<_, IndexError>(index.clone())
    };
    for _ in 0..2 {
        let index = asked(files.clone()).unwrap();
        assert_eq!(index.file_owners[&wanted[0]].len(), 1);
        assert!(index.file_owners[&wanted[1]].is_empty());
        assert_eq!(index.evidence.len(), 3, "the lists count once");
    }
    let mut altered = files;
    let is_list = |path: &&String| path.ends_with("-filelists.xml.gz");
    let path = altered.keys().find(is_list).unwrap().clone();
    altered.get_mut(&path).unwrap()[12] ^= 1;
    let why = asked(altered).unwrap_err().to_string();
    assert!(why.contains("its index says"), "{why}");
}
