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
    /// Files that belong to it and to no repository, written as `file` is.
    pub companions: Vec<String>,
    /// The majors that came in it.
    pub majors: Vec<u32>,
    /// What its files say that they provide and have where only they
    /// themselves find it: no need of another package is met by that.
    pub not_provided: Vec<String>,
    /// The first release of each major whose server brings a Patroni of its
    /// own, which stays unused.
    pub own_patroni: Vec<String>,
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
    /// The server is there, and what belongs to it is not.
    #[error("{server} is there, and what belongs to it is not: expected {expected}")]
    Alone {
        /// The server's file.
        server: String,
        /// The pattern of what is missing, with the major put in.
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
        of_major(&self.file, major)
    }

    /// The patterns of what belongs to it.
    pub fn companions(&self, major: u32) -> impl Iterator<Item = String> {
        let companions = self.companions.iter();
        companions.map(move |pattern| of_major(pattern, major))
    }
}

fn of_major(pattern: &str, major: u32) -> String {
    pattern.replace("{major}", &major.to_string())
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
        let files: Vec<_> = files.into_iter().collect();
        for file in &files {
            let fits = |packaging: &&Packaging| matches(&packaging.expected(major), file);
            let Some(packaging) = self.packagings_of(major).find(fits) else {
                continue;
            };
            if let Some((first, _)) = found {
                return Err(NoPackaging::Several {
                    first: first.to_owned(),
                    second: (*file).to_owned(),
                });
            }
            found = Some((file, packaging));
        }
        let (server, packaging) = found.ok_or_else(|| NoPackaging::Missing {
            expected: self.expected_files(major).join(" or "),
        })?;
        let is_there = |pattern: &String| files.iter().any(|file| matches(pattern, file));
        if let Some(expected) = packaging.companions(major).find(|one| !is_there(one)) {
            let server = server.to_owned();
            return Err(NoPackaging::Alone { server, expected });
        }
        Ok(self.with(packaging))
    }

    /// The patterns of the server's file with what belongs to it, one for each packaging.
    pub fn expected_files(&self, major: u32) -> Vec<String> {
        let words = |packaging: &Packaging| {
            let files = [packaging.expected(major)].into_iter();
            let files: Vec<_> = files.chain(packaging.companions(major)).collect();
            files.join(" with ")
        };
        self.packagings_of(major).map(words).collect()
    }

    /// The first release of a major whose server brings a Patroni of its own.
    pub fn own_patroni(&self, major: u32) -> Option<&str> {
        let is_of_major = |release: &&String| {
            let of = release.split_once('.').map(|(of, _)| of);
            of == Some(major.to_string().as_str())
        };
        let mut releases = self.packagings_of(major).flat_map(|one| &one.own_patroni);
        releases.find(is_of_major).map(String::as_str)
    }

    fn with(&self, packaging: &Packaging) -> Self {
        let mut profile = self.clone();
        profile.components.extend(packaging.components.clone());
        profile.paths.extend(packaging.paths.clone());
        profile.not_provided.clone_from(&packaging.not_provided);
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
        assert!(old.not_provided.is_empty());
        for file in [
            "vmware-postgres13-13.4-1.el7.x86_64.rpm",
            "vmware-postgres13-13.10-1.el7.x86_64.rpm",
        ] {
            let new = profile.given(13, [file, PGBOUNCER]).unwrap();
            assert_eq!(bin(&new), "/opt/vmware/postgres/{major}/bin", "{file}");
            assert_eq!(new.not_provided, ["libpq.so.5()(64bit)"]);
        }
    }

    const PGBOUNCER: &str = "vmware-postgres13-pgbouncer-1.16.1-1.el7.x86_64.rpm";

    #[test]
    fn a_server_without_what_belongs_to_it_is_not_enough() {
        let server = "vmware-postgres13-13.4-1.el7.x86_64.rpm";
        let alone = vmware().given(13, [server]).unwrap_err();
        assert_eq!(
            alone.to_string(),
            "vmware-postgres13-13.4-1.el7.x86_64.rpm is there, and what belongs to it is not: \
             expected vmware-postgres13-pgbouncer-*.el7.x86_64.rpm"
        );
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
            "no file is the server's RPM: expected vmware-postgres15-15.*.el7.x86_64.rpm with \
             vmware-postgres15-pgbouncer-*.el7.x86_64.rpm"
        );
        let missing = profile.given(13, []).unwrap_err().to_string();
        assert!(missing.ends_with(
            "expected vmware-postgres13-13.*.el7.x86_64.rpm with \
             vmware-postgres13-pgbouncer-*.el7.x86_64.rpm or vmware-postgres-13.*.el7.x86_64.rpm"
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
