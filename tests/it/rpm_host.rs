//! A host of the rpm family, as a root folder: the node's own calls in front of
//! the real rpm and of dnf, which is what `yum` is from EL 8 on.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pgbundle::bundle::assignment::Assignment;
use pgbundle::bundle::manifest::Manifest;
use pgbundle::node::bundles::RoleBundle;
use pgbundle::node::host::Host;
use pgbundle::node::installing::{Installing, Left, left};
use pgbundle::node::packages::{Flushing, PackageManager, Transaction, names};
use pgbundle::node::system::{Answer, Call, CallFault, Real, System};
use pgbundle::node::{mending, repository};

use crate::rpm_build::{BUILD, PUBLIC, built};
use crate::rpm_tiny::{TinyEl, base_packages, pgdg_packages};
use crate::rpm_writing::Package;
use crate::sample::accepts;
use crate::vendor::{given, pgbouncer, server};

/// The machine's programs as EL has them: `yum` is dnf, and rpm has its
/// database where EL has it.
struct LikeEl {
    macros: PathBuf,
}

impl System for LikeEl {
    fn ask(&self, call: &Call) -> Result<Answer, CallFault> {
        let program = match call.program.as_str() {
            "yum" => "dnf",
            program => program,
        };
        let macros = self.macros.display().to_string();
        let mut words = vec!["--mount"];
        if !rustix::process::geteuid().is_root() {
            words.push("--map-root-user");
        }
        words.extend(["sh", "-c"]);
        words.push("mount --bind \"$0\" /usr/lib/rpm/macros && exec \"$@\"");
        words.extend([macros.as_str(), program]);
        words.extend(call.arguments.iter().map(String::as_str));
        Real.ask(&Call {
            program: "unshare".to_owned(),
            arguments: words.into_iter().map(str::to_owned).collect(),
            ..call.clone()
        })
    }
}

/// A root with a bundle's folders in it.
struct Root {
    tiny: TinyEl,
    system: LikeEl,
}

impl Root {
    /// A root that has `had`, for the bundles of a release over `tiny`'s mirror.
    fn new(tiny: TinyEl, had: &[Package<'_>]) -> Self {
        fs::write(tiny.path("node"), b"\x7fELF").unwrap();
        tiny.ask(&BUILD).0.succeeded();
        let macros = fs::read_to_string("/usr/lib/rpm/macros").expect("rpm is here");
        let line = macros
            .lines()
            .find(|line| line.starts_with("%_dbpath\t"))
            .expect("rpm's macros name the database");
        let macros = macros.replacen(line, "%_dbpath /var/lib/rpm", 1);
        tiny.sandbox.write("macros", &macros);
        let system = LikeEl {
            macros: tiny.path("macros"),
        };
        for role in ["etcd", "postgres", "proxy"] {
            let folder = tiny.path(&format!("root/var/lib/pgbundle/bundles/{role}"));
            fs::create_dir_all(&folder).unwrap();
            let bundle = tiny.path(&format!("{PUBLIC}/bundles/{role}.tar.gz"));
            accepts(
                Command::new("tar")
                    .arg("xzf")
                    .arg(bundle)
                    .arg("-C")
                    .arg(folder),
            );
        }
        let root = Self { tiny, system };
        root.install_by_rpm(had, &[]);
        root
    }

    fn path(&self, path: &str) -> PathBuf {
        self.tiny.path("root").join(path.trim_start_matches('/'))
    }

    fn host(&self) -> Host<'_> {
        Host {
            root: self.tiny.path("root"),
            system: &self.system,
        }
    }

    fn bundles(&self) -> Vec<RoleBundle> {
        let read = |role| {
            let folder = self.path(&format!("/var/lib/pgbundle/bundles/{role}"));
            let manifest = fs::read(folder.join("manifest.json")).unwrap();
            let assignment = folder.join("cluster/nodes/db-1/assignment.json");
            RoleBundle {
                manifest: serde_json::from_slice::<Manifest>(&manifest).unwrap(),
                assignment: serde_json::from_slice::<Assignment>(&fs::read(assignment).unwrap())
                    .unwrap(),
                folder,
            }
        };
        ["etcd", "postgres", "proxy"].map(read).into()
    }

    fn install_by_rpm(&self, packages: &[Package<'_>], more: &[&str]) {
        if packages.is_empty() {
            return;
        }
        fs::create_dir_all(self.tiny.path("had")).unwrap();
        let root = format!("--root={}", self.tiny.path("root").display());
        let mut words = vec![root, "--install".to_owned(), "--nodeps".to_owned()];
        words.extend(more.iter().map(|word| (*word).to_owned()));
        for package in packages {
            let file = self.tiny.path("had").join(package.file_name());
            fs::write(&file, package.unsigned()).unwrap();
            words.push(file.display().to_string());
        }
        self.system.run(&Call::new("rpm", words)).unwrap();
    }

    /// What `rpm` says of what is installed.
    fn installed(&self) -> BTreeSet<String> {
        let installed = RPM.installed(&self.host()).unwrap();
        let pair = |(name, version)| format!("{name} {version}");
        installed.into_iter().map(pair).collect()
    }

    /// The repository laid and read, as the steps do before the preflight.
    fn ready(&self) {
        let (host, bundles) = (self.host(), self.bundles());
        repository::build(&host, &bundles).unwrap();
        assert!(repository::is_current(&host, &bundles).unwrap());
        RPM.read_index(&host).unwrap();
    }

    fn simulate(&self) -> Result<Transaction, String> {
        let names = names(&self.bundles());
        RPM.simulate(&self.host(), &names).unwrap()
    }

    fn install(&self, names: &[String], flushing: Flushing) -> Result<Answer, CallFault> {
        let call = RPM.install_call(&self.host(), names, flushing);
        self.system.run(&call)
    }

    fn install_all(&self) {
        let names = names(&self.bundles());
        self.install(&names, Flushing::AtTheEnd).unwrap();
    }
}

const RPM: PackageManager = PackageManager::Rpm;

/// All that the closure asks of the base.
fn base() -> Vec<Package<'static>> {
    let mut packages = base_packages();
    packages.retain(|package| package.name == "installed-already");
    packages
}

fn older<'p>(packages: Vec<Package<'p>>, name: &str, version: &'p str) -> Package<'p> {
    let mut packages = packages.into_iter();
    let package = packages.find(|package| package.name == name).unwrap();
    Package { version, ..package }
}

#[test]
fn yum_installs_the_roles_packages_from_their_bundles_and_nothing_twice() {
    let root = Root::new(built(), &base());
    root.ready();
    let plan = root.simulate().unwrap();
    let expected: BTreeSet<_> = [
        "etcd",
        "haproxy",
        "keepalived",
        "libtiny",
        "patroni",
        "pgbouncer",
        "postgresql15-libs",
        "postgresql15-server",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(BTreeSet::from_iter(plan.installs.clone()), expected);
    assert_eq!(
        (plan.upgrades, plan.removals, plan.downgrades),
        Default::default()
    );
    assert_eq!(
        root.installed(),
        ["installed-already 1-1".to_owned()].into()
    );
    root.install_all();
    let installed = root.installed();
    assert!(installed.contains("libtiny 1:1.0-1"), "{installed:?}");
    assert_eq!(installed.len(), expected.len() + 1, "{installed:?}");
    assert!(root.path("/usr/lib64/libtiny.so.1").exists());
    assert_eq!(root.simulate().unwrap(), Transaction::default());
    assert_eq!(
        RPM.unfinished(&root.host(), &root.bundles()).unwrap(),
        Vec::<String>::new()
    );
    // All of it, as the packages themselves say it.
    assert_eq!(RPM.files(&root.host(), &root.bundles()).unwrap().len(), 8);
    assert_eq!(RPM.installed_kib(&root.host(), &root.bundles()).unwrap(), 0);
}

#[test]
fn what_the_host_has_in_an_older_version_is_known_and_upgraded() {
    let mut had = base();
    had.push(older(base_packages(), "libtiny", "0.9"));
    let root = Root::new(built(), &had);
    root.ready();
    let plan = root.simulate().unwrap();
    assert_eq!(plan.upgrades, ["libtiny"]);
    assert!(plan.installs.contains(&"libtiny".to_owned()), "{plan:?}");
    assert!(plan.removals.is_empty() && plan.downgrades.is_empty());
    root.install(&plan.upgrades, Flushing::Each).unwrap();
    let installed = root.installed();
    assert!(installed.contains("libtiny 1:1.0-1"), "{installed:?}");
    assert_eq!(installed.len(), 2, "{installed:?}");
    assert_eq!(root.simulate().unwrap().upgrades, Vec::<String>::new());
}

#[test]
fn an_image_that_is_newer_than_the_lock_is_told_by_name() {
    let mut had = base();
    had.push(older(pgdg_packages(), "postgresql15-libs", "15.10"));
    let root = Root::new(built(), &had);
    root.ready();
    let refused = match root.simulate() {
        Ok(plan) => plan.downgrades == ["postgresql15-libs"],
        Err(words) => words.contains("postgresql15-libs"),
    };
    assert!(refused, "the server asks for its own libraries");
    assert_eq!(
        RPM.newer_than(&root.host(), &root.bundles()).unwrap(),
        ["postgresql15-libs 15.10-1 > 15.8-1"]
    );
}

#[test]
fn a_package_that_another_key_signed_is_not_installed() {
    let root = Root::new(built(), &base());
    let bundles = root.bundles();
    // The bundle's own certificates, one in the place of the other.
    for bundle in &bundles {
        let keys: Vec<_> = fs::read_dir(bundle.folder.join("packages/keys"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        let [one, other] = keys.as_slice() else {
            panic!("{keys:?}")
        };
        fs::copy(one, other).unwrap();
    }
    root.ready();
    root.simulate().unwrap();
    let names = names(&bundles);
    let failed = root.install(&names, Flushing::AtTheEnd).unwrap_err();
    let said = failed.to_string();
    assert!(said.contains("GPG check FAILED"), "{said}");
    assert_eq!(root.installed().len(), 1);
}

#[test]
fn a_module_of_the_host_hides_no_package_of_the_bundles() {
    let mut tiny = built();
    let mut packages = pgdg_packages();
    for package in &mut packages {
        package.module = Some("postgresql:15:20260101:deadbeef");
    }
    tiny.pgdg(&packages);
    let root = Root::new(tiny, &base());
    let module = "[postgresql]\nname=postgresql\nstream=10\nprofiles=\nstate=enabled\n";
    fs::create_dir_all(root.path("/etc/dnf/modules.d")).unwrap();
    fs::write(root.path("/etc/dnf/modules.d/postgresql.module"), module).unwrap();
    root.ready();
    // Without the word for it, dnf would refuse them.
    let place = root.path(repository::yum::CONFIGURATION);
    let right = fs::read_to_string(&place).unwrap();
    fs::write(&place, right.replace("module_hotfixes=1", "")).unwrap();
    let names = names(&root.bundles());
    let failed = root.install(&names, Flushing::AtTheEnd).unwrap_err();
    assert!(failed.to_string().contains("modular"), "{failed}");
    fs::write(&place, right).unwrap();
    root.install_all();
    assert_eq!(root.installed().len(), 9);
}

#[test]
fn only_what_nobody_signs_is_installed_without_a_signature() {
    let root = Root::new(given(&[server(), pgbouncer()]), &base());
    root.ready();
    root.install_all();
    let installed = root.installed();
    for package in [
        "acme-postgres15 15.2-1.el7",
        "acme-postgres15-pgbouncer 1.16.1-1.el7",
        // The vendor's claim to have its library stands for nothing.
        "postgresql15-libs 15.8-1",
    ] {
        assert!(installed.contains(package), "{package}: {installed:?}");
    }
    let text = fs::read_to_string(root.path(repository::yum::CONFIGURATION)).unwrap();
    let unchecked = text.split("\n[").filter(|it| it.contains("\ngpgcheck=0"));
    let unchecked: Vec<_> = unchecked.filter_map(|it| it.split(']').next()).collect();
    assert_eq!(unchecked, ["pgbundle-postgres-by-digest"]);
    let folder = root.path("/var/lib/pgbundle/bundles/postgres/packages/by-digest/pool");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 2);
}

#[test]
fn rpm_names_what_needs_a_package_and_removes_no_more_than_it_is_told() {
    let root = Root::new(built(), &base());
    root.ready();
    root.install_all();
    let host = root.host();
    let set = |names: &[&str]| -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    };
    let needing = RPM.changed_with(&host, &set(&["libtiny"])).unwrap();
    assert_eq!(needing, set(&["etcd", "haproxy"]));
    let all = set(&["etcd", "haproxy", "libtiny"]);
    assert_eq!(RPM.changed_with(&host, &all).unwrap(), set(&[]));
    for call in RPM.remove_calls(&host, &all, &set(&[])) {
        root.system.run(&call).unwrap();
    }
    let there = RPM.there(&host).unwrap();
    assert!(there.is_disjoint(&all) && there.len() == 6, "{there:?}");
    assert!(!root.path("/usr/lib64/libtiny.so.1").exists());
}

/// A package with a configuration file, and what was there of it before.
fn configured() -> (TinyEl, Vec<Package<'static>>) {
    let mut tiny = built();
    let mut packages = pgdg_packages();
    packages[3].files = vec![
        ("/etc/pgbouncer/pgbouncer.ini", "[databases]\n[pgbouncer]\n"),
        ("/usr/bin/pgbouncer", "a program"),
    ];
    tiny.pgdg(&packages);
    let mut had = base();
    had.push(older(base_packages(), "libtiny", "0.9"));
    (tiny, had)
}

fn cut_off(path: &Path, bytes: usize) {
    let whole = fs::read(path).unwrap();
    fs::write(path, &whole[..bytes]).unwrap();
}

/// What a whole root says of its files.
fn verified(root: &Root) -> String {
    let words = [
        format!("--root={}", root.tiny.path("root").display()),
        "--verify".to_owned(),
        "--all".to_owned(),
    ];
    root.system.ask(&Call::new("rpm", words)).unwrap().output
}

#[test]
fn what_a_cut_left_torn_is_mended_and_installed_again() {
    let (tiny, had) = configured();
    let root = Root::new(tiny, &had);
    root.ready();
    let (host, bundles) = (root.host(), root.bundles());
    drop(Installing::begin(&host, 1, &Left::Whole, &bundles).unwrap());
    root.install_all();
    assert_eq!(verified(&root), "");
    // What never came to the disk.
    cut_off(&root.path("/etc/pgbouncer/pgbouncer.ini"), 12);
    cut_off(&root.path("/usr/bin/pgbouncer"), 0);
    cut_off(&root.path("/usr/lib64/libtiny.so.1"), 0);
    fs::write(root.path("/etc/made-by-a-script"), "").unwrap();
    let database = root.path("/var/lib/rpm/rpmdb.sqlite");
    let half = fs::metadata(&database).unwrap().len() as usize / 2;
    cut_off(&database, half);
    fs::write(root.path("/var/lib/rpm/__db.001"), "locks").unwrap();

    let Left::Cut(mark) = left(&host).unwrap() else {
        panic!("no mark of a cut")
    };
    let done = mending::mend(&host, &bundles, &mark).unwrap();
    let said = done.join("\n");
    for words in [
        "memory of rpm's database was stale",
        "the one from before is back",
        "made-by-a-script` is empty",
        "pgbouncer.ini` was cut off",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let installed = root.installed();
    assert_eq!(
        installed.len(),
        2,
        "the database from before: {installed:?}"
    );

    // As the step does it: what is listed again, then all.
    let again = RPM.to_install_again(&host, &bundles, &mark.had).unwrap();
    assert_eq!(again.concat(), Vec::<PathBuf>::new());
    root.install_all();
    assert_eq!(verified(&root), "");
    assert_eq!(root.installed().len(), 9);
    assert!(!root.path("/etc/made-by-a-script").exists());
}

/// What the step `packages` does, from the mark to its end; `limit` is when the
/// first of its calls that install is killed.
fn step(root: &Root, limit: Option<Duration>) -> Result<(), CallFault> {
    let (host, bundles) = (root.host(), root.bundles());
    let left = left(&host).unwrap();
    let installing = Installing::begin(&host, 1, &left, &bundles).unwrap();
    if let Left::Cut(mark) | Left::Ended(mark) = &left {
        mending::mend(&host, &bundles, mark).unwrap();
        let [upgraded, new] = RPM.to_install_again(&host, &bundles, &mark.had).unwrap();
        for (files, flushing) in [(upgraded, Flushing::Each), (new, Flushing::AtTheEnd)] {
            if !files.is_empty() {
                let again = RPM.again_call(&host, &files, flushing);
                root.system.run(&again)?;
            }
        }
    }
    let mut install = RPM.install_call(&host, &names(&bundles), Flushing::AtTheEnd);
    install.limit = limit.unwrap_or(install.limit);
    root.system.run(&install)?;
    installing.end().unwrap();
    Ok(())
}

#[test]
fn an_install_that_is_killed_at_any_moment_is_completed_by_the_next() {
    let (tiny, had) = configured();
    let root = Root::new(tiny, &had);
    root.ready();
    let (place, before) = (root.tiny.path("root"), root.tiny.path("before"));
    let copy = |from: &Path, to: &Path| {
        accepts(Command::new("cp").arg("-a").arg(from).arg(to));
    };
    copy(&place, &before);
    let begun = Instant::now();
    step(&root, None).unwrap();
    let whole = begun.elapsed();
    let expected = root.installed();
    let kills = env::var("PGBUNDLE_KILLS").map_or(4, |kills| kills.parse().unwrap());
    let mut killed = 0;
    for kill in 0..kills {
        fs::remove_dir_all(&place).unwrap();
        copy(&before, &place);
        // The first half is dnf's own thinking.
        let limit = whole / 2 + whole / 2 * kill / kills;
        killed += u32::from(step(&root, Some(limit)).is_err());
        step(&root, None).unwrap();
        assert_eq!(root.installed(), expected, "killed after {limit:?}");
        assert_eq!(verified(&root), "", "killed after {limit:?}");
        assert_eq!(root.simulate().unwrap(), Transaction::default());
    }
    assert!(killed > 0, "none came to be killed");
}

#[test]
fn packages_that_are_listed_but_torn_or_doubled_are_installed_again() {
    let (tiny, had) = configured();
    let root = Root::new(tiny, &had);
    root.ready();
    let (host, bundles) = (root.host(), root.bundles());
    drop(Installing::begin(&host, 1, &Left::Whole, &bundles).unwrap());
    root.install_all();
    // The old one was not gone yet.
    root.install_by_rpm(
        &[older(base_packages(), "libtiny", "0.9")],
        &["--force", "--nodeps", "--oldpackage"],
    );
    assert_eq!(RPM.unfinished(&host, &bundles).unwrap(), ["libtiny"]);
    cut_off(&root.path("/usr/bin/pgbouncer"), 3);
    let Left::Cut(mark) = left(&host).unwrap() else {
        panic!("no mark of a cut")
    };
    assert_eq!(mending::mend(&host, &bundles, &mark).unwrap(), [""; 0]);
    let [upgraded, new] = RPM.to_install_again(&host, &bundles, &mark.had).unwrap();
    assert_eq!((upgraded.len(), new.len()), (1, 7), "{upgraded:?} {new:?}");
    for (files, flushing) in [(upgraded, Flushing::Each), (new, Flushing::AtTheEnd)] {
        let again = RPM.again_call(&host, &files, flushing);
        root.system.run(&again).unwrap();
    }
    assert_eq!(
        RPM.unfinished(&host, &bundles).unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(verified(&root), "");
    let installed = root.installed();
    assert_eq!(installed.len(), 9, "{installed:?}");
    assert_eq!(root.simulate().unwrap(), Transaction::default());
}
