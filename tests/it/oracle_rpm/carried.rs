//! Packages of an apt repository carried over to rpm-md, so that closures can
//! be judged over metadata of a real size and shape.
//!
//! Names stay; what a Debian version has that an rpm one cannot have is
//! mapped; `Depends` and `Pre-Depends` become requires, their alternatives rich
//! dependencies; `Conflicts` and `Breaks` become conflicts; what is broken and
//! replaced is obsoleted, where a version bounds it. A bounded conflict with
//! what some package provides without a version is left out: it would hit that
//! package with rpm, and never does with dpkg.

use std::collections::HashSet;
use std::fmt::Write as _;

use pgbundle::base::Sha256;
use pgbundle::repo::deb::package::Package;
use pgbundle::repo::deb::relation::{Operator, Relation};
use pgbundle::repo::deb::version::DebVersion;

/// A package of the rpm family, as text.
#[derive(Clone)]
pub struct Carried {
    pub name: String,
    pub arch: &'static str,
    /// `epoch:version-release`
    pub evr: (String, String, String),
    pub provides: Vec<String>,
    pub requires: Vec<String>,
    pub conflicts: Vec<String>,
    pub obsoletes: Vec<String>,
}

/// Carries over packages; what a base provides counts as what is listed does.
pub fn carry(packages: &[Package<'_>], virtuals: &HashSet<String>) -> Vec<Carried> {
    packages
        .iter()
        .map(|one| Carried::new(one, virtuals))
        .collect()
}

/// The names that some package provides without a version.
pub fn virtuals(packages: &[Package<'_>]) -> HashSet<String> {
    let provided = packages.iter().flat_map(|package| {
        let groups = package
            .relations("Provides", "amd64")
            .expect("the index is sound");
        groups.into_iter().flat_map(|(_, group)| group)
    });
    let unversioned = provided.filter(|relation| relation.bound.is_none());
    unversioned
        .map(|relation| relation.name.to_owned())
        .collect()
}

impl Carried {
    fn new(package: &Package<'_>, virtuals: &HashSet<String>) -> Self {
        let relations = |field| {
            let groups = package
                .relations(field, "amd64")
                .expect("the index is sound");
            groups
                .into_iter()
                .map(|(_, group)| group)
                .collect::<Vec<_>>()
        };
        let alone = |field| -> Vec<Relation<'_>> { relations(field).concat() };
        let mut requires = relations("Pre-Depends");
        requires.extend(relations("Depends"));
        let mut conflicts = alone("Conflicts");
        conflicts.extend(alone("Breaks"));
        conflicts.retain(|r| r.bound.is_none() || !virtuals.contains(r.name));
        let replaces = alone("Replaces");
        let obsoletes = conflicts
            .iter()
            .filter(|r| r.bound.is_some() && replaces.contains(r));
        let (epoch, version, release) = evr(package.version);
        let own = format!("{} = {epoch}:{version}-{release}", package.name);
        let provided = alone("Provides");
        Self {
            name: package.name.to_owned(),
            arch: match package.architecture {
                "all" => "noarch",
                _ => "x86_64",
            },
            provides: std::iter::once(own)
                .chain(provided.iter().map(entry))
                .collect(),
            requires: requires.iter().map(|group| rich(group)).collect(),
            conflicts: conflicts.iter().map(entry).collect(),
            obsoletes: obsoletes.map(entry).collect(),
            evr: (epoch, version, release),
        }
    }

    /// How libsolv names it.
    pub fn nevra(&self) -> String {
        let (epoch, version, release) = &self.evr;
        let epoch = match epoch.as_str() {
            "0" => String::new(),
            epoch => format!("{epoch}:"),
        };
        format!("{}-{epoch}{version}-{release}.{}", self.name, self.arch)
    }

    /// As rpm's answer to the query of a base list.
    pub fn stanza(&self) -> String {
        let (epoch, version, release) = &self.evr;
        let mut stanza = format!(
            "\nPackage: {}\nVersion: {epoch}:{version}-{release}\nArchitecture: {}\n",
            self.name, self.arch
        );
        for (field, entries) in [
            ("Provides", &self.provides),
            ("Requires", &self.requires),
            ("Conflicts", &self.conflicts),
            ("Obsoletes", &self.obsoletes),
        ] {
            for entry in entries {
                writeln!(stanza, "{field}: {entry}").unwrap();
            }
        }
        stanza
    }

    /// As primary has it.
    pub fn element(&self) -> String {
        let (epoch, version, release) = &self.evr;
        let (name, arch) = (&self.name, self.arch);
        let digest = Sha256::of(format!("{name} {epoch} {version} {release}").as_bytes());
        let mut element = format!(
            "<package type=\"rpm\">\n  <name>{name}</name>\n  <arch>{arch}</arch>\n  \
             <version epoch=\"{epoch}\" ver=\"{version}\" rel=\"{release}\"/>\n  \
             <checksum type=\"sha256\" pkgid=\"YES\">{digest}</checksum>\n  \
             <summary>{name} &amp; more</summary>\n  <description>What {name} is for.</description>\n  \
             <packager/>\n  <url/>\n  <time file=\"1700000000\" build=\"1700000000\"/>\n  \
             <size package=\"1000\" installed=\"2000\" archive=\"3000\"/>\n  \
             <location href=\"Packages/{name}-{version}-{release}.{arch}.rpm\"/>\n  <format>\n    \
             <rpm:license>x</rpm:license>\n"
        );
        for (field, entries) in [
            ("provides", &self.provides),
            ("requires", &self.requires),
            ("conflicts", &self.conflicts),
            ("obsoletes", &self.obsoletes),
        ] {
            if !entries.is_empty() {
                let entries: String = entries.iter().map(|entry| entry_element(entry)).collect();
                write!(element, "    <rpm:{field}>\n{entries}    </rpm:{field}>\n").unwrap();
            }
        }
        element + "  </format>\n</package>\n"
    }
}

/// A whole `primary.xml`.
pub fn primary<'c>(packages: impl Iterator<Item = &'c Carried>) -> String {
    let elements: Vec<_> = packages.map(Carried::element).collect();
    document(&elements)
}

/// The elements of packages in a `primary.xml`.
pub fn document(elements: &[String]) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"{}\">\n{}</metadata>\n",
        elements.len(),
        elements.concat()
    )
}

/// The entry of primary that stands for `name [sign evr]`, or for a rich dependency.
pub fn entry_element(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let words: Vec<_> = text.split(' ').collect();
    let [name, sign, evr] = words[..] else {
        return format!("      <rpm:entry name=\"{escaped}\"/>\n");
    };
    let flags = match sign {
        "<" => "LT",
        "<=" => "LE",
        "=" => "EQ",
        ">=" => "GE",
        ">" => "GT",
        _ => return format!("      <rpm:entry name=\"{escaped}\"/>\n"),
    };
    let (epoch, rest) = evr.split_once(':').unwrap_or(("0", evr));
    let (version, release) = rest.split_once('-').unwrap_or((rest, ""));
    let release = match release {
        "" => String::new(),
        release => format!(" rel=\"{release}\""),
    };
    format!(
        "      <rpm:entry name=\"{name}\" flags=\"{flags}\" epoch=\"{epoch}\" ver=\"{version}\"{release}/>\n"
    )
}

fn rich(group: &[Relation<'_>]) -> String {
    let entries: Vec<_> = group.iter().map(entry).collect();
    match &entries[..] {
        [one] => one.clone(),
        many => format!("({})", many.join(" or ")),
    }
}

fn entry(relation: &Relation<'_>) -> String {
    let Some((operator, version)) = relation.bound else {
        return relation.name.to_owned();
    };
    let sign = match operator {
        Operator::Earlier => "<",
        Operator::EarlierOrEqual => "<=",
        Operator::Equal => "=",
        Operator::LaterOrEqual => ">=",
        Operator::Later => ">",
    };
    let (epoch, version, release) = evr(version);
    format!("{} {sign} {epoch}:{version}-{release}", relation.name)
}

// An upstream version may have hyphens, an rpm's may not; where there is no
// revision, which counts as 0 for dpkg, the release is 0.
fn evr(version: DebVersion<'_>) -> (String, String, String) {
    let text = version.as_str();
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    (
        epoch.to_owned(),
        upstream.replace(['-', ':'], "."),
        revision.to_owned(),
    )
}
