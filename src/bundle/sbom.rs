//! The bill of materials: CycloneDX 1.5 in JSON, from the packages and plain
//! files of a bundle.
//!
//! Pure and repeatable: the serial number, which the format wants to be a
//! UUID, is derived from the list itself (RFC 9562, version 8), the timestamp
//! is the lock's date.

use serde::Serialize;

use super::manifest::{ByDigest, Family, OsRelease, PackageEntry};
use super::seal::canonical;
use crate::base::{Epoch, Sha256};

/// What the bill is about.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Its name (`three-node-etcd`).
    pub name: &'a str,
    /// Its version: the generation, or the program's own.
    pub version: &'a str,
    /// The lock's date.
    pub date: Epoch,
    /// How its packages are described.
    pub family: Family,
    /// The operating system they are for.
    pub os: &'a OsRelease,
}

/// A plain file on the bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainEntry {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub sha256: Sha256,
}

/// A Python wheel on the bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WheelEntry {
    /// Its project's normalised name.
    pub project: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub sha256: Sha256,
}

/// What a bundle carries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carried<'a> {
    /// Packages of the host's family.
    pub packages: &'a [PackageEntry],
    /// Python wheels.
    pub wheels: &'a [WheelEntry],
    /// Plain files.
    pub files: &'a [PlainEntry],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom<'a> {
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata<'a>,
    components: Vec<Component>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    timestamp: Epoch,
    tools: Tools,
    component: About<'a>,
}

#[derive(Serialize)]
struct Tools {
    components: [About<'static>; 1],
}

#[derive(Serialize)]
struct About<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: String,
    version: String,
    hashes: [Hash; 1],
    purl: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
}

/// A name of our own with its value (CycloneDX, "properties").
#[derive(Serialize)]
struct Property {
    name: &'static str,
    value: &'static str,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: Sha256,
}

/// Writes the bill, its components sorted, in canonical JSON.
pub fn write(subject: &Subject<'_>, carried: Carried<'_>) -> Vec<u8> {
    let packages = carried.packages.iter();
    let packages = packages.map(|package| of_package(subject, package));
    let wheels = carried.wheels.iter().map(of_wheel);
    let files = carried.files.iter().map(of_file);
    let mut components: Vec<_> = packages.chain(wheels).chain(files).collect();
    components.sort_by(|a, b| a.reference.cmp(&b.reference));
    canonical(&Bom {
        bom_format: "CycloneDX",
        spec_version: "1.5",
        serial_number: serial_number(subject, &components),
        version: 1,
        metadata: metadata(subject),
        components,
    })
}

fn metadata<'a>(subject: &Subject<'a>) -> Metadata<'a> {
    Metadata {
        timestamp: subject.date,
        tools: Tools {
            components: [About {
                kind: "application",
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
            }],
        },
        component: About {
            kind: "application",
            name: subject.name,
            version: subject.version,
        },
    }
}

fn of_package(subject: &Subject<'_>, package: &PackageEntry) -> Component {
    let purl = package_url(subject, package);
    Component {
        kind: "library",
        // The digest makes it unique even where two files claim one version.
        reference: format!("{purl}#{}", package.sha256),
        name: package.name.clone(),
        version: package.version.clone(),
        hashes: [hash(package.sha256)],
        purl,
        properties: package.by_digest.map(by_digest).into_iter().collect(),
    }
}

/// purl-spec, type `pypi`: its names are normalised already.
fn of_wheel(wheel: &WheelEntry) -> Component {
    let (name, version) = (encode(&wheel.project), encode(&wheel.version));
    let purl = format!("pkg:pypi/{name}@{version}");
    Component {
        kind: "library",
        reference: format!("{purl}#{}", wheel.sha256),
        name: wheel.project.clone(),
        version: wheel.version.clone(),
        hashes: [hash(wheel.sha256)],
        purl,
        properties: Vec::new(),
    }
}

fn of_file(file: &PlainEntry) -> Component {
    let purl = format!(
        "pkg:generic/{}@{}?checksum=sha256:{}",
        encode(&file.name),
        encode(&file.version),
        file.sha256
    );
    Component {
        kind: "file",
        reference: purl.clone(),
        name: file.name.clone(),
        version: file.version.clone(),
        hashes: [hash(file.sha256)],
        purl,
        properties: Vec::new(),
    }
}

fn by_digest(why: ByDigest) -> Property {
    Property {
        name: "pgbundle:by-digest",
        value: why.as_str(),
    }
}

fn hash(content: Sha256) -> Hash {
    Hash {
        alg: "SHA-256",
        content,
    }
}

/// The package's URL (purl-spec, types `deb` and `rpm`). An rpm's epoch is a
/// qualifier there and no part of the version.
fn package_url(subject: &Subject<'_>, package: &PackageEntry) -> String {
    let distro = format!("{}-{}", subject.os.id, subject.os.version);
    let (kind, version, epoch) = match (subject.family, package.version.split_once(':')) {
        (Family::Deb, _) => ("deb", package.version.as_str(), String::new()),
        (Family::Rpm, Some((epoch, rest))) => ("rpm", rest, format!("&epoch={epoch}")),
        (Family::Rpm, None) => ("rpm", package.version.as_str(), String::new()),
    };
    format!(
        "pkg:{kind}/{}/{}@{}?arch={}&distro={distro}{epoch}",
        encode(&subject.os.id),
        encode(&package.name),
        encode(version),
        encode(&package.architecture),
    )
}

/// Percent-encodes all but what purl-spec leaves as it is; the colon is left, too.
fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:".contains(&b);
    let encoded = text.bytes().map(|b| match plain(b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    });
    encoded.collect()
}

fn serial_number(subject: &Subject<'_>, components: &[Component]) -> String {
    let mut list = format!("{} {} {}\n", subject.name, subject.version, subject.date);
    for component in components {
        list += &format!("{}\n", component.reference);
    }
    let digest = Sha256::of(list.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    format!("urn:uuid:{}", parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> PackageEntry {
        PackageEntry {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            sha256: Sha256::of(name.as_bytes()),
            by_digest: None,
        }
    }

    fn bill(packages: &[PackageEntry]) -> serde_json::Value {
        let os = OsRelease {
            id: "debian".to_owned(),
            version: "12".to_owned(),
            release: None,
        };
        let subject = Subject {
            name: "demo-etcd",
            version: "1",
            date: "2026-11-21T00:00:00Z".parse().unwrap(),
            family: Family::Deb,
            os: &os,
        };
        let files = [PlainEntry {
            name: "tool".to_owned(),
            version: "2.0".to_owned(),
            sha256: Sha256::of(b"tool"),
        }];
        let wheels = [WheelEntry {
            project: "python-etcd".to_owned(),
            version: "0.4.5".to_owned(),
            sha256: Sha256::of(b"wheel"),
        }];
        let carried = Carried {
            packages,
            wheels: &wheels,
            files: &files,
        };
        serde_json::from_slice(&write(&subject, carried)).unwrap()
    }

    #[test]
    fn names_packages_by_url_and_does_not_depend_on_their_order() {
        let (a, b) = (
            package("keepalived", "1:2.2.7-1+b2"),
            package("libstdc++6", "12"),
        );
        let bill_ab = bill(&[a.clone(), b.clone()]);
        assert_eq!(bill_ab, bill(&[b, a.clone()]));
        let purl = "pkg:deb/debian/keepalived@1:2.2.7-1%2Bb2?arch=amd64&distro=debian-12";
        assert_eq!(bill_ab["components"][0]["purl"], purl);
        assert_ne!(bill_ab["serialNumber"], bill(&[a])["serialNumber"]);
        assert!(bill_ab["components"][0].get("properties").is_none());
        let wheel = "pkg:pypi/python-etcd@0.4.5";
        assert_eq!(bill_ab["components"][3]["purl"], wheel);
    }

    #[test]
    fn says_of_a_package_that_only_its_digest_stands_for_it() {
        let given = PackageEntry {
            by_digest: Some(ByDigest::Unsigned),
            ..package("vmware-postgres13", "13.4-1.el7")
        };
        let bill = bill(&[given]);
        let said = &bill["components"][0]["properties"][0];
        assert_eq!(said["name"], "pgbundle:by-digest");
        assert_eq!(said["value"], "unsigned");
    }
}
