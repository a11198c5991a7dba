//! The lock as text: one canonical TOML, read back with the same checks.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::given::SOURCE;
use super::request::{digest, given_sentence, is_of_a_wheel, wheel_sentence};
use super::{Lock, LockedFile, LockedIndex, LockedKey, LockedPackage, LockedWheel, keys};
use crate::base::Role;
use crate::bundle::manifest::Family;
use crate::document::Fault;
use crate::plan::GivenFile;
use crate::repo::deb::deb822::stanzas;
use crate::repo::rpm::package::{Archive, Package};
use crate::repo::rpm::stanza;

const HEADER: &str = "\
# Made by `pgbundle lock`: the exact files that this cluster is built from.
# It belongs beside the spec, into version control. Do not edit it.
";

/// A lock's text cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockTextError {
    /// Not TOML, or not a lock.
    #[error("this is no lock: {}", .0.message())]
    Toml(#[from] toml::de::Error),
    /// Rows out of order or twice.
    #[error("the {what} are not sorted, or one stands there twice, at `{at}`")]
    Order {
        /// Which rows.
        what: &'static str,
        /// The row at which it shows.
        at: String,
    },
    /// A package's row and its stanza are of two files.
    #[error("the package `{name}` and the `{field}` of its stanza contradict each other")]
    Stanza {
        /// The package.
        name: String,
        /// The stanza's field.
        field: &'static str,
    },
    /// A certificate is not the one that its row names.
    #[error("the key `{0}` has another's certificate, or none")]
    Key(String),
    /// The wheels are not those that were asked for.
    #[error("the Python wheels are not those that `asked` names, or not in that order")]
    Wheels,
    /// A given package is none of those that were asked for.
    #[error("the package `{0}` is none of the vendor's files that `asked` names")]
    Given(String),
    /// The digest of what was asked does not match.
    #[error("`request` is not the digest of `asked`")]
    Request,
}

impl LockTextError {
    /// What is wrong with `text`, where, and what to do.
    pub fn fault(&self, text: &str) -> Fault {
        let first = |words: &str| text.find(words).map(|at| at..at + words.len());
        let last = |words: &str| text.rfind(words).map(|at| at..at + words.len());
        let span = match self {
            Self::Toml(error) => error.span(),
            Self::Order { at, .. } => last(&basic(at)),
            Self::Stanza { name, .. } => first(&format!("name = {}", basic(name))),
            Self::Key(fingerprint) => first(&format!("fingerprint = {}", basic(fingerprint))),
            Self::Given(name) => first(&format!("name = {}", basic(name))),
            Self::Wheels => first("[[wheel]]"),
            Self::Request => first("request = "),
        };
        Fault {
            message: self.to_string(),
            span: span.filter(|span| !span.is_empty()),
            label: String::new(),
            hint: Some(
                "it was edited or merged by hand, or is another version's: `pgbundle lock` makes it again"
                    .to_owned(),
            ),
        }
    }
}

/// Reads a lock and checks what [`write`] keeps.
pub fn read(text: &str) -> Result<Lock, LockTextError> {
    let lock: Lock = toml::from_str(text)?;
    sorted("sentences of `asked`", &lock.asked, String::clone, |row| {
        row
    })?;
    if digest(&lock.asked) != lock.request {
        return Err(LockTextError::Request);
    }
    unique(&lock.indexes)?;
    sorted(
        "keys",
        &lock.keys,
        |row| row.fingerprint.clone(),
        |row| &row.fingerprint,
    )?;
    if let Some(row) = lock.keys.iter().find(|row| !keys::is_whole(row)) {
        return Err(LockTextError::Key(row.fingerprint.clone()));
    }
    let order = |row: &LockedPackage| {
        let (name, version) = (row.name.clone(), row.version.clone());
        (row.family, name, version, row.architecture.clone())
    };
    sorted("packages", &lock.packages, order, |row| &row.name)?;
    sorted(
        "files",
        &lock.files,
        |row| row.name.clone(),
        |row| &row.name,
    )?;
    for row in &lock.packages {
        sorted("roles", &row.roles, |role| *role, |_| &row.name)?;
        let differs = match row.family {
            Family::Deb => deb_difference(row),
            Family::Rpm => rpm_difference(row),
        };
        if let Some(field) = differs {
            let name = row.name.clone();
            return Err(LockTextError::Stanza { name, field });
        }
    }
    for row in lock.packages.iter().filter(|row| row.source == SOURCE) {
        let file = GivenFile {
            name: row.path.clone(),
            size: row.size,
            sha256: row.sha256,
        };
        if !lock.asked.contains(&given_sentence(&file)) {
            return Err(LockTextError::Given(row.name.clone()));
        }
    }
    for row in &lock.files {
        sorted("roles", &row.roles, |role| *role, |_| &row.name)?;
    }
    let rows = lock.wheels.iter().map(wheel_sentence);
    if !rows.eq(lock
        .asked
        .iter()
        .filter(|line| is_of_a_wheel(line))
        .cloned())
    {
        return Err(LockTextError::Wheels);
    }
    Ok(lock)
}

// Hosts go by the stanza, the store by the row: both must be of one file.
// These say in which field they differ.

fn deb_difference(row: &LockedPackage) -> Option<&'static str> {
    let stanza = stanzas(&row.stanza).next();
    let same = [
        ("Package", row.name.clone()),
        ("Version", row.version.clone()),
        ("Architecture", row.architecture.clone()),
        ("Filename", in_pool(row)),
        ("Size", row.size.to_string()),
        ("SHA256", row.sha256.to_string()),
    ];
    let differs = |(field, value): &(&'static str, String)| {
        stanza.and_then(|stanza| stanza.field(field)) != Some(value)
    };
    same.iter()
        .find(|pair| differs(pair))
        .map(|(field, _)| *field)
}

fn rpm_difference(row: &LockedPackage) -> Option<&'static str> {
    let difference = |package: &Package<'_>| {
        let archive = package.archive.as_ref();
        let is = |same: fn(&Archive<'_>, &LockedPackage) -> bool| {
            archive.is_some_and(|archive| same(archive, row))
        };
        let same = [
            ("name", package.name == row.name),
            ("version", package.evr.to_string() == row.version),
            ("arch", package.arch == row.architecture),
            ("location", is(|a, row| a.location.as_str() == in_pool(row))),
            ("size", is(|a, row| a.size == row.size)),
            ("checksum", is(|a, row| a.sha256 == row.sha256)),
        ];
        let differs = same.into_iter().find(|(_, is_same)| !is_same);
        differs.map(|(field, _)| field)
    };
    match stanza::read(&row.stanza, difference) {
        Ok(Some(differs)) => differs,
        Ok(None) | Err(_) => Some("package"),
    }
}

fn in_pool(row: &LockedPackage) -> String {
    let file = row.path.rsplit('/').next().unwrap_or(&row.path);
    format!("pool/{file}")
}

fn sorted<'t, T, K: Ord>(
    what: &'static str,
    rows: &'t [T],
    key: impl Fn(&T) -> K,
    name: impl Fn(&'t T) -> &'t String,
) -> Result<(), LockTextError> {
    match rows.windows(2).find(|pair| key(&pair[0]) >= key(&pair[1])) {
        Some(pair) => Err(LockTextError::Order {
            what,
            at: name(&pair[1]).clone(),
        }),
        None => Ok(()),
    }
}

// Indexes keep the order of the profile's sources.
fn unique(rows: &[LockedIndex]) -> Result<(), LockTextError> {
    let mut seen = BTreeSet::new();
    match rows
        .iter()
        .find(|row| !seen.insert((&row.source, &row.path)))
    {
        Some(row) => Err(LockTextError::Order {
            what: "indexes",
            at: row.path.clone(),
        }),
        None => Ok(()),
    }
}

/// Writes a lock; the same lock gives the same text.
pub fn write(lock: &Lock) -> String {
    let mut out = Text(HEADER.to_owned());
    out.line("version", "1");
    out.text("profile", &lock.profile);
    out.text("architecture", lock.architecture.as_str());
    out.text("date", &lock.date.to_string());
    out.text("request", &lock.request.to_string());
    out.list("asked", lock.asked.iter());
    lock.indexes.iter().for_each(|row| out.index(row));
    lock.keys.iter().for_each(|row| out.key(row));
    lock.packages.iter().for_each(|row| out.package(row));
    lock.wheels.iter().for_each(|row| out.wheel(row));
    lock.files.iter().for_each(|row| out.file(row));
    out.0
}

struct Text(String);

impl Text {
    fn line(&mut self, key: &str, value: &str) {
        writeln!(self.0, "{key} = {value}").expect("a String takes all that is written");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.line(key, &basic(value));
    }

    fn number(&mut self, key: &str, value: u64) {
        self.line(key, &value.to_string());
    }

    fn list<'v>(&mut self, key: &str, values: impl Iterator<Item = &'v String>) {
        let rows: String = values
            .map(|value| format!("    {},\n", basic(value)))
            .collect();
        self.line(key, &format!("[\n{rows}]"));
    }

    fn roles(&mut self, roles: &[Role]) {
        let names: Vec<_> = roles.iter().map(|role| basic(role.as_str())).collect();
        self.line("roles", &format!("[{}]", names.join(", ")));
    }

    fn table(&mut self, name: &str) {
        self.0.push_str(&format!("\n[[{name}]]\n"));
    }

    fn index(&mut self, row: &LockedIndex) {
        self.table("index");
        self.text("source", &row.source);
        self.text("path", &row.path);
        self.number("size", row.size);
        self.text("sha256", &row.sha256.to_string());
        if let Some(key) = &row.key {
            self.text("key", key);
        }
    }

    fn key(&mut self, row: &LockedKey) {
        self.table("key");
        self.text("fingerprint", &row.fingerprint);
        self.line("certificate", &literal(&row.certificate));
    }

    fn package(&mut self, row: &LockedPackage) {
        self.table("package");
        self.text("family", family(row.family));
        self.text("name", &row.name);
        self.text("version", &row.version);
        self.text("architecture", &row.architecture);
        self.text("source", &row.source);
        self.text("path", &row.path);
        self.number("size", row.size);
        self.text("sha256", &row.sha256.to_string());
        self.number("installed_size", row.installed_size);
        if let Some(why) = row.by_digest {
            self.text("by_digest", why.as_str());
        }
        self.roles(&row.roles);
        self.line("stanza", &literal(&row.stanza));
    }

    fn wheel(&mut self, row: &LockedWheel) {
        self.table("wheel");
        self.text("file", row.file.as_str());
        self.number("size", row.size);
        self.text("sha256", &row.sha256.to_string());
        if let Some(sdist) = row.sdist {
            self.text("sdist", &sdist.to_string());
        }
        self.roles(&row.roles);
    }

    fn file(&mut self, row: &LockedFile) {
        self.table("file");
        self.text("name", &row.name);
        self.text("version", &row.version);
        self.text("path", &row.path);
        self.number("size", row.size);
        self.text("sha256", &row.sha256.to_string());
        self.roles(&row.roles);
    }
}

// TOML's literal strings know no escapes: text that would need one is written as a basic string.
fn literal(text: &str) -> String {
    let plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
    if text.contains("'''") || text.ends_with('\'') || !text.chars().all(plain) {
        return basic(text);
    }
    format!("'''\n{text}'''")
}

fn basic(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Deb => "deb",
        Family::Rpm => "rpm",
    }
}
