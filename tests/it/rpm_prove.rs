//! What a build believes of a lock over rpm packages: what its indexes and the
//! packages themselves say.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use pgbundle::base::Sha256;
use pgbundle::lock::prove::{Evidence, prove};
use pgbundle::lock::{Lock, LockedIndex, LockedPackage, text};
use pgbundle::profile::{self, Profile};
use pgbundle::repo::keyring::Keyring;

use crate::rpm_tiny::{LOCK, NEW, OLD, TinyEl, pgdg_packages};

/// A lock, its store, and who is trusted.
struct Proving {
    tiny: TinyEl,
    profile: Profile,
    keyring: Keyring,
}

impl Proving {
    fn new() -> Self {
        let mut tiny = TinyEl::new();
        let mut packages = pgdg_packages();
        // Only the lists of files say who owns it.
        packages[3].requires = vec![("/usr/libexec/tiny/helper", 0, "")];
        tiny.pgdg(&packages);
        tiny.lock().succeeded();
        tiny.ask(&["fetch"]).0.succeeded();
        let profile = fs::read_to_string(tiny.path("profiles/tiny-el.toml")).unwrap();
        let profile = profile::parse(&profile, None).unwrap();
        let pinned = [&*OLD, &*NEW].map(|cert| cert.fingerprint().to_hex());
        let keyring = Keyring::find(&[tiny.path("keys")], &pinned);
        Self {
            tiny,
            profile,
            keyring,
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.tiny.path(LOCK)).unwrap()
    }

    fn blob(&self, sha256: Sha256) -> PathBuf {
        let digest = sha256.to_string();
        let path = format!("store/sha256/{}/{digest}", &digest[..2]);
        self.tiny.path(&path)
    }

    fn prove(&self, lock: &Lock) -> Result<Vec<String>, String> {
        let open = |row: &LockedIndex| -> io::Result<Box<dyn io::Read>> {
            Ok(Box::new(File::open(self.blob(row.sha256))?))
        };
        let package = |row: &LockedPackage| File::open(self.blob(row.sha256));
        let evidence = Evidence {
            profile: &self.profile,
            keyring: &self.keyring,
            open: &open,
            package: &package,
        };
        prove(lock, &evidence).map_err(|error| error.to_string())
    }

    /// What is said of the lock with one thing in it altered.
    fn refusal(&self, from: &str, to: &str) -> String {
        let whole = self.text();
        assert!(whole.contains(from), "{from}");
        let lock = text::read(&whole.replacen(from, to, 1)).unwrap();
        self.prove(&lock).unwrap_err()
    }
}

#[test]
fn a_lock_that_nobody_touched_is_proved_by_keys_that_are_at_hand() {
    let mut proving = Proving::new();
    let lock = text::read(&proving.text()).unwrap();
    assert_eq!(proving.prove(&lock), Ok(vec![]));
    proving.keyring = Keyring::default();
    let unchecked = proving.prove(&lock).unwrap();
    assert_eq!(
        unchecked,
        [
            "the packages of base",
            "repodata/repomd.xml of pgdg",
            "the packages of pgdg"
        ]
    );
}

#[test]
fn what_no_index_has_is_refused() {
    let proving = Proving::new();
    let row = "have no package `etcd` as the lock has it";
    let provides = "<rpm:entry name=\"libtiny.so.1()(64bit)\"/>\n    </rpm:requires>";
    assert!(proving.refusal(provides, "</rpm:requires>").contains(row));
    let roles = "roles = [\"etcd\"]";
    assert!(proving.prove(&text::read(&proving.text()).unwrap()).is_ok());
    // Who needs a package is the plan's to say, and no index's.
    let lock = text::read(&proving.text().replacen(roles, "roles = [\"proxy\"]", 1));
    assert!(proving.prove(&lock.unwrap()).is_ok());
}

#[test]
fn a_file_that_only_the_lock_says_a_package_has_is_refused() {
    let proving = Proving::new();
    let end = "  </format>\n</package>";
    // As it is written where the lists of files name it.
    let more = "  <file>/usr/bin/more</file>\n</format>\n</package>";
    let said = proving.refusal(end, more);
    assert!(
        said.contains("does not bring the file /usr/bin/more"),
        "{said}"
    );
}

#[test]
fn a_key_that_signed_nothing_is_refused() {
    let proving = Proving::new();
    let own = format!("key = \"{}\"", NEW.fingerprint().to_hex());
    let other = format!("key = \"{}\"", OLD.fingerprint().to_hex());
    assert!(
        proving
            .refusal(&own, &other)
            .contains("not by the key that the lock names")
    );
    let unsigned = "source = \"base\"\npath = \"repodata/repomd.xml\"\n";
    let signed = format!("[[index]]\n{unsigned}");
    let whole = proving.text();
    let row = whole.split("[[index]]").nth(1).unwrap();
    assert!(whole.contains(&signed));
    let said = proving.refusal(row.trim_end(), &format!("{}\n{own}", row.trim_end()));
    assert!(said.contains("is signed by nobody"), "{said}");
}

#[test]
fn a_package_in_the_store_is_checked_again() {
    let mut proving = Proving::new();
    let lock = text::read(&proving.text()).unwrap();
    for source in &mut proving.profile.sources {
        source.keys.reverse();
        if let profile::Repository::RpmMd(repository) = &mut source.kind {
            repository.legacy_keys.clear();
        }
    }
    let said = proving.prove(&lock).unwrap_err();
    assert!(said.contains("the package `etcd`: its signature"), "{said}");
}
