//! Bundles and seed images, judged by the tools that will read them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use pgbundle::archive::untar::{Limits, UntarError, walk};
use pgbundle::archive::{iso, tar};
use pgbundle::base::{BundlePath, Epoch};
use pgbundle::store::{Store, StoreError};
use pgbundle::tree::{Content, Entry, Mode, Tree};
use proptest::prelude::*;

fn path(text: &str) -> BundlePath {
    text.parse().unwrap()
}

fn date() -> Epoch {
    "2026-11-21T13:49:33Z".parse().unwrap()
}

/// Whether the machine has the tool; says so plainly when it has not.
fn has(tool: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|folders| {
        std::env::split_paths(&folders).any(|folder| folder.join(tool).is_file())
    });
    if !found {
        eprintln!("not checked with {tool}: it is not installed");
    }
    found
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{errors}");
    text
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

fn long_name() -> BundlePath {
    path(&format!(
        "cluster/nodes/db-1/files/{}/x.conf",
        "etc/".repeat(40).trim_end_matches('/')
    ))
}

fn example(store: &Store) -> Tree {
    let mut tree = Tree::new();
    let package = store.put(&noise(300_000)).unwrap();
    tree.insert_blob(path("packages/pool/a_1+b~c.deb"), package)
        .unwrap();
    tree.insert_bytes(path("manifest.json"), "{}\n").unwrap();
    tree.insert_bytes(path("manifest.sig"), "signature")
        .unwrap();
    tree.insert_bytes(path("empty"), "").unwrap();
    tree.insert_bytes(path("cluster/text"), "text\n".repeat(50_000))
        .unwrap();
    tree.insert_bytes(long_name(), "long").unwrap();
    let entry = Entry {
        content: Content::Bytes(b"#!/bin/sh\n".to_vec()),
        mode: Mode::Program,
    };
    tree.insert(path("program"), entry).unwrap();
    tree
}

fn first() -> [BundlePath; 2] {
    [path("manifest.json"), path("manifest.sig")]
}

fn archive_of(tree: &Tree) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = tar::write(&mut bytes, tree, &first(), date()).unwrap();
    assert_eq!(written.size, bytes.len() as u64);
    assert_eq!(written.sha256, pgbundle::base::Sha256::of(&bytes));
    bytes
}

#[test]
fn a_bundle_has_the_same_bytes_each_time_and_its_members_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let tree = example(&Store::at(folder.path()).unwrap());
    let bytes = archive_of(&tree);
    assert_eq!(bytes, archive_of(&tree));
    let mut names = Vec::new();
    walk(&bytes[..], Limits::default(), |member| {
        names.push(member.path.to_string());
        Ok::<(), UntarError>(())
    })
    .unwrap();
    let expected = [path("manifest.json"), path("manifest.sig"), long_name()];
    assert_eq!(names[..3], expected.map(|path| path.to_string()));
    assert_eq!(names.len(), tree.len());
}

#[test]
fn every_tar_reads_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let tree = example(&Store::at(folder.path().join("store")).unwrap());
    let file = folder.path().join("role.tar.gz");
    fs::write(&file, archive_of(&tree)).unwrap();
    let mut checked = 0;
    let unpack: [(&str, &[&str]); 4] = [
        ("tar", &["xzf"]),
        ("bsdtar", &["xzf"]),
        ("busybox", &["tar", "xzf"]),
        (
            "python3",
            &[
                "-c",
                "import sys,tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[3])",
            ],
        ),
    ];
    for (tool, arguments) in unpack.into_iter().filter(|(tool, _)| has(tool)) {
        let out = folder.path().join(format!("out-{tool}"));
        fs::create_dir(&out).unwrap();
        run(Command::new(tool)
            .args(arguments)
            .arg(&file)
            .arg("-C")
            .arg(&out));
        same_as(&tree, &out);
        checked += 1;
    }
    for tool in ["gzip", "pigz"].into_iter().filter(|tool| has(tool)) {
        run(Command::new(tool).arg("-t").arg(&file));
        checked += 1;
    }
    assert!(checked >= 2, "neither tar nor gzip is installed");
}

fn same_as(tree: &Tree, out: &Path) {
    for (path, entry) in tree.iter() {
        let file = path.under(out);
        let expected = match &entry.content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Blob(blob) => blob.read().unwrap(),
            Content::Named { .. } => panic!("the example names nothing"),
        };
        assert!(fs::read(&file).unwrap() == expected, "{path}");
        let mode = file.metadata().unwrap().permissions().mode() & 0o100;
        assert_eq!(mode != 0, entry.mode == Mode::Program, "{path}");
    }
}

#[test]
fn gnu_tar_shows_one_owner_and_one_time() {
    let folder = tempfile::tempdir().unwrap();
    let tree = example(&Store::at(folder.path().join("store")).unwrap());
    let file = folder.path().join("role.tar.gz");
    fs::write(&file, archive_of(&tree)).unwrap();
    let list = run(Command::new("tar")
        .env("TZ", "UTC")
        .args(["tvzf"])
        .arg(&file));
    assert_eq!(list.lines().count(), tree.len());
    for line in list.lines() {
        assert!(
            line.contains(" root/root ") && line.contains("2026-11-21 13:49"),
            "{line}"
        );
    }
}

#[test]
fn a_blob_that_changes_under_the_writer_fails_the_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path()).unwrap();
    let tree = example(&store);
    let (_, entry) = tree
        .iter()
        .find(|(path, _)| path.as_str().ends_with(".deb"))
        .unwrap();
    let Content::Blob(blob) = &entry.content else {
        panic!("it is a blob")
    };
    for altered in [noise(299_999), noise(300_001), vec![7; 300_000]] {
        fs::remove_file(blob.path()).unwrap();
        fs::write(blob.path(), altered).unwrap();
        let error = tar::write(std::io::sink(), &tree, &[], date()).unwrap_err();
        assert!(
            matches!(
                error,
                tar::TarError::Content {
                    source: StoreError::Changed { .. },
                    ..
                }
            ),
            "{error}"
        );
    }
}

/// A member for hostile archives: type, name, content, announced size.
fn member(kind: u8, name: &[u8], content: &[u8], size: u64) -> Vec<u8> {
    let mut header = ::tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(::tar::EntryType::new(kind));
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn gzipped(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for part in parts {
        gzip.write_all(part).unwrap();
    }
    gzip.write_all(&[0; 1024]).unwrap();
    gzip.finish().unwrap()
}

fn read_all(bytes: &[u8], limits: Limits) -> Result<Vec<(String, Vec<u8>)>, UntarError> {
    let mut files = Vec::new();
    walk(bytes, limits, |member| {
        let mut content = Vec::new();
        let read = member.reader.read_to_end(&mut content);
        read.map_err(|source| UntarError::Read {
            after: member.path.to_string(),
            source,
        })?;
        files.push((member.path.to_string(), content));
        Ok::<(), UntarError>(())
    })?;
    Ok(files)
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    member(b'0', name.as_bytes(), content, content.len() as u64)
}

#[test]
fn a_folder_and_a_file_are_let_through() {
    let bytes = gzipped(&[member(b'5', b"a/", b"", 0), file("a/b", b"text")]);
    let files = read_all(&bytes, Limits::default()).unwrap();
    assert_eq!(files, [("a/b".to_owned(), b"text".to_vec())]);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "./a",
        "a//b",
        "a/.",
        "..",
        "a\nb",
        "a/",
    ] {
        let error = read_all(&gzipped(&[file(name, b"")]), Limits::default()).unwrap_err();
        assert!(matches!(error, UntarError::Path(_)), "{name}: {error}");
    }
    let folder = gzipped(&[member(b'5', b"../x/", b"", 0)]);
    assert!(matches!(
        read_all(&folder, Limits::default()),
        Err(UntarError::Path(_))
    ));
    let name = format!("{}/../../x\0", "a".repeat(200));
    let long = member(b'L', b"././@LongLink", name.as_bytes(), name.len() as u64);
    let error = read_all(&gzipped(&[long, file("a", b"")]), Limits::default()).unwrap_err();
    assert!(matches!(error, UntarError::Path(_)), "{error}");
}

#[test]
fn links_devices_and_extended_headers_are_refused() {
    for kind in *b"123467xgKSMNV" {
        let bytes = gzipped(&[member(kind, b"a", b"", 0)]);
        let error = read_all(&bytes, Limits::default()).unwrap_err();
        assert!(
            matches!(error, UntarError::Kind { .. }),
            "{}: {error}",
            char::from(kind)
        );
    }
}

#[test]
fn paths_that_collide_are_refused() {
    let pairs = [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b")];
    for (one, two) in pairs {
        let bytes = gzipped(&[file(one, b"1"), file(two, b"2")]);
        let error = read_all(&bytes, Limits::default()).unwrap_err();
        assert!(
            matches!(error, UntarError::Twice(_)),
            "{one} {two}: {error}"
        );
    }
    let bytes = gzipped(&[file("a", b"1"), member(b'5', b"a/", b"", 0)]);
    assert!(matches!(
        read_all(&bytes, Limits::default()),
        Err(UntarError::Twice(_))
    ));
}

#[test]
fn bounds_hold() {
    let limits = Limits {
        file: 10,
        total: 15,
        members: 3,
    };
    let cases = [
        vec![file("a", &[0; 11])],
        vec![file("a", &[0; 8]), file("b", &[0; 8])],
        vec![
            file("a", b""),
            file("b", b""),
            file("c", b""),
            file("d", b""),
        ],
        vec![member(b'0', b"a", b"", 8 << 40)],
        vec![member(b'L', b"n", &[b'n'; 5000], 5000), file("a", b"")],
    ];
    for case in cases {
        let error = read_all(&gzipped(&case), limits).unwrap_err();
        assert!(matches!(error, UntarError::Bounds { .. }), "{error}");
    }
    let name = vec![b'n'; 5000];
    let long = gzipped(&[member(b'L', b"n", &name, 5000), file("a", b"")]);
    let error = read_all(&long, Limits::default()).unwrap_err();
    assert!(matches!(error, UntarError::Bounds { .. }), "{error}");
}

#[test]
fn cut_altered_and_lengthened_archives_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tree = example(&Store::at(folder.path()).unwrap());
    let whole = archive_of(&tree);
    let read = |bytes: &[u8]| read_all(bytes, Limits::default());
    assert_eq!(read(&whole).unwrap().len(), tree.len());
    for cut in [
        0,
        5,
        10,
        600,
        whole.len() / 2,
        whole.len() - 9,
        whole.len() - 1,
    ] {
        assert!(
            matches!(read(&whole[..cut]), Err(UntarError::Read { .. })),
            "cut at {cut}"
        );
    }
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    assert!(matches!(read(&altered), Err(UntarError::Read { .. })));
    let two = [whole.clone(), whole.clone()].concat();
    assert!(matches!(read(&two), Err(UntarError::Trailing)));
    let more = gzipped(&[file("a", b""), vec![0; 1024], file("b", b"")]);
    assert!(matches!(read(&more), Err(UntarError::Trailing)));
    assert!(matches!(read(b"not a gzip"), Err(UntarError::Read { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back(
        files in prop::collection::btree_map(
            "[a-z+~]{1,12}(/[a-zA-Z0-9._-]{1,60}x){0,4}(\\.deb)?",
            prop::collection::vec(any::<u8>(), 0..3000),
            0..10,
        ),
    ) {
        let mut tree = Tree::new();
        let mut expected = Vec::new();
        for (name, content) in files {
            if tree.insert_bytes(path(&name), content.clone()).is_ok() {
                expected.push((name, content));
            }
        }
        let mut bytes = Vec::new();
        tar::write(&mut bytes, &tree, &[], date()).unwrap();
        prop_assert_eq!(read_all(&bytes, Limits::default()).unwrap(), expected);
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(read_all(&bytes, Limits::default()).is_err());
        let wrapped = gzipped(&[bytes]);
        // Whatever it says, it says without a panic.
        let _ = read_all(&wrapped, Limits::default());
    }
}

fn seed_files(bundle: &Path) -> Vec<iso::IsoFile> {
    let bytes = |name: &str, text: &str| iso::IsoFile {
        path: path(name),
        content: iso::Content::Bytes(text.as_bytes().to_vec()),
        mode: 0o400,
    };
    vec![
        bytes("user-data", "#cloud-config\n"),
        bytes("meta-data", "instance-id: i-1\n"),
        bytes("network-config", "version: 2\n"),
        iso::IsoFile {
            path: path("bundles/Postgres-with_a.long.name+in~it.tar.gz"),
            content: iso::Content::File(bundle.to_owned()),
            mode: 0o444,
        },
    ]
}

fn seed_in(folder: &Path) -> std::path::PathBuf {
    let bundle = folder.join("bundle");
    fs::write(&bundle, noise(3_000_000)).unwrap();
    let image = folder.join("seed.iso");
    iso::write(&image, iso::LABEL, &seed_files(&bundle), date()).unwrap();
    image
}

#[test]
fn a_seed_image_is_private_and_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let image = seed_in(folder.path());
    let once = fs::read(&image).unwrap();
    assert_eq!(
        image.metadata().unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    fs::File::open(folder.path().join("bundle"))
        .unwrap()
        .set_times(times)
        .unwrap();
    iso::write(
        &image,
        iso::LABEL,
        &seed_files(&folder.path().join("bundle")),
        date(),
    )
    .unwrap();
    assert!(once == fs::read(&image).unwrap());
    let left: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert_eq!(left.len(), 2);
}

#[test]
fn a_seed_image_refuses_a_file_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("seed.iso");
    let files = seed_files(&folder.path().join("nothing"));
    let error = iso::write(&image, iso::LABEL, &files, date()).unwrap_err();
    assert!(error.to_string().contains("nothing"), "{error}");
    assert!(!image.exists());
}

#[test]
fn every_reader_of_images_reads_a_seed() {
    let folder = tempfile::tempdir().unwrap();
    let image = seed_in(folder.path());
    let long = "Postgres-with_a.long.name+in~it.tar.gz";
    if has("blkid") {
        let shown = run(Command::new("blkid")
            .args(["-p", "-o", "export"])
            .arg(&image));
        assert!(
            shown.contains("LABEL=cidata\n") && shown.contains("TYPE=iso9660\n"),
            "{shown}"
        );
    }
    if has("isoinfo") {
        for tree in ["-J", "-R"] {
            let shown = run(Command::new("isoinfo").args([tree, "-f", "-i"]).arg(&image));
            assert!(
                shown.contains(long) && shown.contains("/user-data\n"),
                "{shown}"
            );
        }
        let shown = run(Command::new("isoinfo").args(["-R", "-l", "-i"]).arg(&image));
        assert!(
            shown.contains("-r--------") && shown.contains("Nov 21 2026"),
            "{shown}"
        );
    }
    if has("xorriso") {
        let out = folder.path().join("out");
        run(Command::new("xorriso")
            .args(["-osirrox", "on", "-indev"])
            .arg(&image)
            .args(["-extract", "/"])
            .arg(&out));
        assert!(fs::read(out.join("bundles").join(long)).unwrap() == noise(3_000_000));
        assert_eq!(fs::read(out.join("user-data")).unwrap(), b"#cloud-config\n");
    }
    if has("bsdtar") {
        let shown = run(Command::new("bsdtar").arg("tf").arg(&image));
        assert!(shown.contains(long), "{shown}");
    }
}
