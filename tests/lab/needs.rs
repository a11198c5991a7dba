//! What a machine must have before hosts can be booted on it, and how to get it.

use std::env;
use std::path::Path;

/// Programs, with the Debian package that carries each.
const PROGRAMS: &[(&str, &str)] = &[
    ("systemd-nspawn", "systemd-container"),
    ("mmdebstrap", "mmdebstrap"),
    ("apt-get", "apt"),
    ("apt-ftparchive", "apt-utils"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("setsid", "util-linux"),
    ("losetup", "mount"),
    ("mkfs.ext4", "e2fsprogs"),
    ("psql", "postgresql-client"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("journalctl", "systemd"),
    ("rpmbuild", "rpm"),
    ("rpmsign", "rpm"),
    ("createrepo_c", "createrepo-c"),
    ("patchelf", "patchelf"),
    ("gpg", "gpg"),
    ("gpg-agent", "gpg-agent"),
    ("dpkg-deb", "dpkg"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("chroot", "coreutils"),
];

const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Whether hosts are booted.
pub enum Decision {
    /// They are.
    Run,
    /// `PGBUNDLE_LAB=skip` was said; nothing is proven.
    Skip,
    /// They cannot be; the text says why, and what to do.
    Fail(String),
}

/// Looks at the machine and at what was asked.
pub fn decide() -> Decision {
    let is_continuous_integration = env::var_os("CI").is_some_and(|value| !value.is_empty());
    let is_skipped = env::var_os("PGBUNDLE_LAB").is_some_and(|value| value == "skip");
    if is_skipped && !is_continuous_integration {
        return Decision::Skip;
    }
    let missing = missing();
    if missing.is_empty() {
        return Decision::Run;
    }
    Decision::Fail(message(&missing))
}

fn message(missing: &[String]) -> String {
    format!(
        "the lab was NOT run: this machine lacks\n  - {}\n\
         PGBUNDLE_LAB=skip leaves the lab out, and then nothing is proven about real hosts \
         (where CI is set that is refused).",
        missing.join("\n  - ")
    )
}

fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push(
            "root: containers, namespaces and loop devices need it (sudo -E make test)".into(),
        );
    }
    for &(program, package) in PROGRAMS {
        if !FOLDERS
            .iter()
            .any(|folder| Path::new(folder).join(program).exists())
        {
            missing.push(format!(
                "{program}: apt-get install --no-install-recommends {package}"
            ));
        }
    }
    for (path, reason) in [
        (
            "/dev/loop-control",
            "loop devices (modprobe loop): each host's root is a file system of its own",
        ),
        (
            "/dev/net/tun",
            "TUN devices (modprobe tun): what tries to leave is read from one",
        ),
        (
            "/usr/share/keyrings/debian-archive-keyring.gpg",
            "apt-get install debian-archive-keyring",
        ),
    ] {
        if !Path::new(path).exists() {
            missing.push(format!("{path}: {reason}"));
        }
    }
    if !crate::cgroup::has_unified_hierarchy() {
        missing.push("a cgroup2 hierarchy: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified".into());
    }
    missing
}
