//! The example cluster built with `--profile centos7` against the lab's repositories.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::{base, debian, library, signing::Key, upstream, wheels};
use crate::base::PACKAGES;
use crate::cluster::example;
use crate::command::Failure;
use crate::release::{Release, Target, empty};
use crate::server::Server;
use crate::workspace::Workspace;

/// Bumped when the files beside this one change what they make.
const RECIPE: &str = "1";

/// What is made once and kept: a host's disk, the repositories, the wheels.
struct Made {
    image: PathBuf,
    base_list: PathBuf,
    mirror: PathBuf,
    keys: PathBuf,
    fingerprint: PathBuf,
    wheels: PathBuf,
}

impl Made {
    fn at(folder: &Path) -> Self {
        Self {
            image: folder.join("el.ext4"),
            base_list: folder.join("el.rpms"),
            mirror: folder.join("mirror"),
            keys: folder.join("keys"),
            fingerprint: folder.join("fingerprint"),
            wheels: folder.join("wheels"),
        }
    }
}

/// The release, built once for all stories of this process.
pub fn shared() -> Result<&'static Release, Failure> {
    static SHARED: OnceLock<Result<Release, String>> = OnceLock::new();
    let built = SHARED.get_or_init(|| build().map_err(|cause| cause.to_string()));
    built.as_ref().map_err(|cause| cause.as_str().into())
}

fn build() -> Result<Release, Failure> {
    let folder = Workspace::open()?.folder.join("build-el");
    empty(&folder)?;
    build_for("centos7", &folder, &example()?)
}

/// Builds a spec in a folder of the workspace against the lab's repositories.
pub(super) fn build_for(
    profile: &'static str,
    folder: &Path,
    text: &str,
) -> Result<Release, Failure> {
    let workspace = Workspace::open()?.folder;
    let made = made(&workspace.join("base"))?;
    let (server, url) = Server::start_here(&made.mirror)?;
    let library = workspace.join("library-el");
    let stand = library::Stand {
        server: &url,
        fingerprint: &fs::read_to_string(&made.fingerprint)?,
        wheels: &made.wheels,
        base_list: &made.base_list,
    };
    library::write(&library, &stand)?;
    let flags = [
        "--library".as_ref(),
        library.as_os_str(),
        "--keys".as_ref(),
        made.keys.as_os_str(),
        "--wheels".as_ref(),
        made.wheels.as_os_str(),
    ];
    let target = Target {
        profile,
        architecture: "x86_64",
        image: Some(made.image),
    };
    let release = Release::build_for(&target, folder, text, &flags);
    drop(server);
    release
}

/// Where the repositories are, made once.
pub(super) fn mirror() -> Result<PathBuf, Failure> {
    Ok(made(&Workspace::open()?.folder.join("base"))?.mirror)
}

fn made(bases: &Path) -> Result<Made, Failure> {
    let recipe = [RECIPE, PACKAGES].concat();
    let digest = &hex::encode(Sha256::digest(recipe))[..16];
    let folder = bases.join(format!("el-{digest}"));
    if !folder.exists() {
        eprintln!("lab: making the el-shaped image and its repositories (minutes, once)");
        let unfinished = bases.join("el-unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        let work = unfinished.join("work");
        fs::create_dir_all(&work)?;
        make(&Made::at(&unfinished), &work)?;
        fs::remove_dir_all(&work)?;
        fs::rename(&unfinished, &folder)?;
    }
    Ok(Made::at(&folder))
}

fn make(made: &Made, work: &Path) -> Result<(), Failure> {
    fs::create_dir_all(&made.keys)?;
    let key = Key::make(&work.join("gnupg"), &made.keys.join("RPM-GPG-KEY-lab"))?;
    fs::write(&made.fingerprint, &key.fingerprint)?;
    wheels::bring(&made.wheels)?;
    let debian = debian::bring(work)?;
    upstream::make(&debian, work, &made.mirror, &key)?;
    let list = base::make(&debian, work, &made.image)?;
    fs::write(&made.base_list, list)?;
    key.forget()
}
