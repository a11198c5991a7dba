//! The Debian 12 that every host starts from: made once, kept by its recipe's digest.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::command::{Failure, command, run};
use crate::disk::Disk;

/// What is installed beside the essential set.
pub const PACKAGES: &str = include_str!("base/packages");
/// Sources such as an image has them. No host can reach them, and whoever tries is seen.
const APT_SOURCES: &str = include_str!("base/sources.list");
/// Bumped when this file changes what is on the disk.
const RECIPE: &str = "1";

const SIZE: u64 = 4 << 30;

/// The base disk's file below `folder`, made if it is not there.
pub fn image(folder: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(folder)?;
    let image = folder.join(format!("debian12-{}.ext4", digest()));
    if !image.exists() {
        eprintln!("lab: making the base image (about a minute, once)");
        let unfinished = folder.join("unfinished.ext4");
        let disk = Disk::format(&unfinished, &folder.join("root"), SIZE)?;
        let sources = machine_sources()?;
        disk.with_mounted(|root| install(root, &sources))?;
        fs::rename(&unfinished, &image)?;
    }
    Ok(image)
}

fn digest() -> String {
    let recipe = [RECIPE, PACKAGES, APT_SOURCES].concat();
    hex::encode(Sha256::digest(recipe))[..16].to_owned()
}

/// Debian's own sources among those that the machine's apt reads, one a line.
pub fn machine_sources() -> Result<String, Failure> {
    let sources = run(command("apt-get").args([
        "indextargets",
        "--format",
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
         $(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
        "Origin: Debian",
    ]))?;
    let is_bookworm = |line: &&str| line.contains(" bookworm");
    let sources: Vec<_> = sources.lines().filter(is_bookworm).collect();
    if sources.is_empty() {
        return Err("apt knows no source of Debian 12: run apt-get update first".into());
    }
    Ok(sources.join("\n") + "\n")
}

/// The names in a list, one a line, with comments.
pub fn chosen(list: &'static str) -> impl Iterator<Item = &'static str> {
    let lines = list.lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn install(root: &Path, sources: &str) -> Result<(), Failure> {
    fs::remove_dir(root.join("lost+found"))?;
    let packages: Vec<_> = chosen(PACKAGES).collect();
    let mut mmdebstrap = command("mmdebstrap");
    mmdebstrap
        .args(["--mode=root", "--variant=minbase", "--format=directory"])
        .arg(format!("--include={}", packages.join(",")))
        .args(["bookworm".as_ref(), root.as_os_str()])
        .arg("-");
    let said = crate::command::ask_with_input(&mut mmdebstrap, sources)?;
    if !said.is_success() {
        return Err(format!("mmdebstrap failed:\n{}", said.err).into());
    }
    make_generic(root)
}

/// Takes out what would make two hosts the same host, or hosts of this machine.
fn make_generic(root: &Path) -> Result<(), Failure> {
    make_nobodys(root)?;
    fs::write(root.join("etc/default/locale"), "LANG=C.UTF-8\n")?;
    for entry in fs::read_dir(root.join("etc/apt/sources.list.d"))? {
        fs::remove_file(entry?.path())?;
    }
    fs::write(root.join("etc/apt/sources.list"), APT_SOURCES)?;
    Ok(())
}

/// The same for any distribution.
pub fn make_nobodys(root: &Path) -> Result<(), Failure> {
    fs::write(root.join("etc/hostname"), "localhost\n")?;
    // Empty, not missing: a missing one means "first boot" to systemd (machine-id(5)).
    fs::write(root.join("etc/machine-id"), "")?;
    for entry in fs::read_dir(root.join("etc/ssh"))? {
        let path = entry?.path();
        if path.to_string_lossy().contains("ssh_host_") {
            fs::remove_file(path)?;
        }
    }
    let resolv_conf = root.join("etc/resolv.conf");
    if resolv_conf.symlink_metadata().is_ok() {
        fs::remove_file(&resolv_conf)?;
    }
    symlink("../run/systemd/resolve/stub-resolv.conf", resolv_conf)?;
    Ok(())
}
