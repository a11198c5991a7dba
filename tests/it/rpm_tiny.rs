//! A cluster's spec and an rpm profile over two small repositories: one that
//! signs its index, and one that signs its packages alone, as CentOS 7 does.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;

use sequoia_openpgp::Cert;
use sequoia_openpgp::serialize::SerializeInto;

use crate::rpm_publishing::{Files, Publisher, REVISION};
use crate::rpm_writing::{Package, Signing, bound_by_sha1, moment, rsa_key, sense};
use crate::server::{Behaviour, Server};
use crate::support::{Ran, Sandbox};
use crate::tiny;

/// Where the lock is written.
pub const LOCK: &str = "demo.tiny-el-x86_64.lock";

/// A day before the repositories were made.
pub fn moment_signed() -> SystemTime {
    moment(REVISION - 86_400)
}

/// Keys take a while to make, and any two tests may share one.
pub static NEW: LazyLock<Cert> = LazyLock::new(|| rsa_key(moment_signed()));
/// One that signs as CentOS 7's does.
pub static OLD: LazyLock<Cert> =
    LazyLock::new(|| bound_by_sha1(&rsa_key(moment_signed()), moment_signed()));

const SPEC: &str = r#"version = 1

[cluster]
name = "demo"
profile = "tiny-el"

[network]
gateway = "10.0.0.1"
dns = ["10.0.0.2"]

[vip]
address = "10.0.0.100/24"

[[node]]
name = "db-1"
address = "10.0.0.11/24"
roles = ["etcd", "postgres", "proxy"]

[[node]]
name = "db-2"
address = "10.0.0.12/24"
roles = ["etcd", "postgres", "proxy"]

[[node]]
name = "db-3"
address = "10.0.0.13/24"
roles = ["etcd"]
"#;

const PROFILE: &str = r#"version = 1
name = "tiny-el"
title = "Tiny EL"
family = "rpm"
os = { id = "tiny", version = "7" }
architectures = ["x86_64"]

[postgres]
majors = [15]
default = 15

[components.etcd]
packages = ["etcd"]
[components.postgresql]
packages = ["postgresql{major}-server"]
[components.patroni]
packages = ["patroni"]
[components.pgbouncer]
packages = ["pgbouncer"]
[components.haproxy]
packages = ["haproxy"]
[components.keepalived]
packages = ["keepalived"]

[[source]]
id = "base"
keys = ["OLD"]
legacy_keys = ["OLD"]
metadata = "unsigned"
frozen = "2024-06-30"
mirrors = ["MIRROR/base/{architecture}"]

[[source]]
id = "pgdg"
keys = ["NEW"]
metadata = "signed"
mirrors = ["MIRROR/pgdg/{major}/{architecture}"]

[[base]]
name = "tiny-el"
file = "bases/tiny-el.rpms"
"#;

const BASE: &str = "\
Package: installed-already
Version: 0:1-1
Architecture: noarch
Provides: installed-already = 1-1
File: /usr/bin/python3
";

/// What upstream of the operating system has.
pub fn base_packages() -> Vec<Package<'static>> {
    let package = |name, version, requires: &[(&'static str, u32, &'static str)]| Package {
        requires: requires.to_vec(),
        payload_digest: false,
        ..Package::new(name, version, "x86_64")
    };
    vec![
        package("etcd", "3.3.11", &[("libtiny.so.1()(64bit)", 0, "")]),
        package(
            "haproxy",
            "1.5.18",
            &[("libtiny", sense::AT_LEAST, "1:1.0")],
        ),
        package("keepalived", "1.3.5", &[("installed-already", 0, "")]),
        Package {
            architecture: "noarch",
            files: vec![("/usr/bin/python3", "#!/bin/sh\n")],
            ..package("installed-already", "1", &[])
        },
        Package {
            epoch: Some(1),
            provides: vec![("libtiny.so.1()(64bit)", 0, "")],
            files: vec![
                ("/usr/lib64/libtiny.so.1", "a library"),
                ("/usr/libexec/tiny/helper", "a helper"),
            ],
            ..package("libtiny", "1.0", &[])
        },
    ]
}

/// What PostgreSQL's packagers have.
pub fn pgdg_packages() -> Vec<Package<'static>> {
    let package = |name, version, requires: &[(&'static str, u32, &'static str)]| Package {
        requires: requires.to_vec(),
        ..Package::new(name, version, "x86_64")
    };
    vec![
        package("postgresql15-libs", "15.8", &[]),
        package(
            "postgresql15-server",
            "15.8",
            &[("postgresql15-libs", sense::EQUAL, "15.8-1")],
        ),
        Package {
            architecture: "noarch",
            ..package("patroni", "3.3.2", &[("/usr/bin/python3", 0, "")])
        },
        package("pgbouncer", "1.23.0", &[]),
    ]
}

/// The sandbox, and who signs.
pub struct TinyEl {
    pub sandbox: Sandbox,
    files: Files,
    more: &'static str,
    tables: String,
}

impl TinyEl {
    pub fn new() -> Self {
        let mut tiny = Self {
            sandbox: Sandbox::new(),
            files: Files::new(),
            more: "",
            tables: String::new(),
        };
        tiny.sandbox.write("demo.toml", SPEC);
        tiny.sandbox.write("profiles/bases/tiny-el.rpms", BASE);
        fs::create_dir(tiny.path("keys")).unwrap();
        for (name, key) in [("RPM-GPG-KEY-Old", &OLD), ("RPM-GPG-KEY-New", &NEW)] {
            let armored = key.armored().to_vec().unwrap();
            fs::write(tiny.path("keys").join(name), armored).unwrap();
        }
        tiny.base(&base_packages(), Some(Signing::EL7));
        tiny.pgdg(&pgdg_packages());
        tiny
    }

    /// Publishes the operating system's packages, signed so.
    pub fn base(&mut self, packages: &[Package<'_>], how: Option<Signing>) {
        let publisher = Publisher {
            key: &OLD,
            at: moment_signed(),
            packages: how,
            index: false,
            modules: None,
        };
        self.publish("base/x86_64", publisher.publish(packages));
    }

    /// Publishes PostgreSQL's packages.
    pub fn pgdg(&mut self, packages: &[Package<'_>]) {
        self.pgdg_with(packages, None);
    }

    /// Publishes them beside some modules.
    pub fn pgdg_with(&mut self, packages: &[Package<'_>], modules: Option<&str>) {
        let publisher = Publisher {
            key: &NEW,
            at: moment_signed(),
            packages: Some(Signing::NOW),
            index: true,
            modules,
        };
        self.publish("pgdg/15/x86_64", publisher.publish(packages));
    }

    /// Serves `other` in the place of a package, and an index that says so.
    pub fn base_with(&mut self, package: &[u8], other: &[u8]) {
        let publisher = Publisher {
            key: &OLD,
            at: moment_signed(),
            packages: Some(Signing::EL7),
            index: false,
            modules: None,
        };
        let files = publisher.publish_with(&base_packages(), |file| match file == package {
            true => other.to_vec(),
            false => file,
        });
        self.publish("base/x86_64", files);
    }

    fn publish(&mut self, root: &str, files: Files) {
        self.files.retain(|path, _| !path.starts_with(root));
        let at_root = |(path, bytes)| (format!("{root}/{path}"), bytes);
        self.files.extend(files.into_iter().map(at_root));
    }

    /// Puts more into the profile, before its tables.
    pub fn profile(&mut self, more: &'static str) {
        self.more = more;
    }

    /// Puts more tables at the profile's end.
    pub fn tables(&mut self, more: String) {
        self.tables = more;
    }

    /// Puts more at the spec's end.
    pub fn more_spec(&self, more: &str) {
        self.sandbox.write("demo.toml", &format!("{SPEC}{more}"));
    }

    /// A file that the mirror serves.
    pub fn file(&mut self, part: &str) -> &mut Vec<u8> {
        let mut found = self
            .files
            .iter_mut()
            .filter(|(path, _)| path.contains(part));
        found.next().expect("the mirror has it").1
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    /// Runs the program with the mirror up; what it asked of the mirror is told as well.
    pub fn ask(&self, verb: &[&str]) -> (Ran, Vec<String>) {
        let files: Vec<_> = self
            .files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
            .collect();
        let server = Server::start(&files, &[Behaviour::Good]);
        let ran = self.ask_at(&server.root(), verb);
        (ran, server.requests())
    }

    /// Runs the program with the mirror at that address.
    pub fn ask_at(&self, mirror: &str, verb: &[&str]) -> Ran {
        let profile = PROFILE
            .replace("architectures =", &format!("{}architectures =", self.more))
            .replace("MIRROR", mirror)
            .replace("OLD", &OLD.fingerprint().to_hex())
            .replace("NEW", &NEW.fingerprint().to_hex());
        let profile = format!("{profile}\n{}", self.tables);
        self.sandbox.write("profiles/tiny-el.toml", &profile);
        let cluster = ["--library", ".", "--cluster", "demo.toml"];
        let places = ["--store", "store", "--keys", "keys"];
        self.sandbox.run(&[verb, &cluster, &places].concat())
    }

    /// A message with everything taken out of it that differs from run to run.
    pub fn settled(&self, text: &str) -> String {
        let root = self.path("").display().to_string();
        let text = text
            .replace(root.trim_end_matches('/'), "[ROOT]")
            .replace(&OLD.fingerprint().to_hex(), "[OLD KEY]")
            .replace(&NEW.fingerprint().to_hex(), "[NEW KEY]");
        let mut parts = text.split("127.0.0.1:");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            out += "[MIRROR]";
            out += part.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        tiny::settled(&out)
    }

    pub fn lock(&self) -> Ran {
        self.ask(&["lock"]).0
    }

    /// The lock that was written.
    pub fn locked(&self) -> toml::Table {
        read_lock(&self.path(LOCK))
    }
}

/// A lock as TOML.
pub fn read_lock(path: &Path) -> toml::Table {
    fs::read_to_string(path).unwrap().parse().unwrap()
}
