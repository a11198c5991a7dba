//! What a base image has installed: a named package list with a digest.

use super::deb::deb822::{Stanza, stanzas};
use crate::base::Sha256;

/// A base list; the closure is proved against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseList {
    /// Its name in the profile.
    pub name: String,
    /// Digest of its text.
    pub digest: Sha256,
    /// Its stanzas.
    pub text: String,
}

/// The fields that say what an installed package offers and needs; the last
/// two are here because apt tells packages of one version apart by them.
const FIELDS: [&str; 12] = [
    "Package",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Essential",
    "Provides",
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Replaces",
    "Installed-Size",
];

impl BaseList {
    /// Takes a list's text as it was read.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            name: name.into(),
            digest: Sha256::of(text.as_bytes()),
            text,
        }
    }
}

/// Writes the base list of a host from the text of its `/var/lib/dpkg/status`
/// (dpkg(1)): what is installed, sorted, with `about` as a comment on top.
pub fn capture_from_status(status: &str, about: &str) -> String {
    let mut installed: Vec<_> = stanzas(status).filter(is_installed).collect();
    installed.sort_by_key(|stanza| (stanza.field("Package"), stanza.field("Architecture")));
    let mut list: String = about.lines().map(|line| format!("# {line}\n")).collect();
    for stanza in installed {
        list.push('\n');
        for field in FIELDS {
            if let Some(value) = stanza.field(field) {
                list.push_str(&format!("{field}: {value}\n"));
            }
        }
    }
    list
}

// "install ok installed", and "hold ok installed"; the rest is removed or half done.
fn is_installed(stanza: &Stanza<'_>) -> bool {
    stanza.words("Status").eq(["install", "ok", "installed"])
        || stanza.words("Status").eq(["hold", "ok", "installed"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_installed_sorted_and_without_the_rest() {
        let status = "Package: b\nStatus: install ok installed\nMaintainer: x\nVersion: 2\nArchitecture: all\nDepends: a,\n c\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n\n\
                      Package: a\nStatus: hold ok installed\nEssential: yes\nArchitecture: amd64\nVersion: 1\n";
        let list = capture_from_status(status, "made in a test\nby hand");
        assert_eq!(
            list,
            "# made in a test\n# by hand\n\nPackage: a\nVersion: 1\nArchitecture: amd64\nEssential: yes\n\n\
             Package: b\nVersion: 2\nArchitecture: all\nDepends: a,\n c\n"
        );
    }
}
