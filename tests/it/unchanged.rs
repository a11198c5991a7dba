//! A build that has nothing to change writes nothing, and one that finds
//! anything else than what it would write makes all of it anew.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::tiny::{self, PUBLIC, RELEASE, Tiny};

/// Inode and time of change of every file: what writing would alter.
fn places(tiny: &Tiny) -> Vec<(String, u64, i64, i64)> {
    let release = tiny.path(RELEASE);
    let place = |name: &String| {
        let found = release.join(name).symlink_metadata().unwrap();
        (name.clone(), found.ino(), found.ctime(), found.ctime_nsec())
    };
    tiny::tree(&release).keys().map(place).collect()
}

/// A release with a copy of it in `before`.
fn built() -> Tiny {
    let tiny = Tiny::built();
    tiny::copy(&tiny.path(RELEASE), &tiny.path("before"));
    tiny
}

/// Builds; the release is made anew and is again what it was.
fn mended(tiny: &Tiny, what: &str) {
    let said = tiny.build(&[]).succeeded();
    assert!(said.contains("\nmade     "), "{what}: {said}");
    let difference = tiny::difference(&tiny.path("before"), &tiny.path(RELEASE));
    assert_eq!(difference, "", "{what}");
}

#[test]
fn a_build_with_nothing_changed_touches_no_file() {
    let tiny = built();
    let before = places(&tiny);
    let said = tiny.build(&[]).succeeded();
    assert!(
        said.contains("\nkept     ") && said.contains("generation 1"),
        "{said}"
    );
    assert_eq!(places(&tiny), before);
    assert_eq!(fs::read_dir(tiny.path("dist")).unwrap().count(), 1);
}

#[test]
fn one_flipped_bit_in_any_file_is_written_over() {
    let tiny = built();
    for (name, entry) in tiny::tree(&tiny.path(RELEASE)) {
        let Some(mut bytes) = entry.bytes else {
            continue;
        };
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        // Size and times stay: neither says that a file is right.
        let path = tiny.path(RELEASE).join(&name);
        let times = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, bytes).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(times).unwrap();
        mended(&tiny, &name);
    }
}

/// What is done to a release, in words and in deed.
type Alteration = (&'static str, fn(&Path));

#[test]
fn what_is_missing_too_much_or_open_to_others_is_put_right() {
    let tiny = built();
    let alterations: [Alteration; 8] = [
        ("a bundle is missing", |release| {
            fs::remove_file(release.join("public/bundles/etcd.tar.gz")).unwrap();
        }),
        ("a seed is missing", |release| {
            fs::remove_dir_all(release.join("seeds/db-2")).unwrap();
        }),
        ("a file too much", |release| {
            fs::write(release.join("public/evidence/more"), "").unwrap();
        }),
        ("a folder too much", |release| {
            fs::create_dir(release.join("seeds/db-9")).unwrap();
        }),
        ("a seed that others may read", |release| {
            let open = fs::Permissions::from_mode(0o644);
            fs::set_permissions(release.join("seeds/db-1/user-data"), open).unwrap();
        }),
        ("a folder of seeds that others may enter", |release| {
            let open = fs::Permissions::from_mode(0o755);
            fs::set_permissions(release.join("seeds"), open).unwrap();
        }),
        ("a release that others may write to", |release| {
            let open = fs::Permissions::from_mode(0o777);
            fs::set_permissions(release, open).unwrap();
        }),
        ("a link for a file", |release| {
            let file = release.join("public/ca.pem");
            fs::rename(&file, release.join("../ca.pem")).unwrap();
            symlink("../../ca.pem", &file).unwrap();
        }),
    ];
    for (what, alter) in alterations {
        alter(&tiny.path(RELEASE));
        mended(&tiny, what);
    }
}

/// A manifest that lists an altered bundle rightly is not the operator's.
#[test]
fn a_manifest_that_was_altered_with_its_bundle_is_not_believed() {
    let tiny = built();
    let bundle = tiny.path(&format!("{PUBLIC}/bundles/proxy.tar.gz"));
    let digest = |path: &Path| pgbundle::base::Sha256::of(&fs::read(path).unwrap()).to_string();
    let right = digest(&bundle);
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[100] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let manifest = tiny.path(&format!("{PUBLIC}/manifest.json"));
    let text = fs::read_to_string(&manifest).unwrap();
    assert!(text.contains(&right));
    fs::write(&manifest, text.replace(&right, &digest(&bundle))).unwrap();
    mended(&tiny, "a forged release");
}

#[test]
fn what_was_asked_in_another_way_is_made_anew() {
    let tiny = built();
    let made = |what: &str, more: &[&str]| {
        let said = tiny.build(more).succeeded();
        assert!(said.contains("\nmade     "), "{what}: {said}");
        said
    };
    let said = made("bundles on the media", &["--media"]);
    assert!(said.contains("generation 1"), "{said}");
    made("no bundles on the media", &[]);
    fs::write(tiny.path("node"), b"\x7fELF another program").unwrap();
    assert!(made("another program", &[]).contains("generation 2"));
}

#[test]
fn a_store_that_lost_a_file_is_filled_again() {
    let tiny = built();
    fs::remove_dir_all(tiny.path("store")).unwrap();
    let said = tiny.build_alone(&["--offline"]).failed_with(3);
    assert!(said.contains("not in the store"), "{said}");
    mended(&tiny, "an empty store");
}
