//! Archives that someone altered, and archives of someone else: nothing of
//! them is taken, and the message says what is wrong and what to do.

use std::fs;

use crate::archive_mirror::Archive;
use crate::tiny::Tiny;

const INRELEASE: &str = "mirror/dists/one/InRelease";
const PACKAGES: &str = "mirror/dists/one/main/binary-amd64/Packages.xz";
const PATRONI: &str = "mirror/pool/main/patroni_3.0.2-1_all.deb";

/// Flips one bit in the middle of a file.
fn flip(tiny: &Tiny, file: &str) {
    let mut bytes = fs::read(tiny.path(file)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(tiny.path(file), bytes).unwrap();
}

/// What `lock` says of it, which then has written nothing.
fn refused(tiny: &Tiny) -> String {
    let said = tiny.ask("lock", &[]).failed_with(3);
    assert!(!tiny.path("demo.tiny-amd64.lock").exists());
    tiny.settled(&said)
}

#[test]
fn an_altered_signed_index_is_refused() {
    let tiny = Tiny::new();
    let text = fs::read_to_string(tiny.path(INRELEASE)).unwrap();
    let altered = text.replace("Suite: stable", "Suite: unstable");
    fs::write(tiny.path(INRELEASE), altered).unwrap();
    insta::assert_snapshot!(refused(&tiny), @r"
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror (name another with --mirror):
             file://[ROOT]/mirror: dists/one/InRelease: no signature by a pinned key is good: Bad signature: Message has been manipulated
    ");
}

#[test]
fn an_unsigned_index_is_refused() {
    let tiny = Tiny::new();
    fs::write(tiny.path(INRELEASE), "Origin: Tiny\nCodename: one\n").unwrap();
    insta::assert_snapshot!(refused(&tiny), @r"
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror (name another with --mirror):
             file://[ROOT]/mirror: dists/one/InRelease: it is not a text signed in the OpenPGP cleartext framework
    ");
}

#[test]
fn an_index_that_another_key_signed_is_refused() {
    let tiny = Tiny::new();
    let other = Archive::new();
    other.publish(&tiny.path("mirror"));
    fs::write(tiny.path("keys/other.gpg"), other.certificate()).unwrap();
    let said = refused(&tiny);
    insta::assert_snapshot!(said, @r"
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror (name another with --mirror):
             file://[ROOT]/mirror: dists/one/InRelease: no signature by a pinned key is good: it is signed by [ANOTHER KEY], which no pinned certificate at hand has: where the distribution has announced a new key, pin it in a profile of your own
    ");
}

#[test]
fn a_key_that_is_not_at_hand_is_asked_for_by_fingerprint() {
    let tiny = Tiny::new();
    fs::remove_file(tiny.path("keys/tiny.gpg")).unwrap();
    insta::assert_snapshot!(refused(&tiny), @r"
    lock     reading the signed indexes of Tiny
    error: source `tiny`: no certificate for [KEY] was found in [ROOT]/keys, /usr/share/keyrings, /etc/apt/trusted.gpg.d, /etc/apt/keyrings: install the distribution's archive keyring package (such as debian-archive-keyring), or pass a folder that holds the certificate (--keys)
    ");
}

#[test]
fn an_index_of_another_archive_is_refused() {
    let tiny = Tiny::new();
    let profile = fs::read_to_string(tiny.path("profiles/tiny.toml")).unwrap();
    let other = profile.replace("origin = \"Tiny\"", "origin = \"Debian\"");
    fs::write(tiny.path("profiles/tiny.toml"), other).unwrap();
    insta::assert_snapshot!(refused(&tiny), @r"
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror (name another with --mirror):
             file://[ROOT]/mirror: dists/one/InRelease: its InRelease has Origin `Tiny`, the profile wants `Debian`
    ");
}

#[test]
fn an_altered_package_list_is_refused() {
    let tiny = Tiny::new();
    flip(&tiny, PACKAGES);
    insta::assert_snapshot!(refused(&tiny), @r"
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror (name another with --mirror):
             file://[ROOT]/mirror: dists/one/main/binary-amd64/Packages.xz: the file has [N] bytes and sha256 [SHA256], its signed index says [N] bytes and sha256 [SHA256]; the mirror is damaged, or being updated: try again or name another
    ");
}

#[test]
fn a_mirror_without_the_suite_is_refused() {
    let tiny = Tiny::new();
    fs::remove_file(tiny.path(INRELEASE)).unwrap();
    insta::assert_snapshot!(refused(&tiny), @r"
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror (name another with --mirror):
             file://[ROOT]/mirror: file://[ROOT]/mirror/dists/one/InRelease is not there
    ");
}

#[test]
fn a_profile_without_mirrors_asks_for_one() {
    let tiny = Tiny::new();
    let arguments = [vec!["lock".to_owned()], tiny.cluster()].concat();
    let keys = tiny.path("keys").display().to_string();
    let said = tiny.run(&arguments, &["--keys", &keys]).failed_with(3);
    insta::assert_snapshot!(tiny.settled(&said), @r"
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror (name another with --mirror):
             none is known
    ");
}

#[test]
fn an_altered_package_is_not_taken() {
    let tiny = Tiny::new();
    tiny.ask("lock", &[]).succeeded();
    flip(&tiny, PATRONI);
    let said = tiny.ask("fetch", &[]).failed_with(3);
    insta::assert_snapshot!(tiny.settled(&said), @r"
    lock     [ROOT]/demo.tiny-amd64.lock: 10 packages, [N] KiB, as of 2026-01-05T02:11:10Z
    fetch    12 files, [N] KiB, of which [N] KiB are not in the store yet
    error: 1 file is not to be had:
             pool/main/patroni_3.0.2-1_all.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               [ROOT]/mirror/pool/main/patroni_3.0.2-1_all.deb has digest [SHA256], not [SHA256]
           the archive moved on since the lock was made, or a mirror lags behind: lock anew with `pgbundle lock`, name another mirror, or import a store that has them
    ");
    tiny.build(&[]).failed_with(3);
    assert!(!tiny.path("dist").exists());
}

#[test]
fn a_package_that_the_archive_lacks_is_named() {
    let tiny = Tiny::new();
    tiny.profile("\n[components.haproxy]\npackages = [\"haproxy\", \"varnish\"]\n");
    let said = tiny.ask("lock", &[]).failed_with(1);
    insta::assert_snapshot!(tiny.settled(&said), @r"
    lock     reading the signed indexes of Tiny
    error: on the base `tiny`: `varnish` is asked for: nothing provides varnish
    hint: the spec, the profile and the base image do not fit together as the archive stands now
    ");
}

#[test]
fn a_mirror_that_is_passed_over_is_named() {
    let tiny = Tiny::new();
    let absent = format!("tiny=file://{}", tiny.path("absent").display());
    let first = vec!["lock".to_owned(), "--mirror".to_owned(), absent];
    let ran = tiny.run(&[first, tiny.cluster(), tiny.mirrors()].concat(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said = "absent/dists/one/InRelease is not there; another mirror is taken";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn a_state_older_than_the_lock_it_replaces_is_told() {
    let tiny = Tiny::new();
    tiny.ask("lock", &[]).succeeded();
    let path = tiny.path("demo.tiny-amd64.lock");
    let newer = |line: &str| match line.starts_with("date = ") {
        true => "date = \"2099-01-01T00:00:00Z\"\n".to_owned(),
        false => format!("{line}\n"),
    };
    let lock = fs::read_to_string(&path).unwrap();
    fs::write(&path, lock.lines().map(newer).collect::<String>()).unwrap();
    let ran = tiny.ask("lock", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("older than the 2099-01-01"),
        "{}",
        ran.stderr
    );
    let again = tiny.ask("lock", &[]);
    assert!(!again.stderr.contains("older than"), "{}", again.stderr);
}
