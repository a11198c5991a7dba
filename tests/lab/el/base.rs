//! What an el-shaped host starts from: a disk whose userland rpm installed.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use super::debian::Debian;
use super::piece::{NOT_CARRIED, Piece, Version, pieces};
use super::spec;
use crate::base::make_nobodys;
use crate::command::{Failure, ask, command, run};
use crate::disk::Disk;

const SIZE: u64 = 4 << 30;

/// What CentOS 7 says of itself (its `centos-release-7-9.2009`).
const OS_RELEASE: &str = include_str!("files/os-release");
/// Repositories such as an installed system has them. No host can reach them, and
/// whoever tries is seen.
const YUM_REPOSITORY: &str = include_str!("files/CentOS-Base.repo");
/// cloud-init is Debian's: it is told on what it runs, and that the network is netplan's.
const CLOUD: &str = include_str!("files/cloud.cfg");

/// Makes the disk `image` and the list of what its rpm has installed, out of
/// a root of Debian's, which is used up.
pub fn make(debian: &Debian, folder: &Path, image: &Path) -> Result<String, Failure> {
    let root = &debian.root;
    let installed = debian.installed()?;
    for package in installed.iter().filter(|package| package.is_left_out()) {
        for file in &package.files {
            remove_file(&root.join(&file[1..]))?;
        }
    }
    for path in NOT_CARRIED.iter().chain(DPKGS) {
        remove(&root.join(&path[1..]))?;
    }
    lay_out(root)?;
    let mut pieces = pieces(&installed);
    complete(&mut pieces);
    let rpms = folder.join("base");
    fs::create_dir_all(&rpms)?;
    spec::build(root, &pieces, folder, &rpms)?;
    let disk = Disk::format(image, &folder.join("mounted"), SIZE)?;
    disk.with_mounted(|disk| install(root, &rpms, disk))
}

/// Where dpkg, apt and debconf keep what they know.
const DPKGS: &[&str] = &[
    "/etc/apt",
    "/etc/debian_version",
    "/etc/debconf.conf",
    "/etc/default/locale",
    "/etc/dpkg",
    "/usr/lib/os-release",
    "/usr/share/debconf",
    "/usr/share/dpkg",
    "/var/cache/apt",
    "/var/cache/debconf",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/ucf",
];

/// Writes the files by which Enterprise Linux is known.
fn lay_out(root: &Path) -> Result<(), Failure> {
    remove(&root.join("etc/os-release"))?;
    for folder in ["etc/sysconfig", "etc/yum.repos.d", "etc/rpm"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for (path, text) in [
        (
            "etc/centos-release",
            "CentOS Linux release 7.9.2009 (Core)\n",
        ),
        ("etc/os-release", OS_RELEASE),
        // Debian's rpm has its database in root's home.
        (
            "etc/rpm/macros.dist",
            "%rhel 7\n%centos 7\n%dist .el7\n%_dbpath /var/lib/rpm\n",
        ),
        ("etc/yum.repos.d/CentOS-Base.repo", YUM_REPOSITORY),
        ("etc/sysconfig/network", "NETWORKING=yes\n"),
        ("etc/cloud/cloud.cfg.d/90_el.cfg", CLOUD),
        ("etc/locale.conf", "LANG=C.UTF-8\n"),
    ] {
        fs::write(root.join(path), text)?;
    }
    for (link, to) in [
        ("etc/redhat-release", "centos-release"),
        ("etc/system-release", "centos-release"),
        ("usr/bin/yum", "dnf"),
        ("etc/yum.conf", "dnf/dnf.conf"),
    ] {
        symlink(to, root.join(link))?;
    }
    // Debian's own group reads them, here nobody but root does.
    for file in ["etc/shadow", "etc/gshadow"] {
        chown(root.join(file), Some(0), Some(0))?;
    }
    // CentOS's `postgres` has the number of Debian's `tape`.
    for file in ["etc/group", "etc/gshadow"] {
        let path = root.join(file);
        let text = fs::read_to_string(&path)?;
        let kept = text.lines().filter(|line| !line.starts_with("tape:"));
        let kept: String = kept.map(|line| format!("{line}\n")).collect();
        fs::write(&path, kept)?;
    }
    make_nobodys(root)
}

/// Gives the packages what on Enterprise Linux is theirs.
fn complete(pieces: &mut Vec<Piece>) {
    let files = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    pieces.push(Piece {
        name: "centos-release".to_owned(),
        version: Version::of_debian("7-9.2009.1.el7.centos"),
        is_noarch: true,
        files: files(&[
            "/etc/centos-release",
            "/etc/os-release",
            "/etc/redhat-release",
            "/etc/system-release",
            "/etc/rpm",
            "/etc/rpm/macros.dist",
            "/etc/sysconfig",
            "/etc/sysconfig/network",
            "/etc/yum.repos.d",
            "/etc/yum.repos.d/CentOS-Base.repo",
        ]),
        conffiles: files(&[
            "/etc/sysconfig/network",
            "/etc/yum.repos.d/CentOS-Base.repo",
        ]),
        provides: vec![
            "redhat-release = 7.9".to_owned(),
            "system-release = 7.9".to_owned(),
            "system-release(releasever) = 7".to_owned(),
        ],
    });
    for (name, more, provides) in [
        (
            "filesystem",
            &["/bin", "/sbin", "/lib", "/lib64"][..],
            &[][..],
        ),
        (
            "setup",
            &["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"],
            &[],
        ),
        ("bash", &[], &["/bin/sh", "/bin/bash"]),
        ("glibc", &[], &["rtld(GNU_HASH)"]),
        ("yum", &["/usr/bin/yum", "/etc/yum.conf"], &[]),
    ] {
        let piece = pieces.iter_mut().find(|piece| piece.name == name);
        let piece = piece.expect("Debian has each of them");
        piece
            .files
            .extend(more.iter().map(|path| (*path).to_owned()));
        let provides = provides.iter().map(|provided| (*provided).to_owned());
        piece.provides.extend(provides);
    }
}

/// Installs all of it, then adds what no package has: what Debian's scripts made.
fn install(made: &Path, rpms: &Path, disk: &Path) -> Result<String, Failure> {
    fs::remove_dir(disk.join("lost+found"))?;
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(rpms)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // rpm asks the new root's own files who the others' owners are.
        let is_first = name.starts_with("filesystem-") || name.starts_with("setup-");
        if is_first { &mut first } else { &mut rest }.push(path);
    }
    for packages in [first, rest] {
        let mut install = rpm(disk);
        install.args(["--install", "--force-debian", "--nodeps", "--nosignature"]);
        run(install.args(packages))?;
    }
    let everything = format!("{}/.", made.display());
    run(command("cp")
        .args(["--archive", "--no-clobber", &everything])
        .arg(disk))?;
    let differing = ask(rpm(disk).arg("--verify").arg("--all").arg("--nodeps"))?;
    if !differing.out.is_empty() {
        return Err(format!("what rpm installed is not there:\n{}", differing.out).into());
    }
    let query = pgbundle::repo::rpm::base_list::QUERY;
    let answer = run(rpm(disk).args(["--query", "--all", "--queryformat", query]))?;
    let about = "What the lab's el-shaped hosts start from.";
    Ok(pgbundle::repo::rpm::base_list::capture(&answer, about))
}

fn rpm(root: &Path) -> std::process::Command {
    let mut rpm = command("rpm");
    rpm.arg("--root").arg(root);
    rpm.args(["--define", "_dbpath /var/lib/rpm"]);
    rpm
}

fn remove_file(path: &Path) -> Result<(), Failure> {
    let is_folder = path.symlink_metadata().map(|found| found.is_dir());
    if is_folder.is_ok_and(|is_folder| !is_folder) {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        fs::remove_dir_all(path)?;
    }
    remove_file(path)
}
