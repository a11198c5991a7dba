//! What an rpm-md repository says of its metadata.

use pgbundle::repo::rpm::repomd::{Kind, Repomd};

/// Where it is accepted, packages are listed, once, below the repository's root.
pub fn holds(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(repomd) = Repomd::read(text) else {
        return false;
    };
    assert!(repomd.of(Kind::Primary).is_some(), "packages are listed");
    for data in &repomd.data {
        assert_eq!(repomd.of(data.kind), Some(data), "each kind once");
        let path = data.path.as_str();
        assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."));
    }
    repomd.date();
    true
}
