//! What a base image of the rpm family has installed, as a text of stanzas.
//!
//! ```text
//! Package: bash
//! Version: 0:4.2.46-34.el7
//! Architecture: x86_64
//! Provides: bash = 4.2.46-34.el7
//! Provides: config(bash) = 4.2.46-34.el7
//! Requires: libc.so.6(GLIBC_2.15)(64bit)
//! File: /usr/bin/bash
//! ```
//!
//! It is what rpm says to [`QUERY`], sorted, less what decides nothing: of the
//! files, those remain that primary would name (below `/etc` and in a folder
//! `bin` or `sbin`, and `/usr/lib/sendmail`) and those that an installed
//! package asks for. Any other file of an installed package is found through
//! the file lists of the repository that the very same package is in.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::entry::{Entry, Sense};
use super::evr::{Evr, NotAnEvr};
use super::package::Package;
use crate::repo::deb::deb822::{Stanza, stanzas};

/// The format to query a host with: `rpm -qa --queryformat FORMAT`. It keeps to
/// what rpm 4.11 of EL 7 has (rpm(8), "QUERY OPTIONS").
pub const QUERY: &str = concat!(
    r"Package: %{NAME}\nVersion: %{EPOCHNUM}:%{VERSION}-%{RELEASE}\nArchitecture: %{ARCH}\n",
    r"[Provides: %{PROVIDENAME} %{PROVIDEFLAGS:depflags} %{PROVIDEVERSION}\n]",
    r"[Requires: %{REQUIRENAME} %{REQUIREFLAGS:depflags} %{REQUIREVERSION}\n]",
    r"[Conflicts: %{CONFLICTNAME} %{CONFLICTFLAGS:depflags} %{CONFLICTVERSION}\n]",
    r"[Obsoletes: %{OBSOLETENAME} %{OBSOLETEFLAGS:depflags} %{OBSOLETEVERSION}\n]",
    r"[File: %{FILENAMES}\n]\n",
);

/// A stanza says something that rpm would not.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BaseListError {
    /// A field that every package has is missing.
    #[error("a package (`{package}`) has no field `{field}`")]
    Missing {
        /// Its name, as far as it is known.
        package: String,
        /// The field.
        field: &'static str,
    },
    /// A version is none.
    #[error("the package `{package}` has a version that is none: {source}")]
    Version {
        /// Its name.
        package: String,
        /// What is wrong with it.
        source: NotAnEvr,
    },
}

/// Reads the packages of a base list.
pub fn read(text: &str) -> Result<Vec<Package<'_>>, BaseListError> {
    let is_package = |stanza: &Stanza<'_>| stanza.fields().next().is_some();
    stanzas(text).filter(is_package).map(package).collect()
}

fn package<'a>(stanza: Stanza<'a>) -> Result<Package<'a>, BaseListError> {
    let name = stanza.field("Package").unwrap_or_default();
    let value = |field| {
        let value = stanza.field(field).filter(|value| !value.is_empty());
        value.ok_or_else(|| BaseListError::Missing {
            package: name.to_owned(),
            field,
        })
    };
    let version = |source| BaseListError::Version {
        package: name.to_owned(),
        source,
    };
    let all = |field: &'static str| {
        let fields = stanza.fields().filter(move |(name, _)| *name == field);
        fields.map(|(_, value)| value)
    };
    let entries = |field| -> Result<Box<[Entry<'a>]>, BaseListError> {
        all(field)
            .map(|line| entry(line).map_err(version))
            .collect()
    };
    Ok(Package {
        name: value("Package")?,
        arch: value("Architecture")?,
        evr: Evr::parse(value("Version")?).map_err(version)?,
        requires: entries("Requires")?,
        provides: entries("Provides")?,
        conflicts: entries("Conflicts")?,
        obsoletes: entries("Obsoletes")?,
        files: all("File").map(Cow::Borrowed).collect(),
        archive: None,
    })
}

// The name itself may have blanks: a rich dependency has, a file can.
fn entry(line: &str) -> Result<Entry<'_>, NotAnEvr> {
    let whole = Entry {
        name: Cow::Borrowed(line),
        range: None,
    };
    if line.starts_with('(') {
        return Ok(whole);
    }
    let mut words = line.rsplitn(3, ' ');
    let (evr, sign, name) = (words.next(), words.next(), words.next());
    match (name, sign.and_then(Sense::of_sign), evr) {
        (Some(name), Some(sense), Some(evr)) => Ok(Entry {
            name: Cow::Borrowed(name.trim_end()),
            range: Some((sense, Evr::parse(evr)?)),
        }),
        _ => Ok(whole),
    }
}

/// Writes the base list of a host from what its rpm said to [`QUERY`], with
/// `about` as a comment on top.
pub fn capture(answer: &str, about: &str) -> String {
    let is_real = |stanza: &Stanza<'_>| {
        stanza.fields().next().is_some() && stanza.field("Package") != Some("gpg-pubkey")
    };
    let mut installed: Vec<_> = stanzas(answer).filter(is_real).collect();
    let key = |stanza: &Stanza<'_>| {
        ["Package", "Architecture", "Version"].map(|field| stanza.field(field).map(str::to_owned))
    };
    installed.sort_by_cached_key(key);
    let asked: BTreeSet<_> = installed
        .iter()
        .flat_map(|stanza| asked_files(*stanza))
        .collect();
    let mut list: String = about.lines().map(|line| format!("# {line}\n")).collect();
    for stanza in installed {
        list.push('\n');
        for (field, value) in stanza.fields() {
            let is_kept = match field {
                "File" => is_primary(value) || asked.contains(value),
                "Requires" => !value.starts_with("rpmlib("),
                _ => true,
            };
            if is_kept {
                list.push_str(&format!("{field}: {value}\n"));
            }
        }
    }
    list
}

fn asked_files(stanza: Stanza<'_>) -> impl Iterator<Item = &str> {
    let asked = stanza.fields().filter(|(field, _)| *field == "Requires");
    asked
        .map(|(_, value)| value)
        .filter(|value| value.starts_with('/'))
}

/// What createrepo_c puts into primary.
pub(super) fn is_primary(file: &str) -> bool {
    file.starts_with("/etc/") || file.contains("bin/") || file == "/usr/lib/sendmail"
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "Package: z\nVersion: 0:1-1\nArchitecture: noarch\nProvides: z = 1-1\n\
                          Requires: rpmlib(X) <= 3.0-1\nRequires: /usr/share/a b  \nRequires: (x or y >= 1)  \nFile: /usr/share/z\n\n\
                          Package: gpg-pubkey\nVersion: 0:1-1\nArchitecture: (none)\n\n\
                          Package: a\nVersion: 2:1-1\nArchitecture: x86_64\nProvides: a  \nConflicts: z < 1\n\
                          File: /usr/sbin/a\nFile: /etc/a\nFile: /usr/share/a b\nFile: /usr/share/doc\n\n";

    #[test]
    fn keeps_what_decides_something_and_reads_it_again() {
        let list = capture(ANSWER, "made in a test");
        assert_eq!(
            list,
            "# made in a test\n\nPackage: a\nVersion: 2:1-1\nArchitecture: x86_64\nProvides: a\nConflicts: z < 1\n\
             File: /usr/sbin/a\nFile: /etc/a\nFile: /usr/share/a b\n\n\
             Package: z\nVersion: 0:1-1\nArchitecture: noarch\nProvides: z = 1-1\n\
             Requires: /usr/share/a b\nRequires: (x or y >= 1)\n"
        );
        let packages = read(&list).unwrap();
        assert_eq!(packages[0].to_string(), "a-2:1-1.x86_64");
        assert_eq!(packages[0].conflicts[0].to_string(), "z < 1");
        assert_eq!(packages[0].files.len(), 3);
        assert_eq!(packages[1].requires[0].name, "/usr/share/a b");
        assert_eq!(packages[1].requires[1].name, "(x or y >= 1)");
    }

    #[test]
    fn refuses_what_rpm_would_not_say() {
        let refusal = |text: &str| read(text).unwrap_err().to_string();
        assert!(refusal("Version: 1-1\nArchitecture: noarch").contains("no field `Package`"));
        assert!(refusal("Package: a\nArchitecture: noarch").contains("no field `Version`"));
        assert!(refusal("Package: a\nVersion: x:1\nArchitecture: noarch").contains("version"));
        assert!(
            refusal("Package: a\nVersion: 1\nArchitecture: noarch\nProvides: b = x:1")
                .contains("version")
        );
    }
}
