//! A small rpm-md repository, for tests: packages and the metadata that
//! upstream would make of them. The tests of the whole program include this
//! file too, beside `writing.rs`.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::SystemTime;

use flate2::Compression;
use flate2::write::GzEncoder;
use sequoia_openpgp::Cert;
use sha2::{Digest, Sha256};

use super::rpm_writing::{Package, Signing, detached};

/// How a repository is signed.
#[derive(Clone, Copy)]
pub struct Publisher<'k> {
    /// By which key.
    pub key: &'k Cert,
    /// When its packages and its index were.
    pub at: SystemTime,
    /// How its packages are; none where they are not.
    pub packages: Option<Signing>,
    /// Whether its index is.
    pub index: bool,
    /// Its `modules.yaml`, where it has modules.
    pub modules: Option<&'k str>,
}

/// The files of a repository by their path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// When a repository was made, in seconds since 1970: 2026-01-05T02:11:10Z.
pub const REVISION: u64 = 1_767_579_070;

impl Publisher<'_> {
    /// All files of a repository of these packages.
    pub fn publish(&self, packages: &[Package<'_>]) -> Files {
        self.publish_with(packages, |file| file)
    }

    /// The same, with what `altered` makes of each package's file in its place.
    pub fn publish_with(
        &self,
        packages: &[Package<'_>],
        altered: impl Fn(Vec<u8>) -> Vec<u8>,
    ) -> Files {
        let mut files = Files::new();
        let (mut primary, mut lists) = (String::new(), String::new());
        for package in packages {
            let file = match self.packages {
                Some(how) => package.signed(self.key, self.at, how),
                None => package.unsigned(),
            };
            let file = altered(file);
            let path = format!("Packages/{}/{}", &package.name[..1], package.file_name());
            primary.push_str(&element(package, &path, &file));
            lists.push_str(&list(package, &file));
            files.insert(path, file);
        }
        let mut parts = vec![
            ("primary", "xml", document("metadata", "common", &primary)),
            (
                "filelists",
                "xml",
                document("filelists", "filelists", &lists),
            ),
        ];
        let modules = self
            .modules
            .map(|text| ("modules", "yaml", text.to_owned()));
        parts.extend(modules);
        self.index_of(&parts, &mut files);
        files
    }

    // Adds the parts of an index, and the index that names them.
    fn index_of(&self, parts: &[(&str, &str, String)], files: &mut Files) {
        let mut data = String::new();
        for (kind, suffix, text) in parts {
            let packed = gzip(text.as_bytes());
            let path = format!("repodata/{}-{kind}.{suffix}.gz", digest(&packed));
            data.push_str(&format!(
                "<data type=\"{kind}\">\n<checksum type=\"sha256\">{}</checksum>\n\
                 <open-checksum type=\"sha256\">{}</open-checksum>\n<location href=\"{path}\"/>\n\
                 <timestamp>{REVISION}</timestamp>\n<size>{}</size>\n<open-size>{}</open-size>\n</data>\n",
                digest(&packed),
                digest(text.as_bytes()),
                packed.len(),
                text.len(),
            ));
            files.insert(path, packed);
        }
        let repomd = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n\
             <revision>{REVISION}</revision>\n{data}</repomd>\n"
        );
        if self.index {
            let signature = detached(repomd.as_bytes(), self.key, self.at);
            files.insert("repodata/repomd.xml.asc".to_owned(), signature);
        }
        files.insert("repodata/repomd.xml".to_owned(), repomd.into_bytes());
    }
}

fn document(root: &str, name: &str, inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <{root} xmlns=\"http://linux.duke.edu/metadata/{name}\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"1\">\n{inside}</{root}>\n"
    )
}

/// A package's element of primary.
fn element(package: &Package<'_>, path: &str, file: &[u8]) -> String {
    let Package {
        name,
        version,
        release,
        architecture,
        ..
    } = package;
    let epoch = package.epoch.unwrap_or(0);
    let mut provides = package.provides.clone();
    let own = format!("{epoch}:{version}-{release}");
    provides.push((name, 8, &own));
    let often = package.files.iter().map(|(path, _)| path);
    let often: String = often
        .filter(|path| path.starts_with("/etc/") || path.contains("bin/"))
        .map(|path| format!("    <file>{path}</file>\n"))
        .collect();
    format!(
        "<package type=\"rpm\">\n  <name>{name}</name>\n  <arch>{architecture}</arch>\n  \
         <version epoch=\"{epoch}\" ver=\"{version}\" rel=\"{release}\"/>\n  \
         <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum>\n  \
         <summary>A package of a test</summary>\n  <description>It holds little</description>\n  \
         <packager></packager>\n  <url></url>\n  <time file=\"{REVISION}\" build=\"{REVISION}\"/>\n  \
         <size package=\"{}\" installed=\"4096\" archive=\"512\"/>\n  <location href=\"{path}\"/>\n  \
         <format>\n    <rpm:license>Apache-2.0</rpm:license>\n    <rpm:vendor></rpm:vendor>\n    \
         <rpm:provides>\n{}    </rpm:provides>\n    <rpm:requires>\n{}    </rpm:requires>\n{often}  \
         </format>\n</package>\n",
        digest(file),
        file.len(),
        entries(&provides),
        entries(&package.requires),
    )
}

fn entries(all: &[(&str, u32, &str)]) -> String {
    let entry = |(name, flags, version): &(&str, u32, &str)| {
        let flags = match flags {
            8 => "EQ",
            12 => "GE",
            _ => return format!("      <rpm:entry name=\"{name}\"/>\n"),
        };
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (version, release) = rest.split_once('-').unwrap_or((rest, ""));
        let release = match release {
            "" => String::new(),
            release => format!(" rel=\"{release}\""),
        };
        format!(
            "      <rpm:entry name=\"{name}\" flags=\"{flags}\" epoch=\"{epoch}\" ver=\"{version}\"{release}/>\n"
        )
    };
    all.iter().map(entry).collect()
}

/// A package's element of filelists.
fn list(package: &Package<'_>, file: &[u8]) -> String {
    let files = package.files.iter();
    let files: String = files
        .map(|(path, _)| format!("  <file>{path}</file>\n"))
        .collect();
    format!(
        "<package pkgid=\"{}\" name=\"{}\" arch=\"{}\">\n  \
         <version epoch=\"{}\" ver=\"{}\" rel=\"{}\"/>\n{files}</package>\n",
        digest(file),
        package.name,
        package.architecture,
        package.epoch.unwrap_or(0),
        package.version,
        package.release,
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).expect("memory");
    packed.finish().expect("memory")
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
