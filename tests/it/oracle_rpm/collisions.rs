//! Two packages that bring one file: beside what rpm says of installing both.

use std::fs;
use std::process::Command;

use pgbundle::repo::rpm::collision;
use pgbundle::repo::rpm::file::PackageFile;

use crate::rpm_writing::{Attributes, PLAIN, Package};

/// What a file is, and what is in it.
type Brought = (Attributes<'static>, &'static str);

/// The file as each of two packages brings it.
const PAIRS: [(&str, Brought, Brought); 14] = [
    ("the same", (PLAIN, "a"), (PLAIN, "a")),
    ("another content", (PLAIN, "a"), (PLAIN, "b")),
    ("another length", (PLAIN, "a"), (PLAIN, "aa")),
    ("another mode", (PLAIN, "a"), (EXECUTABLE, "a")),
    ("another owner", (PLAIN, "a"), (DAEMONS, "a")),
    ("a ghost", (PLAIN, "a"), (GHOST, "b")),
    ("settings", (SETTINGS, "a"), (SETTINGS, "b")),
    ("folders", (FOLDER, ""), (FOLDER, "")),
    ("folders of two modes", (FOLDER, ""), (PRIVATE_FOLDER, "")),
    ("a folder and a file", (FOLDER, ""), (PLAIN, "a")),
    ("links", (LINK, "/to"), (LINK, "/to")),
    ("links elsewhere", (LINK, "/to"), (LINK, "/so")),
    ("programs of both kinds", (ELF32, "a"), (ELF64, "b")),
    ("programs of one kind", (ELF64, "a"), (ELF64, "b")),
];

const EXECUTABLE: Attributes<'static> = Attributes {
    mode: 0o100_755,
    ..PLAIN
};
const DAEMONS: Attributes<'static> = Attributes {
    owner: "daemon",
    ..PLAIN
};
const GHOST: Attributes<'static> = Attributes {
    flags: 1 << 6,
    ..PLAIN
};
const SETTINGS: Attributes<'static> = Attributes { flags: 1, ..PLAIN };
const FOLDER: Attributes<'static> = Attributes {
    mode: 0o040_755,
    ..PLAIN
};
const PRIVATE_FOLDER: Attributes<'static> = Attributes {
    mode: 0o040_700,
    ..PLAIN
};
const LINK: Attributes<'static> = Attributes {
    mode: 0o120_777,
    ..PLAIN
};
const ELF32: Attributes<'static> = Attributes { color: 1, ..PLAIN };
const ELF64: Attributes<'static> = Attributes { color: 2, ..PLAIN };

fn package(name: &'static str, (attributes, content): Brought) -> Vec<u8> {
    let package = Package {
        attributes,
        files: vec![("/opt/shared/file", content)],
        ..Package::new(name, "1", "x86_64")
    };
    package.unsigned()
}

#[test]
fn two_packages_collide_where_rpm_says_that_they_do() {
    let has_rpm = Command::new("rpm").arg("--version").output().is_ok();
    if !super::is_there((!has_rpm).then(|| "rpm is missing".to_owned())) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut collisions = 0;
    for (what, one, other) in PAIRS {
        let files = [package("one", one), package("other", other)];
        let packages = files
            .each_ref()
            .map(|file| PackageFile::read(&mut &file[..]).unwrap());
        let ours = collision::find(&packages, |_, _| true);
        let mut rpm = Command::new("rpm");
        rpm.env("LC_ALL", "C").arg("--root").arg(folder.path());
        // As on a host of x86_64, whatever this machine is.
        rpm.args([
            "--define",
            "_transaction_color 3",
            "--define",
            "_prefer_color 2",
        ]);
        rpm.args(["-i", "--test", "--nodeps", "--ignorearch", "--nosignature"]);
        for (name, file) in ["one", "other"].iter().zip(&files) {
            let path = folder.path().join(format!("{name}.rpm"));
            fs::write(&path, file).unwrap();
            rpm.arg(path);
        }
        let output = rpm.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let conflict = said.contains("file /opt/shared/file conflicts between attempted installs");
        assert!(output.status.success() != conflict, "{what}: {said}");
        assert_eq!(!ours.is_empty(), conflict, "{what}: rpm says: {said}");
        collisions += ours.len();
        // They never meet on one host.
        assert_eq!(collision::find(&packages, |_, _| false), []);
    }
    assert_eq!(collisions, 9);
}
