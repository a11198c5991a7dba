//! Packages that an operator was given and no repository carries: which file
//! is expected, and what a host has where once it is installed.

use std::collections::BTreeMap;

use super::{Component, Profile};

/// One way in which a vendor has packaged its PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packaging {
    /// Its name (`opt`, `usr`).
    pub name: String,
    /// The server's file: `{major}` stands for the major version, `*` for anything.
    pub file: String,
    /// The majors that came in it.
    pub majors: Vec<u32>,
    /// Components as they are in this one.
    pub components: BTreeMap<String, Component>,
    /// Paths that differ from the profile's.
    pub paths: BTreeMap<String, String>,
}

/// The files at hand do not say which packaging is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPackaging {
    /// None fits.
    #[error("no file is the server's RPM: expected {expected}")]
    Missing {
        /// The patterns, with the major put in.
        expected: String,
    },
    /// Several fit.
    #[error("{first} and {second} are both the server's RPM: leave one of them")]
    Several {
        /// A file.
        first: String,
        /// Another one.
        second: String,
    },
}

impl Packaging {
    /// The pattern for one major version.
    pub fn expected(&self, major: u32) -> String {
        self.file.replace("{major}", &major.to_string())
    }
}

impl Profile {
    /// The packagings that have PostgreSQL `major`.
    pub fn packagings_of(&self, major: u32) -> impl Iterator<Item = &Packaging> {
        let has = move |packaging: &&Packaging| packaging.majors.contains(&major);
        self.packagings.iter().filter(has)
    }

    /// The profile as it is with the server that is among `files`: names of
    /// files, in whatever order. What a profile without packagings is, it stays.
    pub fn given<'f>(
        &self,
        major: u32,
        files: impl IntoIterator<Item = &'f str>,
    ) -> Result<Self, NoPackaging> {
        if self.packagings.is_empty() {
            return Ok(self.clone());
        }
        let mut found: Option<(&str, &Packaging)> = None;
        for file in files {
            let fits = |packaging: &&Packaging| matches(&packaging.expected(major), file);
            let Some(packaging) = self.packagings_of(major).find(fits) else {
                continue;
            };
            if let Some((first, _)) = found {
                return Err(NoPackaging::Several {
                    first: first.to_owned(),
                    second: file.to_owned(),
                });
            }
            found = Some((file, packaging));
        }
        let (_, packaging) = found.ok_or_else(|| NoPackaging::Missing {
            expected: self.expected_files(major).join(" or "),
        })?;
        Ok(self.with(packaging))
    }

    /// The patterns of the server's file, one for each packaging.
    pub fn expected_files(&self, major: u32) -> Vec<String> {
        self.packagings_of(major)
            .map(|packaging| packaging.expected(major))
            .collect()
    }

    fn with(&self, packaging: &Packaging) -> Self {
        let mut profile = self.clone();
        profile.components.extend(packaging.components.clone());
        profile.paths.extend(packaging.paths.clone());
        profile
    }
}

/// Whether `text` is `pattern` with something, or nothing, in place of each `*`.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(between) = last.replace(part) {
            match rest.split_once(between) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
    }
    match last {
        Some(last) => rest.ends_with(last),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::Library;

    fn vmware() -> Profile {
        Library::new(Vec::new()).profile("centos7-vmware").unwrap()
    }

    fn bin(profile: &Profile) -> &str {
        &profile.paths["postgres_bin"]
    }

    #[test]
    fn the_name_of_the_file_says_below_which_prefix_it_installs() {
        let profile = vmware();
        let old = ["README", "vmware-postgres-13.3-0.el7.x86_64.rpm"];
        let old = profile.given(13, old).unwrap();
        assert_eq!(bin(&old), "/usr/bin");
        assert_eq!(old.components["postgresql"].packages, ["vmware-postgres"]);
        assert_eq!(old.components["postgresql"].user, "postgres");
        assert_eq!(old.components["pgbouncer"].packages, ["pgbouncer"]);
        assert!(!old.components["pgbouncer"].notifies);
        for file in [
            "vmware-postgres13-13.4-1.el7.x86_64.rpm",
            "vmware-postgres13-13.10-1.el7.x86_64.rpm",
        ] {
            let new = profile.given(13, [file]).unwrap();
            assert_eq!(bin(&new), "/opt/vmware/postgres/{major}/bin", "{file}");
        }
    }

    #[test]
    fn another_el_another_major_and_a_companion_are_not_the_server() {
        let profile = vmware();
        let files = [
            "vmware-postgres15-15.1-1.el8.x86_64.rpm",
            "vmware-postgres14-14.7-1.el7.x86_64.rpm",
            "vmware-postgres15-pgbouncer-1.16.1-1.el7.x86_64.rpm",
            "vmware-postgres-15.1-1.el7.x86_64.rpm",
        ];
        let missing = profile.given(15, files).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "no file is the server's RPM: expected vmware-postgres15-15.*.el7.x86_64.rpm"
        );
        let missing = profile.given(13, []).unwrap_err().to_string();
        assert!(missing.ends_with(
            "vmware-postgres13-13.*.el7.x86_64.rpm or vmware-postgres-13.*.el7.x86_64.rpm"
        ));
    }

    #[test]
    fn two_servers_are_one_too_many() {
        let files = [
            "vmware-postgres-13.3-0.el7.x86_64.rpm",
            "vmware-postgres13-13.4-1.el7.x86_64.rpm",
        ];
        let several = vmware().given(13, files).unwrap_err();
        assert!(matches!(several, NoPackaging::Several { .. }), "{several}");
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("a*b*c", "abbc"));
        assert!(matches("a*b*c", "a-b-c"));
        assert!(matches("abc", "abc"));
        assert!(!matches("abc", "abcd"));
        assert!(!matches("a*b*c", "a-c"));
        assert!(!matches("ab*ba", "aba"));
    }
}
