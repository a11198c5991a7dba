//! What a virtual machine starts from: the base of all hosts with a kernel, made once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::base;
use crate::command::{Failure, command, run};
use crate::disk::Disk;

const PACKAGES: &str = include_str!("packages");
const SHELL: &str = include_str!("shell.sh");
const SHELL_UNIT: &str = include_str!("shell.service");
/// Without it the root stays read-only.
const FSTAB: &str = "LABEL=root / ext4 errors=remount-ro 0 1\n";
/// RSA keys alone take half a minute under software emulation.
const CLOUD: &str = "ssh_genkeytypes: [ed25519]\n";
/// What a clock that is put right sets off, or a boot, and nobody needs here.
const IDLE: [&str; 4] = [
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "man-db.timer",
];
/// Bumped when this file changes what is on the disk.
const RECIPE: &str = "1";

/// A disk and what boots it. The kernel is handed over by the emulator: a boot
/// loader is nobody's of ours.
#[derive(Clone)]
pub struct Image {
    /// An ext4 file system, without partitions.
    pub disk: PathBuf,
    /// Its kernel.
    pub kernel: PathBuf,
    /// The kernel's initial RAM disk.
    pub initrd: PathBuf,
}

/// The image below `folder`, made if it is not there.
pub fn image(folder: &Path) -> Result<Image, Failure> {
    let base = base::image(folder)?;
    let name = format!("machine-{}", digest(&base));
    let at = |suffix: &str| folder.join(format!("{name}.{suffix}"));
    let image = Image {
        disk: at("ext4"),
        kernel: at("vmlinuz"),
        initrd: at("initrd"),
    };
    if !image.disk.exists() {
        eprintln!("lab: making the image of virtual machines (half a minute, once)");
        make(&base, folder, &image)?;
    }
    Ok(image)
}

fn digest(base: &Path) -> String {
    let base = base.file_name().unwrap_or_default().to_string_lossy();
    let recipe = [
        &base,
        RECIPE,
        PACKAGES,
        SHELL,
        SHELL_UNIT,
        FSTAB,
        CLOUD,
        &IDLE.concat(),
    ]
    .concat();
    hex::encode(Sha256::digest(recipe))[..16].to_owned()
}

fn make(base: &Path, folder: &Path, image: &Image) -> Result<(), Failure> {
    let unfinished = folder.join("unfinished-machine.ext4");
    let disk = Disk::copy(base, &unfinished, &folder.join("root"))?;
    let sources = folder.join("sources.list");
    fs::write(&sources, base::machine_sources()?)?;
    disk.with_mounted(|root| {
        install(root, &sources)?;
        fs::copy(root.join("vmlinuz"), &image.kernel)?;
        fs::copy(root.join("initrd.img"), &image.initrd)?;
        add_shell(root)?;
        fs::write(root.join("etc/fstab"), FSTAB)?;
        fs::write(root.join("etc/cloud/cloud.cfg.d/90-lab.cfg"), CLOUD)?;
        for unit in IDLE {
            symlink("/dev/null", root.join("etc/systemd/system").join(unit))?;
        }
        Ok(())
    })?;
    fs::remove_file(sources)?;
    // Last: whoever finds the disk finds its kernel.
    fs::rename(unfinished, &image.disk)?;
    Ok(())
}

/// This machine's apt fetches what the image's dpkg lacks; the image's dpkg installs it.
fn install(root: &Path, sources: &Path) -> Result<(), Failure> {
    let archives = root.join("var/cache/apt/archives");
    let set = |key: &str, path: &Path| format!("{key}={}", path.display());
    let wanted = PACKAGES.lines().filter(|line| !line.starts_with('#'));
    run(command("apt-get")
        .args([
            "install",
            "--quiet",
            "--yes",
            "--download-only",
            "--no-install-recommends",
        ])
        .args([
            "-o",
            &set("Dir::State::Status", &root.join("var/lib/dpkg/status")),
        ])
        .args(["-o", &set("Dir::Cache::Archives", &archives)])
        .args(["-o", &set("Dir::Etc::SourceList", sources)])
        .args([
            "-o",
            "Dir::Etc::SourceParts=/dev/null",
            "-o",
            "APT::Sandbox::User=root",
        ])
        .args([
            "-o",
            "Dir::Cache::PkgCache=",
            "-o",
            "Dir::Cache::SrcPkgCache=",
        ])
        .args(wanted))?;
    run(command("chroot")
        .arg(root)
        .args([
            "sh",
            "-euc",
            "dpkg --install /var/cache/apt/archives/*.deb; apt-get clean",
        ])
        .env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(())
}

/// It is there as early as files can be written, so that a boot that hangs can be asked why.
fn add_shell(root: &Path) -> Result<(), Failure> {
    fs::write(root.join("usr/local/lib/lab-shell"), SHELL)?;
    let units = root.join("etc/systemd/system");
    fs::write(units.join("lab-shell.service"), SHELL_UNIT)?;
    let wanted = units.join("sysinit.target.wants");
    fs::create_dir_all(&wanted)?;
    symlink("../lab-shell.service", wanted.join("lab-shell.service"))?;
    Ok(())
}
