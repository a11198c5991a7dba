//! A bundle's own repository beside createrepo_c, and in front of dnf: what is
//! written of the lock's rows says the same of the packages as they do
//! themselves, and a host installs from it with nothing else enabled.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use pgbundle::base::Role;
use pgbundle::lock::{Lock, text};
use pgbundle::repo::rpm::package::Package;
use pgbundle::repo::rpm::repomd::{Kind, Repomd};
use pgbundle::repo::rpm::{primary, repodata};
use pgbundle::repo::unpack::Compression;

use crate::lock::say;
use crate::rpm_tiny::{LOCK, TinyEl, pgdg_packages};
use crate::support::ended;

/// Whether these programs are here; a machine of a build has them, or the test fails.
fn have(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| {
        let at = |folder| Path::new(folder).join(program).exists();
        !at("/usr/bin") && !at("/usr/sbin")
    });
    match missing {
        None => true,
        Some(program) if std::env::var_os("CI").is_none() => {
            say(&format!("NOT COMPARED with {program}: it is not here"));
            false
        }
        Some(program) => panic!("nothing to compare with: there is no {program}"),
    }
}

/// The packages of all roles in a repository at `bundle`, as a bundle lays them out.
fn bundled() -> (TinyEl, Lock) {
    let mut tiny = TinyEl::new();
    let mut packages = pgdg_packages();
    packages[3].requires = vec![("/usr/libexec/tiny/helper", 0, "")];
    tiny.pgdg(&packages);
    tiny.sandbox.write("profiles/bases/tiny-el.rpms", "");
    tiny.lock().succeeded();
    tiny.ask(&["fetch"]).0.succeeded();
    let lock = text::read(&fs::read_to_string(tiny.path(LOCK)).unwrap()).unwrap();
    fs::create_dir_all(tiny.path("bundle/pool")).unwrap();
    for row in &lock.packages {
        let digest = row.sha256.to_string();
        let blob = tiny.path(&format!("store/sha256/{}/{digest}", &digest[..2]));
        let name = row.path.rsplit('/').next().unwrap();
        fs::copy(blob, tiny.path("bundle/pool").join(name)).unwrap();
    }
    (tiny, lock)
}

fn index(tiny: &TinyEl, lock: &Lock) {
    let elements = lock.packages.iter().map(|row| row.stanza.as_str());
    fs::create_dir_all(tiny.path("bundle/repodata")).unwrap();
    for file in repodata::write(elements, lock.date).unwrap() {
        fs::write(tiny.path("bundle").join(file.path), file.bytes).unwrap();
    }
}

/// What a repository says of its packages, without what the writer of an index may say as it likes.
fn said_of_packages(root: &Path) -> BTreeSet<String> {
    let repomd = fs::read_to_string(root.join("repodata/repomd.xml")).unwrap();
    let repomd = Repomd::read(&repomd).unwrap();
    let data = repomd.of(Kind::Primary).unwrap();
    let packed = fs::read(root.join(data.path.as_str())).unwrap();
    let kind = Compression::of(data.path.as_str());
    let open = kind.unpack(&packed, data.open_size).unwrap();
    let open = open.into_text().unwrap();
    let packages = primary::read(open.bytes(), 0, |_| true).unwrap();
    packages.iter().map(said_of).collect()
}

fn said_of(package: &Package<'_>) -> String {
    let archive = package.archive.as_ref().unwrap();
    let all = |entries: &[pgbundle::repo::rpm::entry::Entry<'_>]| {
        // createrepo_c leaves rpm's own features out of some lists and not of others.
        let mut words: Vec<_> = entries
            .iter()
            .map(ToString::to_string)
            .filter(|entry| !entry.starts_with("rpmlib("))
            .collect();
        words.sort();
        words.join(", ")
    };
    // A file that somebody asks for is named by us, wherever it lies.
    let often =
        |file: &&std::borrow::Cow<'_, str>| file.starts_with("/etc/") || file.contains("bin/");
    let files: Vec<_> = package.files.iter().filter(often).collect();
    format!(
        "{package} {} {} {} needs {} has {} beside {} for {} files {files:?}",
        archive.sha256,
        archive.size,
        archive.location,
        all(&package.requires),
        all(&package.provides),
        all(&package.conflicts),
        all(&package.obsoletes),
    )
}

#[test]
fn createrepo_c_says_the_same_of_the_same_packages() {
    if !have(&["createrepo_c"]) {
        return;
    }
    let (tiny, lock) = bundled();
    index(&tiny, &lock);
    let ours = said_of_packages(&tiny.path("bundle"));
    fs::remove_dir_all(tiny.path("bundle/repodata")).unwrap();
    let mut createrepo = Command::new("createrepo_c");
    createrepo.args(["--quiet", "bundle"]);
    let ran = ended(tiny.sandbox.clean(createrepo).env("LC_ALL", "C.UTF-8"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ours, said_of_packages(&tiny.path("bundle")));
    assert_eq!(ours.len(), lock.packages.len());
}

#[test]
fn dnf_installs_from_a_bundles_repository_with_nothing_else_enabled() {
    if !have(&["dnf", "rpm"]) {
        return;
    }
    let (tiny, lock) = bundled();
    index(&tiny, &lock);
    let root = tiny.path("root").display().to_string();
    let repository = tiny.path("bundle").display().to_string();
    let keys = ["Old", "New"].map(|key| {
        let path = tiny.path("keys").join(format!("RPM-GPG-KEY-{key}"));
        format!("file://{}", path.display())
    });
    fs::create_dir_all(tiny.path("repos")).unwrap();
    let listed = format!(
        "[bundle]\nname=bundle\nbaseurl=file://{repository}\nenabled=1\ngpgcheck=1\n\
         module_hotfixes=1\ngpgkey={} {}\n",
        keys[0], keys[1]
    );
    tiny.sandbox.write("repos/bundle.repo", &listed);
    let reposdir = format!("--setopt=reposdir={}", tiny.path("repos").display());
    let cachedir = format!("--setopt=cachedir={}", tiny.path("cache").display());
    let mut dnf = as_root("dnf");
    dnf.args(["--installroot", &root, "--releasever", "7", "--assumeyes"])
        .args([&reposdir, &cachedir])
        .args(["--disablerepo=*", "--enablerepo=bundle"])
        .args(["--setopt=plugins=0", "--forcearch=x86_64", "install"])
        .args(
            lock.packages
                .iter()
                .filter(|row| is_root(&row.name))
                .map(|row| &row.name),
        );
    let ran = ended(tiny.sandbox.clean(dnf).env("LC_ALL", "C.UTF-8"));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let mut rpm = as_root("rpm");
    rpm.args(["--root", &root, "--query", "--all"]);
    rpm.args(["--queryformat", "%{NAME}\n"]);
    let installed = ended(&mut tiny.sandbox.clean(rpm)).stdout;
    let installed: BTreeSet<_> = installed
        .lines()
        .filter(|name| *name != "gpg-pubkey")
        .map(str::to_owned)
        .collect();
    let locked = lock.packages.iter().map(|row| row.name.clone());
    assert_eq!(installed, locked.collect());
    assert!(
        lock.packages
            .iter()
            .any(|row| row.roles.contains(&Role::Proxy))
    );
}

/// A program that has to be root to install, if only in a namespace of its own.
fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", program]);
    command
}

/// What a spec asks for by name.
fn is_root(name: &str) -> bool {
    !["libtiny", "postgresql15-libs", "installed-already"].contains(&name)
}
