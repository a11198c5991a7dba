//! What a lock has read is kept, and read again only after its digest was
//! taken again. InRelease, which says what the digests are, always comes from
//! the mirror.

use std::fs;
use std::path::PathBuf;

use pgbundle::base::Sha256;

use crate::tiny::Tiny;

const PACKED: &str = "mirror/dists/one/main/binary-amd64/Packages.xz";

/// Locks; the lock's text and what was said.
fn lock(tiny: &Tiny) -> (String, String) {
    let path = tiny.path("demo.tiny-amd64.lock");
    if path.exists() {
        fs::remove_file(&path).unwrap();
    }
    let said = tiny.ask("lock", &[]).succeeded();
    (fs::read_to_string(path).unwrap(), said)
}

fn blob(tiny: &Tiny, content: &[u8]) -> PathBuf {
    let digest = Sha256::of(content).to_string();
    tiny.path(&format!("store/sha256/{}/{digest}", &digest[..2]))
}

/// The index as the mirror has it, and what it unpacks to.
fn forms(tiny: &Tiny) -> [Vec<u8>; 2] {
    let packed = fs::read(tiny.path(PACKED)).unwrap();
    let mut plain = Vec::new();
    let mut reader = liblzma::read::XzDecoder::new(&packed[..]);
    std::io::Read::read_to_end(&mut reader, &mut plain).unwrap();
    [packed, plain]
}

#[test]
fn an_index_is_fetched_and_unpacked_once() {
    let tiny = Tiny::new();
    let [packed, plain] = forms(&tiny);
    let (first, _) = lock(&tiny);
    for content in [&packed, &plain] {
        assert_eq!(&fs::read(blob(&tiny, content)).unwrap(), content);
    }
    fs::remove_file(tiny.path(PACKED)).unwrap();
    assert_eq!(lock(&tiny).0, first);
    fs::remove_file(blob(&tiny, &plain)).unwrap();
    assert_eq!(lock(&tiny).0, first, "unpacked again");
    assert_eq!(fs::read(blob(&tiny, &plain)).unwrap(), plain);
    fs::remove_file(blob(&tiny, &packed)).unwrap();
    let said = tiny.ask("lock", &[]).failed_with(3);
    assert!(
        said.contains("main/binary-amd64/Packages is not there"),
        "a lock names its evidence: {said}"
    );
}

#[test]
fn a_kept_index_that_was_altered_is_set_aside_and_made_again() {
    let tiny = Tiny::new();
    let (first, _) = lock(&tiny);
    for content in forms(&tiny) {
        let path = blob(&tiny, &content);
        let mut altered = content.clone();
        let middle = altered.len() / 2;
        altered[middle] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(&path, &altered).unwrap();
        let [_, plain] = forms(&tiny);
        if content != plain {
            fs::remove_file(blob(&tiny, &plain)).unwrap();
        }
        let (again, said) = lock(&tiny);
        assert_eq!(again, first);
        let warning = format!("warning: {} was altered", path.display());
        assert!(said.contains(&warning), "{said}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn what_is_kept_helps_no_mirror_whose_signature_is_wrong() {
    let tiny = Tiny::new();
    lock(&tiny);
    let signed = tiny.path("mirror/dists/one/InRelease");
    let text = fs::read_to_string(&signed).unwrap();
    fs::write(&signed, text.replace("Suite: stable", "Suite: stab1e")).unwrap();
    let said = tiny.ask("lock", &[]).failed_with(3);
    assert!(
        said.contains("no signature by a pinned key is good"),
        "{said}"
    );
}
