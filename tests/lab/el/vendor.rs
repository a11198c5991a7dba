//! The RPMs that `centos7-vmware` is given, made of the programs in the lab's repositories,
//! and the cluster built with them.

use std::fs;
use std::path::{Path, PathBuf};

use super::release::{build_for, mirror};
use super::spec::rpmbuild;
use super::upstream::{PGDG, PGDG_COMMON};
use crate::cluster::{Cluster, example};
use crate::command::{Failure, command, run};
use crate::release::{Release, empty, with_server};
use crate::workspace::Workspace;

const SPEC: &str = include_str!("specs/vmware-postgres.spec");

/// The vendor's two packagings, by where they install.
#[derive(Clone, Copy)]
pub enum Prefix {
    /// Below /usr, the older one.
    Usr,
    /// Below /opt, the newer one.
    Opt,
}

impl Prefix {
    fn names(self) -> [(&'static str, &'static str); 3] {
        match self {
            Self::Usr => [
                ("its_name", "vmware-postgres"),
                ("its_release", "0.el7"),
                ("prefix", "/usr"),
            ],
            Self::Opt => [
                ("its_name", "vmware-postgres15"),
                ("its_release", "1.el7"),
                ("prefix", "/opt/vmware/postgres/15"),
            ],
        }
    }
}

/// Builds the example with an RPM of this packaging; `after` another release.
pub fn build(prefix: Prefix, after: Option<&Release>) -> Result<Release, Failure> {
    let workspace = Workspace::open()?.folder;
    let [(_, name), ..] = prefix.names();
    let folder = workspace.join(format!("build-{name}"));
    empty(&folder)?;
    fs::create_dir(folder.join("vendor"))?;
    give(prefix, &folder.join("vendor"))?;
    if let Some(before) = after {
        before.hand_on_secrets(&folder)?;
    }
    let text = example()?;
    let text = with_server(&text, &Cluster::parse(&text)?)?;
    let text = format!("{text}\n[[vendor]]\npath = \"vendor/\"\n");
    build_for("centos7-vmware", &folder, &text)
}

/// Puts the files of a packaging into `folder`.
fn give(prefix: Prefix, folder: &Path) -> Result<(), Failure> {
    let mirror = mirror()?;
    let mut packages = rpms(&mirror.join(PGDG))?;
    packages.extend(rpms(&mirror.join(PGDG_COMMON))?);
    let work = folder.with_file_name("vendor-work");
    let root = work.join("root");
    empty(&root)?;
    let mut unpack = command("rpm");
    unpack.arg("--root").arg(&root);
    unpack.args(["--install", "--force-debian", "--nodeps", "--noscripts"]);
    unpack.args(["--nosignature", "--quiet"]);
    run(unpack.args(&packages))?;
    let version = |name: &str| -> Result<String, Failure> {
        let mut ask = command("rpm");
        ask.arg("--root").arg(&root).args(["--query", name]);
        run(ask.args(["--queryformat", "%{VERSION}"]))
    };
    let (server, pooler) = (version("postgresql15-server")?, version("pgbouncer")?);
    let spec = work.join("vmware-postgres.spec");
    fs::write(&spec, SPEC)?;
    let mut defines = prefix.names().to_vec();
    defines.push(("its_version", &server));
    defines.push(("pooler_version", &pooler));
    rpmbuild(&spec, &root, &work, folder, &defines)?;
    Ok(fs::remove_dir_all(work)?)
}

fn rpms(repository: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(repository)? {
        let path = entry?.path();
        if path.extension().is_some_and(|suffix| suffix == "rpm") {
            paths.push(path);
        }
    }
    Ok(paths)
}
