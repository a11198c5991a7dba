//! Sealed bundles and releases: what is right passes, each fault has its name.

use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::process::Command;

use pgbundle::base::{BundlePath, Role, Sha256};
use pgbundle::bundle::manifest::{Family, Layer, Manifest, ManifestFile, Release, ReleaseBundle};
use pgbundle::bundle::seal::{self, Sealed};
use pgbundle::bundle::sign::SigningKey;
use pgbundle::bundle::verify::{
    self, Discard, Expectations, Sink, Unpack, Verified, VerifyError, Visit,
};

use crate::sample::{accepts, day, debian, run};

/// The `tar` crate in the place of the program's own reader.
struct Tar;

impl Unpack for Tar {
    fn entries(&self, archive: &mut dyn Read, visit: Visit<'_>) -> Result<(), VerifyError> {
        let failed = |source| VerifyError::Read {
            name: "the bundle".to_owned(),
            source,
        };
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive));
        for entry in tar.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let path = entry.path().map_err(failed)?.display().to_string();
            visit(&path.parse().unwrap(), entry.size(), &mut entry)?;
        }
        Ok(())
    }
}

type Files = Vec<(&'static str, Vec<u8>)>;

fn content() -> Files {
    vec![
        ("packages/Packages", b"Package: etcd-server\n".to_vec()),
        ("packages/pool/etcd.deb", vec![7; 70_000]),
        ("cluster/ca.pem", b"-----BEGIN CERTIFICATE-----\n".to_vec()),
    ]
}

fn listed(path: &str, content: &[u8]) -> ManifestFile {
    ManifestFile {
        path: path.parse().unwrap(),
        size: content.len() as u64,
        sha256: Sha256::of(content),
    }
}

fn manifest(files: &Files) -> Manifest {
    let of = |layer: &str| {
        let own = files.iter().filter(|(path, _)| path.starts_with(layer));
        Layer::seal(own.map(|(path, bytes)| listed(path, bytes))).unwrap()
    };
    Manifest {
        format: Default::default(),
        cluster: "demo".parse().unwrap(),
        cluster_id: "ab".repeat(16),
        role: Role::Etcd,
        profile: "debian12".to_owned(),
        architecture: "amd64".parse().unwrap(),
        generation: 3,
        date: day(0),
        os: debian(),
        family: Family::Deb,
        packages: of("packages/"),
        cluster_layer: of("cluster/"),
        package_list: vec![],
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_random(&[seed; 32]).unwrap()
}

fn pack(sealed: Option<&Sealed>, files: &Files) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes).unwrap();
    };
    if let Some(sealed) = sealed {
        add("manifest.json", &sealed.document);
        add("manifest.sig", &sealed.signature);
    }
    for (path, bytes) in files {
        add(path, bytes);
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn good() -> Vec<u8> {
    let sealed = seal::manifest(&manifest(&content()), &key(1));
    pack(Some(&sealed), &content())
}

fn check(bytes: &[u8], expected: &Expectations) -> Result<Verified, VerifyError> {
    verify::bundle(&mut Cursor::new(bytes), &Tar, expected, &mut Discard)
}

fn expected() -> Expectations {
    Expectations::signed_by(key(1).public())
}

/// Says how a bundle with these files, under the good manifest, is refused.
fn refused(change: impl FnOnce(&mut Files)) -> String {
    let sealed = seal::manifest(&manifest(&content()), &key(1));
    let mut files = content();
    change(&mut files);
    check(&pack(Some(&sealed), &files), &expected())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_good_bundle_passes_and_hands_over_its_files() {
    struct Memory(Vec<(BundlePath, Vec<u8>)>);
    impl Sink for Memory {
        fn file(&mut self, path: &BundlePath, _: u64, content: &mut dyn Read) -> io::Result<()> {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            self.0.push((path.clone(), bytes));
            Ok(())
        }
    }
    let mut memory = Memory(vec![]);
    let bytes = good();
    let expected = Expectations {
        pinned: Some(Sha256::of(&bytes)),
        generation: Some(3),
        cluster_id: Some("ab".repeat(16)),
        role: Some(Role::Etcd),
        architecture: Some("amd64".parse().unwrap()),
        ..expected()
    };
    let verified = verify::bundle(&mut Cursor::new(&bytes), &Tar, &expected, &mut memory).unwrap();
    assert_eq!(*verified.manifest(), manifest(&content()));
    let handed: Vec<_> = memory
        .0
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.clone()))
        .collect();
    assert_eq!(handed, content());
}

#[test]
fn the_same_content_is_sealed_as_the_same_bytes() {
    assert_eq!(good(), good());
    let sealed = seal::manifest(&manifest(&content()), &key(1));
    let text = String::from_utf8(sealed.document).unwrap();
    assert!(text.starts_with("{\n  \"format\": 1,\n  \"cluster\": \"demo\",\n"));
    assert!(text.ends_with("}\n") && !text.ends_with("\n\n"));
}

#[test]
fn openssl_checks_the_signature_alone() {
    let folder = tempfile::tempdir().unwrap();
    let sealed = seal::manifest(&manifest(&content()), &key(1));
    fs::write(folder.path().join("manifest.json"), &sealed.document).unwrap();
    fs::write(folder.path().join("manifest.sig"), &sealed.signature).unwrap();
    let dgst = |key: &SigningKey| {
        fs::write(folder.path().join("signer.pub"), key.public().to_pem()).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.current_dir(folder.path());
        openssl.args(["dgst", "-sha256", "-verify", "signer.pub"]);
        openssl.args(["-signature", "manifest.sig", "manifest.json"]);
        openssl
    };
    assert_eq!(accepts(&mut dgst(&key(1))), "Verified OK\n");
    assert!(!run(&mut dgst(&key(2))).status.success());
}

#[test]
fn the_fingerprint_is_what_openssl_computes() {
    let folder = tempfile::tempdir().unwrap();
    let public = key(1).public();
    fs::write(folder.path().join("signer.pub"), public.to_pem()).unwrap();
    let mut shell = Command::new("sh");
    shell.current_dir(folder.path());
    shell.args([
        "-c",
        "openssl pkey -pubin -in signer.pub -outform DER | sha256sum",
    ]);
    assert_eq!(
        accepts(&mut shell),
        format!("{}  -\n", public.fingerprint())
    );
}

#[test]
fn each_fault_in_the_files_has_its_name() {
    let altered = refused(|files| files[1].1[60_000] ^= 1);
    assert!(
        altered.starts_with("altered: packages/pool/etcd.deb has digest"),
        "{altered}"
    );
    let longer = refused(|files| files[2].1.push(0));
    assert_eq!(
        longer,
        "altered: cluster/ca.pem has 29 bytes, the manifest says 28"
    );
    let missing = refused(|files| drop(files.pop()));
    assert_eq!(
        missing,
        "missing: cluster/ca.pem belongs here and is not there"
    );
    let extra = refused(|files| files.push(("cluster/extra", vec![])));
    assert!(extra.starts_with("extra: cluster/extra"), "{extra}");
    let twice = refused(|files| files.push(files[0].clone()));
    assert!(twice.starts_with("extra: packages/Packages"), "{twice}");
}

#[test]
fn nothing_is_read_without_the_right_signature() {
    let bare = check(&pack(None, &content()), &expected()).unwrap_err();
    assert!(matches!(bare, VerifyError::NoManifest { .. }), "{bare}");
    let unsigned = vec![
        ("manifest.json", b"{}".to_vec()),
        ("packages/Packages", vec![]),
    ];
    let unsigned = check(&pack(None, &unsigned), &expected()).unwrap_err();
    assert!(
        matches!(unsigned, VerifyError::Unsigned { .. }),
        "{unsigned}"
    );
    let nothing = check(&pack(None, &vec![]), &expected()).unwrap_err();
    assert!(
        matches!(nothing, VerifyError::NoManifest { .. }),
        "{nothing}"
    );
    let other = seal::manifest(&manifest(&content()), &key(2));
    let other = check(&pack(Some(&other), &content()), &expected()).unwrap_err();
    assert!(matches!(other, VerifyError::NotSignedBy { .. }), "{other}");
    // Signed over, but no JSON: were it parsed first, the words would be the parser's.
    let mut garbage = seal::manifest(&manifest(&content()), &key(1));
    garbage.document = b"not json".to_vec();
    let garbage = check(&pack(Some(&garbage), &content()), &expected()).unwrap_err();
    assert!(
        matches!(garbage, VerifyError::NotSignedBy { .. }),
        "{garbage}"
    );
}

#[test]
fn a_bundle_for_someone_else_or_of_yesterday_is_refused() {
    let message = |expected: Expectations| check(&good(), &expected).unwrap_err().to_string();
    let older = message(Expectations {
        generation: Some(4),
        ..expected()
    });
    assert_eq!(
        older,
        "older: generation 3 is below 4, which is known already"
    );
    let cluster = message(Expectations {
        cluster_id: Some("cd".repeat(16)),
        ..expected()
    });
    assert!(
        cluster.starts_with("wrong cluster: this is for abab"),
        "{cluster}"
    );
    let role = message(Expectations {
        role: Some(Role::Proxy),
        ..expected()
    });
    assert_eq!(role, "wrong role: this is for etcd, not for proxy");
    let pinned = message(Expectations {
        pinned: Some(Sha256::of(b"")),
        ..expected()
    });
    assert!(
        pinned.starts_with("this is another file than the pinned one"),
        "{pinned}"
    );
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let refused = |change: &dyn Fn(&mut Manifest)| {
        let mut wrong = manifest(&content());
        change(&mut wrong);
        check(
            &pack(Some(&seal::manifest(&wrong, &key(1))), &content()),
            &expected(),
        )
        .unwrap_err()
    };
    let wrong_digest = refused(&|m| m.packages.digest = Sha256::of(b""));
    let swapped = refused(&|m| std::mem::swap(&mut m.packages, &mut m.cluster_layer));
    let unsorted = refused(&|m| {
        m.packages.files.reverse();
        m.packages.digest = Layer::digest_of(&m.packages.files);
    });
    for error in [wrong_digest, swapped, unsorted] {
        assert!(
            matches!(error, VerifyError::Contradiction { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_bundle_cut_off_anywhere_is_refused() {
    let bytes = good();
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let error = check(&bytes[..at], &expected()).unwrap_err();
        let is_cut = matches!(
            error,
            VerifyError::Truncated { .. }
                | VerifyError::NoManifest { .. }
                | VerifyError::Missing { .. }
        );
        assert!(is_cut, "cut at {at}: {error}");
    }
}

#[test]
fn one_flipped_bit_anywhere_is_found_where_the_file_is_pinned() {
    let mut bytes = good();
    let expected = Expectations {
        pinned: Some(Sha256::of(&bytes)),
        ..expected()
    };
    for at in 0..bytes.len() {
        bytes[at] ^= 1 << (at % 8);
        let error = check(&bytes, &expected).unwrap_err();
        assert!(
            matches!(error, VerifyError::NotPinned { .. }),
            "bit in byte {at}: {error}"
        );
        bytes[at] ^= 1 << (at % 8);
    }
    check(&bytes, &expected).unwrap();
}

/// Writes a `public/` folder.
fn publish(folder: &Path) {
    let bundle = good();
    let write = |path: &str, bytes: &[u8]| {
        fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        fs::write(folder.join(path), bytes).unwrap();
        listed(path, bytes)
    };
    let manifest = manifest(&content());
    let release = Release {
        format: Default::default(),
        cluster: manifest.cluster,
        cluster_id: manifest.cluster_id,
        profile: manifest.profile,
        architecture: manifest.architecture,
        generation: manifest.generation,
        date: manifest.date,
        node_program: write("pgbundle-node", b"program"),
        bundles: vec![ReleaseBundle {
            role: Role::Etcd,
            file: write("bundles/etcd.tar.gz", &bundle),
            packages: manifest.packages.digest,
            cluster_layer: manifest.cluster_layer.digest,
        }],
        files: vec![
            write("RUNBOOK.md", b"# Run\n"),
            write("evidence/InRelease", b"x"),
        ],
    };
    let sealed = seal::release(&release, &key(1));
    write("manifest.json", &sealed.document);
    write("manifest.sig", &sealed.signature);
    write("signer.pub", key(1).public().to_pem().as_bytes());
}

#[test]
fn a_release_is_checked_to_its_last_file() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path());
    let check = || verify::release(folder.path(), &expected());
    let release = check().unwrap();
    assert_eq!(release.release().bundles.len(), 1);
    fs::write(folder.path().join("evidence/stray"), b"").unwrap();
    let extra = check().unwrap_err().to_string();
    assert!(extra.starts_with("extra: evidence/stray"), "{extra}");
    fs::remove_file(folder.path().join("evidence/stray")).unwrap();
    fs::rename(folder.path().join("RUNBOOK.md"), folder.path().join("away")).unwrap();
    let missing = check().unwrap_err().to_string();
    assert!(missing.starts_with("missing: RUNBOOK.md"), "{missing}");
}

#[test]
fn a_release_of_another_key_names_both() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path());
    let other = Expectations::signed_by(key(2).public());
    let refused = verify::release(folder.path(), &other)
        .unwrap_err()
        .to_string();
    let (found, wanted) = (key(1).public().fingerprint(), key(2).public().fingerprint());
    assert_eq!(
        refused,
        format!("signed by another key: {found} instead of {wanted}")
    );
}

#[test]
fn one_flipped_bit_in_any_file_of_a_release_is_found() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path());
    for name in [
        "manifest.json",
        "manifest.sig",
        "signer.pub",
        "pgbundle-node",
        "RUNBOOK.md",
        "evidence/InRelease",
    ] {
        let path = folder.path().join(name);
        let right = fs::read(&path).unwrap();
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 1 << (at % 8);
            fs::write(&path, &wrong).unwrap();
            let checked = verify::release(folder.path(), &expected());
            assert!(checked.is_err(), "a bit of byte {at} of {name}");
        }
        fs::write(&path, &right).unwrap();
    }
    verify::release(folder.path(), &expected()).unwrap();
}
