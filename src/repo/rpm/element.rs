//! A package's element of primary, out of the package itself: what
//! createrepo_c(8) would write of it, for packages that no repository lists.

use std::collections::BTreeSet;
use std::fmt::Write;

use quick_xml::escape::escape;

use super::base_list::is_primary;
use super::file::{NotAPackage, PackageFile, tag};
use super::header::{Header, Tag};
use crate::base::Sha256;

/// What is known of a package's file from without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside<'o> {
    /// Its name.
    pub name: &'o str,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

// `rpmsenseFlags`.
const LESS: u64 = 1 << 1;
const GREATER: u64 = 1 << 2;
const EQUAL: u64 = 1 << 3;
/// `RPMSENSE_PREREQ`, `RPMSENSE_SCRIPT_PRE`, `RPMSENSE_SCRIPT_POST`: needed before it is there.
const BEFORE: u64 = 1 << 6 | 1 << 9 | 1 << 10;

/// `RPMFILE_GHOST`: it is the package's, and not in it.
const GHOST: u64 = 1 << 6;

/// The file type in a mode (inode(7)), and a folder's.
const KIND: u64 = 0o170_000;
const FOLDER: u64 = 0o040_000;

/// Writes the element. What `untrue` names is neither among what the package
/// provides nor, because it has that for itself, among what it needs.
pub fn write(
    package: &PackageFile,
    outside: &Outside<'_>,
    untrue: &[String],
) -> Result<String, NotAPackage> {
    let id = package.identity()?;
    let header = &package.header;
    let mut out = Writing(String::new());
    out.line("<package type=\"rpm\">");
    out.text("name", &id.name);
    out.text("arch", &id.architecture);
    out.line(format_args!(
        "<version epoch=\"{}\" ver=\"{}\" rel=\"{}\"/>",
        id.epoch,
        plain(&id.version),
        plain(&id.release)
    ));
    out.line(format_args!(
        "<checksum type=\"sha256\" pkgid=\"YES\">{}</checksum>",
        outside.sha256
    ));
    let texts = [
        ("summary", tag::SUMMARY),
        ("description", tag::DESCRIPTION),
        ("packager", tag::PACKAGER),
        ("url", tag::URL),
    ];
    for (name, tag) in texts {
        out.text(name, &lossy(header, tag));
    }
    let built = header.numbers(tag::BUILD_TIME).next().unwrap_or(0);
    out.line(format_args!("<time file=\"{built}\" build=\"{built}\"/>"));
    let long = header.numbers(tag::LONG_SIZE).next();
    let installed = long.or_else(|| header.numbers(tag::SIZE).next());
    out.line(format_args!(
        "<size package=\"{}\" installed=\"{}\" archive=\"0\"/>",
        outside.size,
        installed.unwrap_or(0)
    ));
    out.line(format_args!("<location href=\"{}\"/>", plain(outside.name)));
    out.line("<format>");
    let texts = [
        ("rpm:license", tag::LICENSE),
        ("rpm:vendor", tag::VENDOR),
        ("rpm:group", tag::GROUP),
        ("rpm:buildhost", tag::BUILD_HOST),
        ("rpm:sourcerpm", tag::SOURCE_RPM),
    ];
    for (name, tag) in texts {
        out.text(name, &lossy(header, tag));
    }
    let range = package.header_range();
    out.line(format_args!(
        "<rpm:header-range start=\"{}\" end=\"{}\"/>",
        range.start, range.end
    ));
    let files = files(package);
    let provides = relations(header, tag::PROVIDES);
    let is_met_by_itself = |one: &Relation| {
        one.name.starts_with("rpmlib(")
            || files.iter().any(|(file, _)| *file == one.name)
            || provides.iter().any(|own| own.is_same(one))
    };
    let requires = relations(header, tag::REQUIRES).into_iter();
    let requires = requires.filter(|one| !is_met_by_itself(one)).collect();
    let is_true = |one: &Relation| !untrue.contains(&one.name);
    for (name, all) in [
        ("provides", provides.clone()),
        ("requires", requires),
        ("conflicts", relations(header, tag::CONFLICTS)),
        ("obsoletes", relations(header, tag::OBSOLETES)),
    ] {
        out.relations(name, all.into_iter().filter(is_true));
    }
    for (file, kind) in files {
        out.line(format_args!("<file{kind}>{}</file>", plain(&file)));
    }
    out.line("</format>");
    out.0.push_str("</package>");
    Ok(out.0)
}

/// What a header says it provides or needs, in order and each once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Relation {
    name: String,
    flags: u64,
    version: String,
}

impl Relation {
    fn sense(&self) -> u64 {
        self.flags & (LESS | GREATER | EQUAL)
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.name, self.sense(), &self.version) == (&other.name, other.sense(), &other.version)
    }
}

fn relations(header: &Header, [names, flags, versions]: [Tag; 3]) -> Vec<Relation> {
    let flags = header.numbers(flags).chain(std::iter::repeat(0));
    let versions = header.texts(versions).chain(std::iter::repeat(&b""[..]));
    let names = header.texts(names);
    let all = names.zip(flags).zip(versions);
    let all = all.map(|((name, flags), version)| Relation {
        name: String::from_utf8_lossy(name).into_owned(),
        flags: flags & (LESS | GREATER | EQUAL | BEFORE),
        version: String::from_utf8_lossy(version).into_owned(),
    });
    let distinct: BTreeSet<_> = all.collect();
    distinct.into_iter().collect()
}

/// The files that primary names, each with what its kind adds to the tag.
fn files(package: &PackageFile) -> Vec<(String, &'static str)> {
    let header = &package.header;
    let modes = header.numbers(tag::FILE_MODES).chain(std::iter::repeat(0));
    let flags = header.numbers(tag::FILE_FLAGS).chain(std::iter::repeat(0));
    let all = package.paths().zip(modes.zip(flags));
    let named = all.filter_map(|(path, (mode, flags))| {
        let path = String::from_utf8(path)
            .ok()
            .filter(|path| is_primary(path))?;
        Some(match (mode & KIND, flags & GHOST) {
            (FOLDER, _) => (path, " type=\"dir\""),
            (_, 0) => (path, ""),
            _ => (path, " type=\"ghost\""),
        })
    });
    named.collect()
}

struct Writing(String);

impl Writing {
    fn line(&mut self, text: impl std::fmt::Display) {
        writeln!(self.0, "{text}").expect("a String takes all that is written");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.line(format_args!("<{name}>{}</{name}>", plain(text)));
    }

    fn relations(&mut self, name: &str, all: impl Iterator<Item = Relation>) {
        let mut all = all.peekable();
        if all.peek().is_none() {
            return;
        }
        self.line(format_args!("<rpm:{name}>"));
        for one in all {
            self.line(format_args!(
                "<rpm:entry name=\"{}\"{}{}/>",
                plain(&one.name),
                range(&one),
                match one.flags & BEFORE {
                    0 => "",
                    _ => " pre=\"1\"",
                }
            ));
        }
        self.line(format_args!("</rpm:{name}>"));
    }
}

fn range(one: &Relation) -> String {
    let flags = match one.sense() {
        LESS => "LT",
        GREATER => "GT",
        EQUAL => "EQ",
        sense if sense == LESS | EQUAL => "LE",
        sense if sense == GREATER | EQUAL => "GE",
        _ => return String::new(),
    };
    let (epoch, rest) = match one.version.split_once(':') {
        Some((epoch, rest)) => (epoch, rest),
        None => ("0", one.version.as_str()),
    };
    let (version, release) = match rest.rsplit_once('-') {
        Some((version, release)) => (version, format!(" rel=\"{}\"", plain(release))),
        None => (rest, String::new()),
    };
    format!(
        " flags=\"{flags}\" epoch=\"{}\" ver=\"{}\"{release}",
        plain(epoch),
        plain(version)
    )
}

fn lossy(header: &Header, tag: Tag) -> String {
    let text = header.texts(tag).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Escaped, and without what no XML may hold (XML 1.0, "Characters").
fn plain(text: &str) -> String {
    let is_allowed = |c: &char| match c {
        '\t' | '\n' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => !c.is_control(),
    };
    let allowed: String = text.chars().filter(is_allowed).collect();
    escape(&allowed).into_owned()
}
