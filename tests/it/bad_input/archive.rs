//! Archives that someone altered, archives of someone else, mirrors that
//! break off: nothing of them is taken, and the message says what is wrong and
//! what to do.

use std::fs;

use super::{flip, refused, refused_leaving};
use crate::archive_mirror::Archive;
use crate::server::{Behaviour, Server};
use crate::tiny::{self, Tiny};

const INRELEASE: &str = "mirror/dists/one/InRelease";
const PACKAGES: &str = "mirror/dists/one/main/binary-amd64/Packages.xz";
const PATRONI: &str = "mirror/pool/main/patroni_3.0.2-1_all.deb";

/// What `lock` says of it, which then has written nothing.
fn not_locked(tiny: &Tiny) -> String {
    refused(tiny, |tiny| tiny.ask("lock", &[]))
}

/// The archive behind a server that does this; it ends with the value.
fn serve(tiny: &Tiny, behaviours: &[Behaviour]) -> Server {
    let files = tiny::tree(&tiny.path("mirror")).into_iter();
    let files: Vec<_> = files
        .filter_map(|(name, entry)| Some((name, entry.bytes?)))
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    Server::start(&files, behaviours)
}

/// A verb that knows no mirror but the server.
fn ask_of(tiny: &Tiny, server: &Server, verb: &str) -> crate::support::Ran {
    let mirror = format!("tiny={}", server.root());
    let keys = tiny.path("keys").display().to_string();
    let arguments = [vec![verb.to_owned()], tiny.cluster()].concat();
    let more = ["--mirror", &mirror, "--keys", &keys, "--stall", "1"];
    tiny.run(&arguments, &more)
}

#[test]
fn an_altered_signed_index_is_refused() {
    let tiny = Tiny::new();
    super::edit(&tiny, INRELEASE, "Suite: stable", "Suite: unstable");
    insta::assert_snapshot!(not_locked(&tiny), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror:
             file://[ROOT]/mirror: dists/one/InRelease: no signature by a pinned key is good: Bad signature: Message has been manipulated
    hint: nothing of it was taken: try again later, or name another mirror: `--mirror tiny=URL`
    ");
}

#[test]
fn an_unsigned_index_is_refused() {
    let tiny = Tiny::new();
    fs::write(tiny.path(INRELEASE), "Origin: Tiny\nCodename: one\n").unwrap();
    insta::assert_snapshot!(not_locked(&tiny), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror:
             file://[ROOT]/mirror: dists/one/InRelease: it is not a text signed in the OpenPGP cleartext framework
    hint: nothing of it was taken: try again later, or name another mirror: `--mirror tiny=URL`
    ");
}

#[test]
fn an_index_that_another_key_signed_is_refused() {
    let tiny = Tiny::new();
    let other = Archive::new();
    other.publish(&tiny.path("mirror"));
    fs::write(tiny.path("keys/other.gpg"), other.certificate()).unwrap();
    insta::assert_snapshot!(not_locked(&tiny), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror:
             file://[ROOT]/mirror: dists/one/InRelease: no signature by a pinned key is good: it is signed by [ANOTHER KEY], which no pinned certificate at hand has: where the distribution has announced a new key, pin it in a profile of your own
    hint: nothing of it was taken: try again later, or name another mirror: `--mirror tiny=URL`
    ");
}

#[test]
fn an_index_whose_key_has_expired_is_refused() {
    let tiny = Tiny::of(Archive::of_an_expired_key(), "");
    insta::assert_snapshot!(not_locked(&tiny), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror:
             file://[ROOT]/mirror: dists/one/InRelease: no signature by a pinned key is good: the key [KEY] has expired or was revoked
    hint: nothing of it was taken: try again later, or name another mirror: `--mirror tiny=URL`
    ");
}

#[test]
fn an_index_that_was_held_back_beyond_its_time_is_refused() {
    let tiny = Tiny::new();
    let until = "Valid-Until: Mon, 12 Jan 2026 02:11:10 UTC\n";
    tiny.archive.publish_with(&tiny.path("mirror"), until);
    let said = not_locked(&tiny);
    let (before, rest) = said.split_once("judged at ").expect(&said);
    let (_, after) = rest.split_once("Z").unwrap();
    insta::assert_snapshot!(format!("{before}judged at [NOW]{after}"), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror:
             file://[ROOT]/mirror: dists/one/InRelease: its InRelease expired at 2026-01-12T02:11:10Z, judged at [NOW]: the mirror is stale or someone holds it back
    hint: nothing of it was taken: try again later, or name another mirror: `--mirror tiny=URL`
    ");
}

#[test]
fn a_key_that_is_not_at_hand_is_asked_for_by_fingerprint() {
    let tiny = Tiny::new();
    fs::remove_file(tiny.path("keys/tiny.gpg")).unwrap();
    insta::assert_snapshot!(not_locked(&tiny), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny`: no certificate for [KEY] was found in [ROOT]/keys, /usr/share/keyrings, /etc/apt/trusted.gpg.d, /etc/apt/keyrings
    hint: install the distribution's archive keyring package (such as debian-archive-keyring), or name a folder that holds the certificate: `--keys DIR`
    ");
}

#[test]
fn an_index_of_another_archive_is_refused() {
    let tiny = Tiny::new();
    super::edit(
        &tiny,
        "profiles/tiny.toml",
        "origin = \"Tiny\"",
        "origin = \"Debian\"",
    );
    insta::assert_snapshot!(not_locked(&tiny), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror:
             file://[ROOT]/mirror: dists/one/InRelease: its InRelease has Origin `Tiny`, the profile wants `Debian`
    hint: nothing of it was taken: try again later, or name another mirror: `--mirror tiny=URL`
    ");
}

#[test]
fn an_altered_package_list_is_refused() {
    let tiny = Tiny::new();
    flip(&tiny, PACKAGES);
    insta::assert_snapshot!(not_locked(&tiny), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror:
             file://[ROOT]/mirror: dists/one/main/binary-amd64/Packages.xz: the file has [N] bytes and sha256 [SHA256], its index says [N] bytes and sha256 [SHA256]; the mirror is damaged, or being updated
    hint: nothing of it was taken: try again later, or name another mirror: `--mirror tiny=URL`
    ");
}

#[test]
fn a_mirror_without_the_suite_is_refused() {
    let tiny = Tiny::new();
    fs::remove_file(tiny.path(INRELEASE)).unwrap();
    insta::assert_snapshot!(not_locked(&tiny), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror:
             file://[ROOT]/mirror/dists/one/InRelease is not there
    hint: see to the network, or name another mirror: `--mirror tiny=URL`
    ");
}

#[test]
fn a_profile_without_mirrors_asks_for_one() {
    let tiny = Tiny::new();
    let arguments = [vec!["lock".to_owned()], tiny.cluster()].concat();
    let keys = tiny.path("keys").display().to_string();
    let said = refused(&tiny, |tiny| tiny.run(&arguments, &["--keys", &keys]));
    insta::assert_snapshot!(said, @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror:
             none is known
    hint: name one: `--mirror tiny=URL`
    ");
}

#[test]
fn an_altered_package_is_not_taken() {
    let tiny = Tiny::new();
    tiny.ask("lock", &[]).succeeded();
    flip(&tiny, PATRONI);
    let said = refused(&tiny, |tiny| tiny.ask("fetch", &[]));
    insta::assert_snapshot!(said, @"
    exit code 3
    lock     [ROOT]/demo.tiny-amd64.lock: 10 packages, [N] KiB, as of 2026-01-05T02:11:10Z
    fetch    12 files, [N] KiB, of which [N] KiB are not in the store yet
    error: 1 file is not to be had:
             pool/main/patroni_3.0.2-1_all.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               [ROOT]/mirror/pool/main/patroni_3.0.2-1_all.deb has digest [SHA256], not [SHA256]
    hint: the archive moved on since the lock was made, or a mirror lags behind: lock anew with `pgbundle lock`, name another mirror, or import a store that has them
    ");
    let said = refused(&tiny, |tiny| tiny.build(&[]));
    assert!(said.starts_with("exit code 3"), "{said}");
}

#[test]
fn a_connection_that_is_cut_within_the_index_is_tried_again_and_named() {
    let tiny = Tiny::new();
    let server = serve(&tiny, &[Behaviour::Cut(300)]);
    let said = refused(&tiny, |tiny| ask_of(tiny, &server, "lock"));
    insta::assert_snapshot!(settled(&said, &server), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror:
             http://[SERVER]/dists/one/InRelease cannot be read: the connection was cut (tried 4 times)
    hint: see to the network, or name another mirror: `--mirror tiny=URL`
    ");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_connection_that_is_cut_within_a_package_keeps_what_came() {
    let tiny = Tiny::new();
    tiny.ask("lock", &[]).succeeded();
    tiny.ask("fetch", &[]).succeeded();
    fs::remove_file(tiny.blob("patroni")).unwrap();
    let server = serve(&tiny, &[Behaviour::Cut(300), Behaviour::Cut(0)]);
    // What came is not thrown away: it is no blob yet, and is gone on with.
    let said = refused_leaving(&tiny, &["store/part"], |tiny| {
        ask_of(tiny, &server, "fetch")
    });
    insta::assert_snapshot!(settled(&said, &server), @"
    exit code 3
    lock     [ROOT]/demo.tiny-amd64.lock: 10 packages, [N] KiB, as of 2026-01-05T02:11:10Z
    fetch    12 files, [N] KiB, of which [N] B are not in the store yet
    error: 1 file is not to be had:
             pool/main/patroni_3.0.2-1_all.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               http://[SERVER]/pool/main/patroni_3.0.2-1_all.deb could not be fetched in 4 tries: the connection was cut
    hint: see to the network, or name another mirror, and run the command again: it goes on where it stopped
    ");
    let server = serve(&tiny, &[Behaviour::Good]);
    ask_of(&tiny, &server, "fetch").succeeded();
    let asked = ["/pool/main/patroni_3.0.2-1_all.deb from 300"];
    assert_eq!(server.requests(), asked);
    assert_eq!(
        tiny::tree(&tiny.path("store/part")).len(),
        1,
        "no part is left"
    );
}

#[test]
fn a_mirror_that_stalls_is_given_up_and_named() {
    let tiny = Tiny::new();
    let server = serve(&tiny, &[Behaviour::Stalls]);
    let said = refused(&tiny, |tiny| ask_of(tiny, &server, "lock"));
    insta::assert_snapshot!(settled(&said, &server), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: source `tiny` cannot be read from any mirror:
             http://[SERVER]/dists/one/InRelease cannot be read: the server fell silent (tried 4 times)
    hint: see to the network, or name another mirror: `--mirror tiny=URL`
    ");
}

/// Without the port, which is another each time.
fn settled(said: &str, server: &Server) -> String {
    said.replace(&server.root(), "http://[SERVER]")
}

#[test]
fn a_package_that_the_archive_lacks_is_named() {
    let tiny = Tiny::new();
    tiny.profile("\n[components.haproxy]\npackages = [\"haproxy\", \"varnish\"]\n");
    insta::assert_snapshot!(not_locked(&tiny), @"
    exit code 1
    lock     reading the signed indexes of Tiny
    error: on the base `tiny`: `varnish` is asked for: nothing provides varnish
    hint: the spec, the profile and the base image do not fit together as the archive stands now: see to the packages that the profile asks for, or name a mirror that has them
    ");
}

#[test]
fn a_mirror_that_is_passed_over_is_named() {
    let tiny = Tiny::new();
    let absent = format!("tiny=file://{}", tiny.path("absent").display());
    let first = vec!["lock".to_owned(), "--mirror".to_owned(), absent];
    let ran = tiny.run(&[first, tiny.cluster(), tiny.mirrors()].concat(), &[]);
    let said = "absent/dists/one/InRelease is not there; another mirror is taken";
    let told = ran.succeeded();
    assert!(told.contains(said), "{told}");
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
    let said = tiny.ask("lock", &[]).succeeded();
    assert!(said.contains("older than the 2099-01-01"), "{said}");
    let again = tiny.ask("lock", &[]).succeeded();
    assert!(!again.contains("older than"), "{again}");
}
