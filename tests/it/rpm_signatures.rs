//! rpm's own programs beside the reader of signatures: what rpmbuild and
//! rpmsign make is accepted, and what the tests write rpmkeys accepts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pgbundle::base::Epoch;
use pgbundle::repo::keyring::Keyring;
use pgbundle::repo::openpgp::Trust;
use pgbundle::repo::rpm::file::PackageFile;
use pgbundle::repo::rpm::signature::verify;
use sequoia_openpgp::serialize::SerializeInto;

use crate::lock::say;
use crate::rpm_writing::{Package, Signing, bound_by_sha1, moment, rsa_key, sense};
use crate::support::{Ran, Sandbox, ended};

/// 2018-11-12.
const MADE: u64 = 1_541_980_800;

const SPEC: &str = "\
Name: tiny
Version: 1.0
Release: 1%{?dist}
Summary: A package of a test
License: Apache-2.0
BuildArch: noarch
%description
It holds little.
%install
mkdir -p %{buildroot}/usr/share/tiny
echo one > %{buildroot}/usr/share/tiny/one
%files
/usr/share/tiny
";

/// Whether rpm's programs are here; a machine of a build has them, or the test fails.
fn has_rpm() -> bool {
    let missing = ["rpmbuild", "rpmsign", "rpmkeys", "gpg"]
        .into_iter()
        .find(|program| !Path::new("/usr/bin").join(program).exists());
    match missing {
        None => true,
        Some(program) if std::env::var_os("CI").is_none() => {
            say(&format!("NOT COMPARED with rpm: there is no {program}"));
            false
        }
        Some(program) => panic!("nothing to compare with rpm: there is no {program}"),
    }
}

fn run(room: &Sandbox, program: &str, arguments: &[&str]) -> Ran {
    ended(room.clean(Command::new(program)).args(arguments))
}

fn succeeds(room: &Sandbox, program: &str, arguments: &[&str]) -> String {
    let ran = run(room, program, arguments);
    assert_eq!(ran.code, 0, "{program} {arguments:?}: {}", ran.stderr);
    ran.stdout
}

/// A package of rpmbuild's, unsigned.
fn built(room: &Sandbox) -> PathBuf {
    room.write("tiny.spec", SPEC);
    let top = format!("_topdir {}", room.path("build").display());
    let spec = room.path("tiny.spec").display().to_string();
    succeeds(room, "rpmbuild", &["-bb", "--define", &top, &spec]);
    room.path("build/RPMS/noarch/tiny-1.0-1.noarch.rpm")
}

/// A key of gpg's, its fingerprint, and its certificate in `keys/RPM-GPG-KEY-Test`.
fn gpg_key(room: &Sandbox) -> String {
    let owner = "Packager <packager@example.org>";
    let quick = ["--batch", "--passphrase", "", "--quick-gen-key", owner];
    let how = ["rsa2048", "sign", "never"];
    succeeds(room, "gpg", &[&quick[..], &how].concat());
    let armored = succeeds(room, "gpg", &["--armor", "--export"]);
    room.write("keys/RPM-GPG-KEY-Test", &armored);
    let listed = succeeds(room, "gpg", &["--with-colons", "--fingerprint"]);
    let line = listed.lines().find(|line| line.starts_with("fpr:"));
    let fingerprint = line.and_then(|line| line.split(':').nth(9));
    fingerprint.expect("gpg lists its key").to_owned()
}

fn accepted(file: &Path, keys: PathBuf, pinned: &str) -> Result<String, String> {
    let pinned = [pinned.to_owned()];
    let certs = Keyring::find(&[keys], &pinned).pinned(&pinned).unwrap();
    let trust = Trust {
        certs: &certs,
        legacy: &[],
    };
    let at: Epoch = "2027-01-01T00:00:00Z".parse().unwrap();
    let mut file = fs::File::open(file).unwrap();
    let package = PackageFile::read(&mut file).map_err(|error| error.to_string())?;
    verify(&package, file, trust, at).map_err(|error| error.to_string())
}

#[test]
fn what_rpmbuild_and_rpmsign_make_is_accepted() {
    if !has_rpm() {
        return;
    }
    let room = Sandbox::new();
    let (package, key) = (built(&room), gpg_key(&room));
    let keys = || room.path("keys");
    let why = accepted(&package, keys(), &key).unwrap_err();
    assert_eq!(why, "it is not signed");
    for form in [&["--addsign"][..], &["--rpmv3", "--resign"]] {
        let define = format!("_gpg_name {key}");
        let file = package.display().to_string();
        let gpg = ["--define", "__gpg /usr/bin/gpg"];
        let arguments = [form, &gpg, &["--define", &define, &file]].concat();
        succeeds(&room, "rpmsign", &arguments);
        assert_eq!(accepted(&package, keys(), &key), Ok(key.clone()));
    }
    succeeds(&room, "gpgconf", &["--kill", "gpg-agent"]);
    let mut bytes = fs::read(&package).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&package, bytes).unwrap();
    assert!(accepted(&package, keys(), &key).is_err());
}

#[test]
fn what_the_tests_write_is_a_signed_package_to_rpm() {
    if !has_rpm() {
        return;
    }
    let room = Sandbox::new();
    let key = bound_by_sha1(&rsa_key(moment(MADE)), moment(MADE));
    fs::write(room.path("key"), key.armored().to_vec().unwrap()).unwrap();
    let database = room.path("rpmdb").display().to_string();
    let rpmkeys = |arguments: &[&str]| {
        let database = ["--dbpath", &database];
        run(&room, "rpmkeys", &[&database[..], arguments].concat())
    };
    assert_eq!(rpmkeys(&["--import", "key"]).code, 0);
    let all = Signing {
        all: true,
        ..Signing::NOW
    };
    for (how, payload_digest) in [(Signing::EL7, false), (Signing::NOW, true), (all, true)] {
        let package = Package {
            files: vec![("/usr/share/tiny/one", "one\n")],
            requires: vec![("tiny-libs", sense::AT_LEAST, "1.0")],
            payload_digest,
            ..Package::new("tiny", "1.0", "noarch")
        };
        let file = package.file_name();
        let bytes = package.signed(&key, moment(MADE), how);
        fs::write(room.path(&file), bytes).unwrap();
        let checked = rpmkeys(&["--checksig", "--verbose", &file]);
        fs::write(room.path(&file), package.unsigned()).unwrap();
        let unsigned = rpmkeys(&["--checksig", "--verbose", &file]);
        assert!(
            !unsigned.stdout.contains("Signature"),
            "{}",
            unsigned.stdout
        );
        assert_eq!(checked.code, 0, "{how:?}: {}", checked.stdout);
        let good = checked.stdout.matches("Signature, key ID").count();
        assert_eq!(good, usize::from(how.header) + usize::from(how.all));
    }
}
