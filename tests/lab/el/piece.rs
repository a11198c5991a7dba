//! One RPM to be: which files of a root it takes, under which name.

use std::collections::{BTreeMap, BTreeSet};

/// Debian's packages that are one package on Enterprise Linux, or are called otherwise there.
const NAMES: &[(&str, &[&str])] = &[
    ("filesystem", &["base-files"]),
    ("setup", &["base-passwd", "netbase"]),
    ("glibc", &["libc6", "libc-bin", "libc-l10n"]),
    ("bash", &["bash", "dash"]),
    ("shadow-utils", &["passwd", "login"]),
    (
        "util-linux",
        &["util-linux", "util-linux-extra", "bsdutils", "mount"],
    ),
    (
        "systemd",
        &[
            "systemd",
            "systemd-sysv",
            "libpam-systemd",
            "libsystemd-shared",
            "udev",
        ],
    ),
    ("systemd-libs", &["libsystemd0", "libudev1"]),
    (
        "python3",
        &[
            "python3",
            "python3-minimal",
            "python3.11",
            "python3.11-minimal",
        ],
    ),
    (
        "python3-libs",
        &[
            "libpython3-stdlib",
            "libpython3.11",
            "libpython3.11-minimal",
            "libpython3.11-stdlib",
        ],
    ),
    ("rpm", &["rpm", "rpm-common", "rpm2cpio"]),
    ("rpm-libs", &["librpm9", "librpmio9"]),
    ("yum", &["dnf", "dnf-data", "python3-dnf"]),
    ("gnupg2", &["gpg", "gpgconf", "gpgv"]),
    ("iproute", &["iproute2"]),
    ("iputils", &["iputils-ping"]),
    ("openssl-libs", &["libssl3"]),
    ("procps-ng", &["procps", "libproc2-0"]),
    (
        "pam",
        &[
            "libpam0g",
            "libpam-modules",
            "libpam-modules-bin",
            "libpam-runtime",
        ],
    ),
    ("libgcc", &["libgcc-s1"]),
    ("libstdc++", &["libstdc++6"]),
    ("zlib", &["zlib1g"]),
];

/// What only serves dpkg and apt. Were it there, a step that is wrong on
/// Enterprise Linux could fall back on it.
const LEFT_OUT: &[&str] = &[
    "adduser",
    "apt",
    "debconf",
    "debian-archive-keyring",
    "dpkg",
    "init-system-helpers",
    "libapt-pkg6.0",
    "libdebconfclient0",
    "lsb-release",
    "runit-helper",
    "ucf",
    "usrmerge",
];

/// A package as Debian has it.
pub struct Package {
    pub name: String,
    pub version: String,
    pub is_noarch: bool,
    /// Absolute, as in dpkg's list.
    pub files: Vec<String>,
    pub conffiles: BTreeSet<String>,
}

impl Package {
    /// Whether it has no place on an el-shaped host.
    pub fn is_left_out(&self) -> bool {
        LEFT_OUT.contains(&self.name.as_str())
    }
}

/// An RPM to be.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    pub name: String,
    pub version: Version,
    pub is_noarch: bool,
    pub files: BTreeSet<String>,
    pub conffiles: BTreeSet<String>,
    pub provides: Vec<String>,
}

/// A Debian version in rpm's parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    pub epoch: String,
    pub version: String,
    pub release: String,
}

impl Version {
    /// `1:2.2.7-1+b2` is `1`, `2.2.7` and `1+b2`.
    pub fn of_debian(text: &str) -> Self {
        let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, "1"));
        Self {
            epoch: epoch.to_owned(),
            version: version.replace('-', "."),
            release: release.to_owned(),
        }
    }
}

/// The RPMs that the packages become. A path that several have goes to the first.
pub fn pieces(packages: &[Package]) -> Vec<Piece> {
    let mut pieces: BTreeMap<String, Piece> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for package in packages.iter().filter(|package| !package.is_left_out()) {
        let name = el_name(&package.name);
        let piece = pieces.entry(name.to_owned()).or_insert_with(|| Piece {
            name: name.to_owned(),
            version: Version::of_debian(&package.version),
            is_noarch: true,
            ..Piece::default()
        });
        piece.is_noarch &= package.is_noarch;
        let files = package.files.iter().map(|file| merged(file));
        let files = files.filter(|file| is_carried(file));
        piece
            .files
            .extend(files.filter(|file| taken.insert(file.clone())));
        piece.conffiles.extend(package.conffiles.iter().cloned());
    }
    pieces.into_values().collect()
}

fn el_name(debian: &str) -> &str {
    let found = NAMES.iter().find(|(_, of)| of.contains(&debian));
    found.map_or(debian, |(name, _)| name)
}

/// The path with `/bin`, `/sbin` and `/lib…` below `/usr`, where they are on both systems.
fn merged(path: &str) -> String {
    let is_moved = ["/bin/", "/sbin/", "/lib/", "/lib64/"]
        .iter()
        .any(|folder| path.starts_with(folder));
    if is_moved {
        format!("/usr{path}")
    } else {
        path.to_owned()
    }
}

/// Folders that no host here needs.
pub const NOT_CARRIED: &[&str] = &[
    "/usr/share/bug",
    "/usr/share/doc",
    "/usr/share/doc-base",
    "/usr/share/info",
    "/usr/share/lintian",
    "/usr/share/locale",
    "/usr/share/man",
    "/usr/share/menu",
];

fn is_carried(path: &str) -> bool {
    // The folders that /usr has taken over are symlinks, which `filesystem` has.
    let is_link = ["/bin", "/sbin", "/lib", "/lib64", "/."].contains(&path);
    let is_dropped = NOT_CARRIED.iter().any(|folder| {
        let rest = path.strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    !is_link && !is_dropped
}
