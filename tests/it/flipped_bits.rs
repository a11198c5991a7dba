//! Whatever becomes of a release on its way: `verify` says no and which file it is.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use flate2::read::GzDecoder;

use crate::tiny::{self, PUBLIC, Tiny};

/// The bytes of files up to this size are all tried.
const SMALL: usize = 200;

/// How many bytes are tried of a larger file.
const SAMPLE: usize = 16;

fn files(tiny: &Tiny) -> BTreeMap<String, Vec<u8>> {
    let tree = tiny::tree(&tiny.path(PUBLIC)).into_iter();
    tree.filter_map(|(name, entry)| Some((name, entry.bytes?)))
        .collect()
}

/// First, last, and evenly in between.
fn positions(length: usize) -> Vec<usize> {
    let tried = if length <= SMALL { length } else { SAMPLE };
    (0..tried).map(|n| n * (length - 1) / (tried - 1)).collect()
}

/// What the message must name: a signature that is wrong shows in what it is of.
fn named(name: &str) -> &str {
    match name {
        "manifest.sig" => "manifest.json",
        name => name,
    }
}

fn place(tiny: &Tiny, name: &str) -> PathBuf {
    tiny.path(PUBLIC).join(name)
}

/// `verify` says no and names the file; with the file as it was it says yes again.
fn refused(tiny: &Tiny, name: &str, what: &str) {
    let ran = tiny.verify(PUBLIC);
    assert_eq!(ran.code, 1, "{name} {what}: {}", ran.stderr);
    assert!(
        ran.stderr.contains(named(name)),
        "{name} {what}: {}",
        ran.stderr
    );
}

#[test]
fn one_flipped_bit_in_any_file_of_a_release_is_seen() {
    let tiny = Tiny::built();
    for (name, bytes) in files(&tiny) {
        for at in positions(bytes.len()) {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << (at % 8);
            fs::write(place(&tiny, &name), altered).unwrap();
            refused(&tiny, &name, &format!("byte {at}"));
        }
        fs::write(place(&tiny, &name), bytes).unwrap();
    }
    tiny.verify(PUBLIC).succeeded();
}

fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Beside its release a bundle is known by its digest; alone, by what is in it. DEFLATE skips some
/// bits (RFC 1951, 3.2.4: up to the byte at which a stored block begins), and they carry nothing.
#[test]
fn one_flipped_bit_in_a_bundle_alone_is_seen_or_carries_nothing() {
    let tiny = Tiny::built();
    for role in ["etcd", "postgres", "proxy"] {
        let name = format!("{PUBLIC}/bundles/{role}.tar.gz");
        let bytes = fs::read(tiny.path(&name)).unwrap();
        for at in positions(bytes.len()) {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << (at % 8);
            fs::write(tiny.path(&name), &altered).unwrap();
            let said = tiny.verify(&name).stderr;
            let code = tiny.verify(&name).code;
            let carries_nothing = || unpacked(&altered).unwrap() == unpacked(&bytes).unwrap();
            assert!(
                (code == 1 && said.contains(&name)) || (code == 0 && carries_nothing()),
                "byte {at}: {code} {said}"
            );
        }
        fs::write(tiny.path(&name), bytes).unwrap();
        tiny.verify(&name).succeeded();
    }
}

#[test]
fn a_file_that_was_removed_is_named() {
    let tiny = Tiny::built();
    for (name, bytes) in files(&tiny) {
        fs::remove_file(place(&tiny, &name)).unwrap();
        let said = tiny.verify(PUBLIC).failed_with(1);
        assert!(said.contains(&format!("missing: {name}")), "{name}: {said}");
        fs::write(place(&tiny, &name), bytes).unwrap();
    }
}

#[test]
fn a_file_that_was_added_is_named() {
    let tiny = Tiny::built();
    for name in [
        "more",
        "bundles/etcd.tar",
        "evidence/tiny/dists/two/InRelease",
    ] {
        let place = place(&tiny, name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, "").unwrap();
        let said = tiny.verify(PUBLIC).failed_with(1);
        assert!(said.contains(&format!("extra: {name}")), "{said}");
        fs::remove_file(&place).unwrap();
    }
}

#[test]
fn a_bundle_that_was_cut_off_anywhere_is_refused() {
    let tiny = Tiny::built();
    let name = "bundles/postgres.tar.gz";
    let bytes = fs::read(place(&tiny, name)).unwrap();
    for length in positions(bytes.len()) {
        fs::write(place(&tiny, name), &bytes[..length]).unwrap();
        refused(&tiny, name, &format!("cut at {length}"));
        tiny.verify(&format!("{PUBLIC}/{name}")).failed_with(1);
    }
}

#[test]
fn a_release_of_another_signer_is_refused() {
    let (tiny, other) = (Tiny::built(), Tiny::built());
    let own = tiny.path("secrets/signer.pub");
    fs::copy(other.path("secrets/signer.pub"), &own).unwrap();
    let said = tiny.verify(PUBLIC).failed_with(1);
    assert!(said.contains("signed by another key"), "{said}");
}
