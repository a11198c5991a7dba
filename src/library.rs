//! Profiles, role definitions and base lists: the ones built into the program,
//! and the operator's own, which come first.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::document::Fault;
use crate::profile::{self, Profile};

/// Lists files of the source tree with their text.
macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../", $path)))),*]
    };
}

/// The files that the program carries, by their path in the source tree.
const EMBEDDED: &[(&str, &str)] = embedded![
    "profiles/centos7.toml",
    "profiles/centos7-vmware.toml",
    "profiles/debian12.toml",
    "profiles/el8.toml",
    "profiles/el8-alma.toml",
    "profiles/el8-oracle.toml",
    "profiles/el8-rhel.toml",
    "profiles/el9.toml",
    "profiles/el9-alma.toml",
    "profiles/el9-oracle.toml",
    "profiles/el9-rhel.toml",
    "profiles/bases/debian12-minbase.deb822",
    "bundles/etcd/role.toml",
    "bundles/postgres/role.toml",
    "bundles/proxy/role.toml",
];

/// Where library files are looked for: the operator's folders, then the program itself.
#[derive(Clone, Debug)]
pub struct Library {
    folders: Vec<PathBuf>,
}

/// A library file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// No such profile.
    #[error("there is no profile `{name}`; there are {known}")]
    UnknownProfile {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// No such file.
    #[error("the library has no file `{0}`")]
    NoFile(String),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A profile extends itself, by way of others.
    #[error("profile `{0}` extends itself")]
    Circle(String),
    /// A profile's text is wrong.
    #[error("the profile {path} is wrong")]
    Profile {
        /// Where the text came from.
        path: String,
        /// The text.
        text: String,
        /// What is wrong with it.
        faults: Vec<Fault>,
    },
}

impl Library {
    /// A library that looks into `folders`, in order, before the program's own files.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// The text of a library file, with where it came from.
    pub fn read(&self, path: &str) -> Result<(String, Cow<'static, str>), LibraryError> {
        for folder in &self.folders {
            let file = folder.join(path);
            match std::fs::read_to_string(&file) {
                Ok(text) => return Ok((file.display().to_string(), Cow::Owned(text))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(LibraryError::Read { path: file, source }),
            }
        }
        EMBEDDED
            .iter()
            .find(|(name, _)| *name == path)
            .map(|(name, text)| (format!("{name} (built in)"), Cow::Borrowed(*text)))
            .ok_or_else(|| LibraryError::NoFile(path.to_owned()))
    }

    /// The names of all profiles, sorted.
    pub fn profiles(&self) -> Result<Vec<String>, LibraryError> {
        let mut names: Vec<String> = EMBEDDED
            .iter()
            .filter_map(|(path, _)| profile_name(Path::new(path)))
            .collect();
        for folder in self.folders.iter().map(|folder| folder.join("profiles")) {
            match std::fs::read_dir(&folder) {
                Ok(entries) => {
                    names.extend(entries.filter_map(|entry| profile_name(&entry.ok()?.path())))
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(LibraryError::Read {
                        path: folder,
                        source,
                    });
                }
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// A profile, with all that it extends merged in.
    pub fn profile(&self, name: &str) -> Result<Profile, LibraryError> {
        self.profile_within(name, &mut Vec::new())
    }

    fn profile_within(&self, name: &str, seen: &mut Vec<String>) -> Result<Profile, LibraryError> {
        if seen.iter().any(|earlier| earlier == name) {
            return Err(LibraryError::Circle(name.to_owned()));
        }
        seen.push(name.to_owned());
        let known = self.profiles()?;
        if !known.iter().any(|profile| profile == name) {
            let known = known
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ");
            return Err(LibraryError::UnknownProfile {
                name: name.to_owned(),
                known,
            });
        }
        let (path, text) = self.read(&format!("profiles/{name}.toml"))?;
        let parent = profile::extends(&text)
            .map(|parent| self.profile_within(&parent, seen))
            .transpose()?;
        profile::parse(&text, parent.as_ref()).map_err(|faults| LibraryError::Profile {
            path,
            text: text.into_owned(),
            faults,
        })
    }
}

/// `debian12` of `profiles/debian12.toml`.
fn profile_name(path: &Path) -> Option<String> {
    let is_toml = path
        .extension()
        .is_some_and(|extension| extension == "toml")
        && path
            .parent()
            .is_some_and(|folder| folder.ends_with("profiles"));
    let name = path.file_stem()?.to_str()?;
    is_toml.then(|| name.to_owned())
}
