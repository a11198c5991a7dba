//! Binary packages as a deb index or a base list describes them, findable by
//! name and by what they provide; all borrowed from the texts.

use std::collections::HashMap;

use super::deb822::{Stanza, stanzas};
use super::relation::{self, NotARelation, Relation};
use super::version::{DebVersion, NotADebVersion};

/// One binary package.
#[derive(Clone, Copy, Debug)]
pub struct Package<'a> {
    /// Its stanza.
    pub stanza: Stanza<'a>,
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: DebVersion<'a>,
    /// Its architecture (`all` too).
    pub architecture: &'a str,
    /// Which of the texts it stands in.
    pub text: usize,
}

/// A stanza says something that dpkg would refuse.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A field that every package has is missing.
    #[error("a package (`{package}`) has no field `{field}`")]
    Missing {
        /// Its name, or the beginning of its stanza.
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
        source: NotADebVersion,
    },
    /// A relation is none.
    #[error("the package `{package}` has a field `{field}` that cannot be read: {source}")]
    Relation {
        /// Its name.
        package: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        source: NotARelation,
    },
}

impl<'a> Package<'a> {
    fn read(stanza: Stanza<'a>, text: usize) -> Result<Self, PackageError> {
        let (mut name, mut version, mut architecture) = (None, None, None);
        for (field, value) in stanza.fields() {
            match field {
                "Package" => name = Some(value),
                "Version" => version = Some(value),
                "Architecture" => architecture = Some(value),
                _ => continue,
            }
            if name.is_some() && version.is_some() && architecture.is_some() {
                break;
            }
        }
        let missing = |field| PackageError::Missing {
            package: name.unwrap_or_default().to_owned(),
            field,
        };
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| missing("Package"))?;
        let version = DebVersion::parse(version.ok_or_else(|| missing("Version"))?);
        Ok(Self {
            stanza,
            name,
            version: version.map_err(|source| PackageError::Version {
                package: name.to_owned(),
                source,
            })?,
            architecture: architecture.ok_or_else(|| missing("Architecture"))?,
            text,
        })
    }

    /// Name and version of the source that it was built from (Debian policy
    /// 5.6.1): `Source: name (version)`, each part only where it differs.
    pub fn source(&self) -> (&'a str, &'a str) {
        let field = self.stanza.field("Source").unwrap_or(self.name);
        match field.split_once('(') {
            Some((name, version)) => (name.trim(), version.trim_end_matches(')').trim()),
            None => (field.trim(), self.version.as_str()),
        }
    }

    /// The relations in one of its fields.
    pub fn relations(
        &self,
        field: &'static str,
        architecture: &str,
    ) -> Result<Vec<relation::Group<'a>>, PackageError> {
        let value = self.stanza.field(field).unwrap_or_default();
        relation::parse(value, architecture).map_err(|source| PackageError::Relation {
            package: self.name.to_owned(),
            field,
            source,
        })
    }

    /// Whether it provides what `wanted` asks for under that virtual name.
    pub fn provides(
        &self,
        wanted: &Relation<'_>,
        architecture: &str,
    ) -> Result<bool, PackageError> {
        let provided = self.relations("Provides", architecture)?;
        Ok(provided
            .iter()
            .flat_map(|(_, all)| all)
            .filter(|one| one.name == wanted.name)
            .any(|one| wanted.admits_provided(one.bound.map(|(_, version)| version))))
    }

    /// Whether it may stand for a name with that qualifier, as dpkg judges it
    /// on a host of one architecture.
    pub fn fits_qualifier(&self, qualifier: Option<&str>, architecture: &str) -> bool {
        match qualifier {
            None | Some("native") => true,
            Some("any") => matches!(self.stanza.field("Multi-Arch"), Some("allowed" | "foreign")),
            Some(wanted) => wanted == architecture,
        }
    }
}

/// Packages of one architecture and of `all`, sorted by name, the newest of a name first.
#[derive(Debug, Default)]
pub struct PackageSet<'a> {
    packages: Vec<Package<'a>>,
    providers: HashMap<&'a str, Vec<usize>>,
}

impl<'a> PackageSet<'a> {
    /// Reads the packages of some texts; a package's `text` is its place among them.
    pub fn read(texts: &[&'a str], architecture: &str) -> Result<Self, PackageError> {
        let mut packages = Vec::new();
        for (text, content) in texts.iter().enumerate() {
            for stanza in stanzas(content).filter(|s| s.fields().next().is_some()) {
                let package = Package::read(stanza, text)?;
                if package.architecture == architecture || package.architecture == "all" {
                    packages.push(package);
                }
            }
        }
        packages.sort_by(|a, b| {
            (a.name.cmp(b.name))
                .then_with(|| b.version.cmp(&a.version))
                .then_with(|| (a.text, a.version.as_str()).cmp(&(b.text, b.version.as_str())))
        });
        let mut set = Self {
            packages,
            providers: HashMap::new(),
        };
        set.note_providers(architecture)?;
        Ok(set)
    }

    // Older versions are no candidates, so what they provide counts for nothing.
    fn note_providers(&mut self, architecture: &str) -> Result<(), PackageError> {
        let mut last = "";
        for (place, package) in self.packages.iter().enumerate() {
            if package.name == last {
                continue;
            }
            last = package.name;
            for (_, provided) in package.relations("Provides", architecture)? {
                for one in provided {
                    self.providers.entry(one.name).or_default().push(place);
                }
            }
        }
        Ok(())
    }

    /// All packages, sorted by name, the newest of a name first.
    pub fn all(&self) -> &[Package<'a>] {
        &self.packages
    }

    /// All versions of a name, the newest first.
    pub fn named(&self, name: &str) -> &[Package<'a>] {
        let start = self.packages.partition_point(|p| p.name < name);
        let length = self.packages[start..].partition_point(|p| p.name == name);
        &self.packages[start..start + length]
    }

    /// The newest version of a name.
    pub fn newest(&self, name: &str) -> Option<&Package<'a>> {
        self.named(name).first()
    }

    /// Those of the newest packages that provide a virtual name, sorted by their own.
    pub fn providers(&self, name: &str) -> impl Iterator<Item = &Package<'a>> {
        let places = self.providers.get(name).map_or(&[][..], Vec::as_slice);
        places.iter().map(|place| &self.packages[*place])
    }
}
