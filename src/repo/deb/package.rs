//! Binary packages as a deb index or a base list describes them, findable by
//! name and by what they provide; all borrowed from the texts.

use super::deb822::{Stanza, stanzas};
use super::relation::{self, NotARelation, Relation};
use super::version::{DebVersion, NotADebVersion};
use crate::repo::pieces;

const PROVIDES: &str = "Provides";

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
    /// Its field `Provides`, empty where it has none: of all packages of an
    /// archive this is asked, and found while they are read.
    provides: &'a str,
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
        let mut provides = None;
        for (field, value) in stanza.untrimmed() {
            let place = match field {
                "Package" => &mut name,
                "Version" => &mut version,
                "Architecture" => &mut architecture,
                _ if field.eq_ignore_ascii_case(PROVIDES) => &mut provides,
                _ => continue,
            };
            place.get_or_insert(value.trim());
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
            provides: provides.unwrap_or_default(),
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
        relation::parse(value, architecture).map_err(self.refuses(field))
    }

    /// What it provides beside itself.
    fn provided(
        &self,
        architecture: &str,
    ) -> impl Iterator<Item = Result<Relation<'a>, PackageError>> {
        let all = relation::each(self.provides, architecture);
        all.map(|one| one.map_err(self.refuses(PROVIDES)))
    }

    fn refuses(&self, field: &'static str) -> impl FnOnce(NotARelation) -> PackageError + use<'a> {
        let package = self.name;
        move |source| PackageError::Relation {
            package: package.to_owned(),
            field,
            source,
        }
    }

    /// Whether it provides what `wanted` asks for under that virtual name.
    pub fn provides(
        &self,
        wanted: &Relation<'_>,
        architecture: &str,
    ) -> Result<bool, PackageError> {
        for one in self.provided(architecture) {
            let one = one?;
            let version = one.bound.map(|(_, version)| version);
            if one.name == wanted.name && wanted.admits_provided(version) {
                return Ok(true);
            }
        }
        Ok(false)
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
    /// What the newest of each name provide, by that name, with the package's place.
    provided: Vec<(&'a str, usize)>,
}

impl<'a> PackageSet<'a> {
    /// Reads the packages of some texts; a package's `text` is its place among them.
    pub fn read(texts: &[&'a str], architecture: &str) -> Result<Self, PackageError> {
        let pieces: Vec<_> = texts
            .iter()
            .enumerate()
            .flat_map(|(text, content)| pieces::of_text(content).map(move |piece| (text, piece)))
            .collect();
        let packages = pieces::each(&pieces, |(text, piece)| {
            read_piece(*text, piece, architecture)
        })?;
        let packages = pieces::sorted(
            packages,
            |package| package.name,
            |a, b| {
                (b.version.cmp(&a.version))
                    .then_with(|| (a.text, a.version.as_str()).cmp(&(b.text, b.version.as_str())))
            },
        );
        let provided = provided(&packages, architecture)?;
        Ok(Self { packages, provided })
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
        let start = self.provided.partition_point(|(one, _)| *one < name);
        let length = self.provided[start..].partition_point(|(one, _)| *one == name);
        let places = self.provided[start..start + length].iter();
        places.map(|(_, place)| &self.packages[*place])
    }
}

fn read_piece<'a>(
    text: usize,
    piece: &'a str,
    architecture: &str,
) -> Result<Vec<Package<'a>>, PackageError> {
    // Room that is not used is never touched; hardly a stanza is shorter.
    let mut packages = Vec::with_capacity(piece.len() / 512);
    for stanza in stanzas(piece).filter(|s| s.fields().next().is_some()) {
        let package = Package::read(stanza, text)?;
        if package.architecture == architecture || package.architecture == "all" {
            packages.push(package);
        }
    }
    Ok(packages)
}

// Older versions are no candidates, so what they provide counts for nothing.
fn provided<'a>(
    packages: &[Package<'a>],
    architecture: &str,
) -> Result<Vec<(&'a str, usize)>, PackageError> {
    let is_newest =
        |place: &usize| *place == 0 || packages[place - 1].name != packages[*place].name;
    let newest: Vec<_> = (0..packages.len()).filter(is_newest).collect();
    let pieces: Vec<_> = pieces::of_list(&newest).collect();
    let provided = pieces::each(&pieces, |places| {
        let mut provided = Vec::new();
        for place in *places {
            for one in packages[*place].provided(architecture) {
                provided.push((one?.name, *place));
            }
        }
        Ok(provided)
    })?;
    Ok(pieces::sorted(
        provided,
        |(name, _)| *name,
        |a, b| a.1.cmp(&b.1),
    ))
}
