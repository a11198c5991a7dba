//! Bundles and releases that someone cut off, altered, signed or kept back:
//! `verify` says no, and which of it.

use std::fs;
use std::io::Read;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::{flip, refused};
use crate::tiny::{PUBLIC, Tiny};

const BUNDLE: &str = "dist/demo-tiny-amd64/public/bundles/etcd.tar.gz";

/// What `verify` says of the bundle alone.
fn not_verified(tiny: &Tiny) -> String {
    refused(tiny, |tiny| tiny.verify(BUNDLE))
}

/// The bundle without these members, packed anew.
fn without(tiny: &Tiny, members: &[&str]) {
    let packed = fs::read(tiny.path(BUNDLE)).unwrap();
    let mut archive = tar::Archive::new(GzDecoder::new(&packed[..]));
    let out = GzEncoder::new(Vec::new(), Compression::default());
    let mut out = tar::Builder::new(out);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let path = entry.path().unwrap().into_owned();
        if !members.contains(&path.to_str().unwrap()) {
            out.append(entry.header(), &bytes[..]).unwrap();
        }
    }
    let packed = out.into_inner().unwrap().finish().unwrap();
    fs::write(tiny.path(BUNDLE), packed).unwrap();
}

#[test]
fn a_bundle_that_was_cut_off_says_where() {
    let tiny = Tiny::built();
    let whole = fs::read(tiny.path(BUNDLE)).unwrap();
    let cut = |length: usize| {
        fs::write(tiny.path(BUNDLE), &whole[..length]).unwrap();
        not_verified(&tiny)
    };
    insta::assert_snapshot!(cut(whole.len() - 300), @"
    exit code 1
    error: dist/demo-tiny-amd64/public/bundles/etcd.tar.gz: truncated: the bundle ends within packages/pool/libtiny_1.2~rc1-3_amd64.deb
    hint: do not use it; copy it again from where it was built
    ");
    insta::assert_snapshot!(cut(0), @"
    exit code 1
    error: dist/demo-tiny-amd64/public/bundles/etcd.tar.gz: truncated: the bundle ends within its beginning
    hint: do not use it; copy it again from where it was built
    ");
}

#[test]
fn a_bundle_that_was_altered_is_damaged() {
    let tiny = Tiny::built();
    flip(&tiny, BUNDLE);
    let said = not_verified(&tiny);
    // Where one bit shows depends on what it is part of.
    let first = said.lines().next().unwrap();
    assert!(first == "exit code 1" && said.contains(BUNDLE), "{said}");
    let said = refused(&tiny, |tiny| tiny.verify(PUBLIC));
    insta::assert_snapshot!(said, @"
    exit code 1
    error: dist/demo-tiny-amd64/public: altered: bundles/etcd.tar.gz has digest [SHA256], the manifest says [SHA256]
    hint: do not use it; copy it again from where it was built
    ");
}

#[test]
fn a_file_that_is_missing_in_a_bundle_is_named() {
    let tiny = Tiny::built();
    without(&tiny, &["cluster/ca.pem"]);
    insta::assert_snapshot!(not_verified(&tiny), @"
    exit code 1
    error: dist/demo-tiny-amd64/public/bundles/etcd.tar.gz: missing: cluster/ca.pem belongs here and is not there
    hint: do not use it; copy it again from where it was built
    ");
}

#[test]
fn a_bundle_without_a_signature_is_refused() {
    let tiny = Tiny::built();
    without(&tiny, &["manifest.sig"]);
    insta::assert_snapshot!(not_verified(&tiny), @"
    exit code 1
    error: dist/demo-tiny-amd64/public/bundles/etcd.tar.gz: unsigned: manifest.sig must come second, and cluster/ca.pem does
    hint: do not use it; copy it again from where it was built
    ");
}

#[test]
fn a_bundle_without_a_manifest_is_none() {
    let tiny = Tiny::built();
    without(&tiny, &["manifest.json", "manifest.sig"]);
    insta::assert_snapshot!(not_verified(&tiny), @"
    exit code 1
    error: dist/demo-tiny-amd64/public/bundles/etcd.tar.gz: no bundle: its first file must be manifest.json, and is cluster/ca.pem
    hint: name a bundle (`bundles/<role>.tar.gz`), or copy it again from where it was built
    ");
}

#[test]
fn a_bundle_that_another_key_signed_is_refused() {
    let (tiny, other) = (Tiny::built(), Tiny::built());
    fs::copy(other.path(BUNDLE), tiny.path(BUNDLE)).unwrap();
    insta::assert_snapshot!(not_verified(&tiny), @"
    exit code 1
    error: dist/demo-tiny-amd64/public/bundles/etcd.tar.gz: manifest.json is not signed by key [SHA256]: it was altered, or another key signed it
    hint: do not use it; if you trust another key, name that: `--signer FILE`
    ");
}

#[test]
fn a_release_that_another_key_signed_names_both() {
    let (tiny, other) = (Tiny::built(), Tiny::built());
    let mine = tiny.path("secrets/signer.pub");
    fs::copy(other.path("secrets/signer.pub"), mine).unwrap();
    insta::assert_snapshot!(refused(&tiny, |tiny| tiny.verify(PUBLIC)), @"
    exit code 1
    error: dist/demo-tiny-amd64/public: signed by another key: [SHA256] instead of [SHA256]
    hint: do not use it; if you trust another key, name that: `--signer FILE`
    ");
}

#[test]
fn a_bundle_older_than_what_is_known_is_refused() {
    let tiny = Tiny::built();
    for path in [BUNDLE, PUBLIC] {
        let said = refused(&tiny, |tiny| {
            let known = ["--secrets", "secrets", "--generation", "2"];
            tiny.sandbox.run(&[&["verify", path][..], &known].concat())
        });
        insta::allow_duplicates! {
            insta::assert_snapshot!(said.replace(path, "[PATH]"), @"
            exit code 1
            error: [PATH]: older: generation 1 is below 2, which is known already
            hint: do not use it: hosts refuse it too; take a newer one
            ");
        }
    }
}

#[test]
fn a_bundle_alone_does_not_say_whom_to_trust() {
    let tiny = Tiny::built();
    let said = refused(&tiny, |tiny| tiny.sandbox.run(&["verify", BUNDLE]));
    insta::assert_snapshot!(said, @"
    exit code 2
    error: a bundle alone does not say whom to trust
    hint: name the operator's key: `--signer signer.pub`
    ");
}

#[test]
fn what_is_no_bundle_is_none() {
    let tiny = Tiny::built();
    let said = refused(&tiny, |tiny| tiny.verify("demo.toml"));
    insta::assert_snapshot!(said, @"
    exit code 1
    error: demo.toml: damaged: the archive cannot be read after its beginning: invalid gzip header
    hint: name a bundle (`bundles/<role>.tar.gz`), or copy it again from where it was built
    ");
    let said = refused(&tiny, |tiny| tiny.verify("nowhere"));
    insta::assert_snapshot!(said, @"
    exit code 2
    error: cannot read nowhere: there is no such file
    hint: name a release's `public/` folder or a bundle's `.tar.gz`
    ");
    let said = refused(&tiny, |tiny| tiny.verify("profiles"));
    insta::assert_snapshot!(said, @"
    exit code 1
    error: profiles: missing: manifest.json belongs here and is not there
    hint: name a release's `public/` folder, or copy it again from where it was built
    ");
    let said = refused(&tiny, |tiny| tiny.sandbox.run(&["inspect", "demo.toml"]));
    insta::assert_snapshot!(said, @"
    exit code 1
    error: demo.toml is no bundle: the archive cannot be read after `its beginning`: invalid gzip header
    hint: name a release's `public/` folder or a bundle's `.tar.gz`
    ");
    let said = refused(&tiny, |tiny| tiny.sandbox.run(&["inspect", "profiles"]));
    insta::assert_snapshot!(said, @"
    exit code 2
    error: cannot read profiles/manifest.json: there is no such file
    hint: name a release's `public/` folder or a bundle's `.tar.gz`
    ");
}

#[test]
fn a_key_that_is_none_is_named() {
    let tiny = Tiny::built();
    let verify = |key: &str| {
        refused(&tiny, |tiny| {
            tiny.sandbox.run(&["verify", BUNDLE, "--signer", key])
        })
    };
    insta::assert_snapshot!(verify("demo.toml"), @"
    exit code 2
    error: `demo.toml` holds no P-256 public key in PEM (SubjectPublicKeyInfo): ASN.1 error: PEM error: PEM preamble contains invalid data (NUL byte)
    hint: name the `signer.pub` of the cluster's secrets folder, or a copy of it that you trust
    ");
    insta::assert_snapshot!(verify("nowhere.pub"), @"
    exit code 2
    error: cannot read the key nowhere.pub: there is no such file
    hint: name the `signer.pub` of the cluster's secrets folder, or a copy of it that you trust
    ");
    insta::assert_snapshot!(verify(BUNDLE), @"
    exit code 2
    error: cannot read the key dist/demo-tiny-amd64/public/bundles/etcd.tar.gz: it is no text in UTF-8: save it as such
    hint: name the `signer.pub` of the cluster's secrets folder, or a copy of it that you trust
    ");
}
