//! Whatever can be written reads back as it was, and no path leads out of its
//! folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::process::Command;

use pgbundle::archive::iso;
use pgbundle::base::{BundlePath, Epoch, NodePath, Role, SchemaVersion, Sha256};
use pgbundle::bundle::manifest::{Family, Layer, Manifest, ManifestFile, OsRelease, PackageEntry};
use pgbundle::bundle::seal::canonical;
use pgbundle::lock::request::{digest, wheel_sentence};
use pgbundle::lock::{Lock, LockedFile, LockedIndex, LockedPackage, LockedWheel, text};
use pgbundle::render::patroni::yaml;
use pgbundle::repo::deb::deb822::stanzas;
use pgbundle::repo::deb::relation::parse;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::lock::say;

fn any_digest() -> impl Strategy<Value = Sha256> {
    any::<[u8; 8]>().prop_map(|bytes| Sha256::of(&bytes))
}

fn any_date() -> impl Strategy<Value = Epoch> {
    (0i64..4_000_000_000).prop_map(|seconds| Epoch::from_seconds(seconds).unwrap())
}

fn any_roles() -> impl Strategy<Value = Vec<Role>> {
    proptest::sample::subsequence(Role::ALL.to_vec(), 0..=Role::ALL.len())
}

/// Whole numbers as TOML has them.
fn any_size() -> impl Strategy<Value = u64> {
    0..=i64::MAX as u64
}

/// A package's row, its stanza of the same file and with any text in it.
fn any_package() -> impl Strategy<Value = LockedPackage> {
    let names = (
        "[a-z0-9+.-]{1,8}",
        "[0-9][0-9a-z.+~:-]{0,8}",
        "[a-z]{1,5}",
        "[a-z~+/%]{0,9}[a-z.]",
    );
    let rest = (
        any_size(),
        any_size(),
        any_digest(),
        any_roles(),
        any::<String>(),
        "\\PC*",
    );
    (names, rest).prop_map(|((name, version, architecture, path), rest)| {
        let (size, installed_size, sha256, roles, source, description) = rest;
        let file = path.rsplit('/').next().unwrap();
        let stanza = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n\
             Filename: pool/{file}\nSize: {size}\nSHA256: {sha256}\nDescription: {description}\n"
        );
        let family = Family::Deb;
        LockedPackage {
            family,
            name,
            version,
            architecture,
            source,
            path,
            size,
            sha256,
            installed_size,
            by_digest: None,
            roles,
            stanza,
        }
    })
}

fn any_index() -> impl Strategy<Value = LockedIndex> {
    let key = proptest::option::of(any::<String>());
    let all = (
        any::<String>(),
        any::<String>(),
        any_size(),
        any_digest(),
        key,
    );
    all.prop_map(|(source, path, size, sha256, key)| LockedIndex {
        source,
        path,
        size,
        sha256,
        key,
    })
}

fn any_file() -> impl Strategy<Value = LockedFile> {
    let texts = (any::<String>(), any::<String>(), any::<String>());
    let all = (texts, any_size(), any_digest(), any_roles());
    all.prop_map(|((name, version, path), size, sha256, roles)| LockedFile {
        name,
        version,
        path,
        size,
        sha256,
        roles,
    })
}

fn any_lock() -> impl Strategy<Value = Lock> {
    let rows = (
        vec(any_index(), 0..3),
        vec(any_package(), 0..4),
        vec(any_file(), 0..3),
    );
    let all = (
        any::<String>(),
        any_date(),
        btree_set(any::<String>(), 0..4),
        vec(any_wheel(), 0..3),
        rows,
    );
    all.prop_map(
        |(profile, date, asked, mut wheels, (mut indexes, mut packages, mut files))| {
            let mut asked: Vec<_> = asked.into_iter().collect();
            wheels.sort_by_key(wheel_sentence);
            wheels.dedup();
            asked.extend(wheels.iter().map(wheel_sentence));
            asked.sort();
            let mut seen = BTreeSet::new();
            indexes.retain(|row| seen.insert(format!("{} {}", row.source, row.path)));
            packages.sort_by_key(|row| (row.family, row.name.clone(), row.version.clone()));
            packages.dedup_by_key(|row| (row.family, row.name.clone(), row.version.clone()));
            files.sort_by_key(|row| row.name.clone());
            files.dedup_by_key(|row| row.name.clone());
            Lock {
                version: SchemaVersion,
                profile,
                architecture: "amd64".parse().unwrap(),
                date,
                request: digest(&asked),
                asked,
                indexes,
                keys: Vec::new(),
                packages,
                wheels,
                files,
            }
        },
    )
}

fn any_wheel() -> impl Strategy<Value = LockedWheel> {
    let sdist = proptest::option::of(any_digest());
    let parts = (
        "[a-zA-Z_]{1,6}-[0-9.a-z]{1,6}",
        any_size(),
        any_digest(),
        sdist,
    );
    parts.prop_map(|(name, size, sha256, sdist)| LockedWheel {
        file: format!("{name}-py3-none-any.whl").parse().unwrap(),
        size,
        sha256,
        sdist,
        roles: vec![Role::Postgres],
    })
}

fn any_layer() -> impl Strategy<Value = Layer> {
    let paths = btree_map(
        "[a-z]{1,5}(/[^/\\x00-\\x1f\\x7f.]{1,9}){0,3}",
        (any::<u64>(), any_digest()),
        0..4,
    );
    paths.prop_map(|files| {
        let parsed = files.into_iter().filter_map(|(path, (size, sha256))| {
            Some(ManifestFile {
                path: path.parse().ok()?,
                size,
                sha256,
            })
        });
        Layer::seal(parsed).unwrap()
    })
}

fn any_manifest() -> impl Strategy<Value = Manifest> {
    let texts = (
        any::<String>(),
        any::<String>(),
        any::<String>(),
        any::<String>(),
    );
    let package = (
        any::<String>(),
        any::<String>(),
        any::<String>(),
        any_digest(),
    );
    let package = package.prop_map(|(name, version, architecture, sha256)| PackageEntry {
        name,
        version,
        architecture,
        sha256,
        by_digest: None,
    });
    let all = (
        texts,
        any::<u64>(),
        any_date(),
        any_layer(),
        any_layer(),
        vec(package, 0..3),
    );
    all.prop_map(
        |(
            (cluster_id, profile, id, version),
            generation,
            date,
            packages,
            cluster_layer,
            package_list,
        )| {
            Manifest {
                format: SchemaVersion,
                cluster: "demo".parse().unwrap(),
                cluster_id,
                role: Role::Etcd,
                profile,
                architecture: "amd64".parse().unwrap(),
                generation,
                date,
                os: OsRelease {
                    id,
                    version,
                    release: None,
                },
                family: Family::Deb,
                packages,
                cluster_layer,
                package_list,
            }
        },
    )
}

/// Fields of a stanza: values of one line or more, none of them blank.
fn any_fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let value = "[!-9;-~]([ -~]{0,20}[!-~])?(\n [!-~][ -~]{0,9}[!-~]){0,2}";
    vec(("[A-Z][A-Za-z0-9-]{0,9}", value), 1..5)
}

fn any_relation() -> impl Strategy<Value = String> {
    let bound = "(:any|:native|:i386)?( \\((<<|<=|=|>=|>>) ([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z.]{1,3})?\\))?";
    ("[a-z0-9][a-z0-9+.-]{1,9}", bound).prop_map(|(name, bound)| name + &bound)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_lock(lock in any_lock()) {
        let written = text::write(&lock);
        prop_assert_eq!(text::read(&written).map_err(|error| error.to_string()), Ok(lock), "{}", written);
    }

    #[test]
    fn a_manifest(manifest in any_manifest()) {
        let written = canonical(&manifest);
        let again: Manifest = serde_json::from_slice(&written).unwrap();
        prop_assert_eq!(canonical(&again), written);
        prop_assert_eq!(again, manifest);
    }

    #[test]
    fn stanzas_of_an_index(all in vec(any_fields(), 1..4)) {
        let line = |(name, value): &(String, String)| format!("{name}: {value}\n");
        let stanza = |fields: &Vec<_>| fields.iter().map(line).collect::<String>() + "\n";
        let written: String = all.iter().map(stanza).collect();
        let read: Vec<Vec<_>> = stanzas(&written)
            .map(|stanza| stanza.fields().map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
            .collect();
        prop_assert_eq!(read, all);
    }

    #[test]
    fn relations(groups in vec(vec(any_relation(), 1..4), 0..4)) {
        let text: Vec<_> = groups.iter().map(|group| group.join(" | ")).collect();
        let text = text.join(", ");
        let read = parse(&text, "amd64").unwrap();
        let written: Vec<Vec<String>> = read.iter().map(|(_, group)| {
            group.iter().map(|one| {
                let qualifier = one.qualifier.map(|q| format!(":{q}")).unwrap_or_default();
                let bound = one.bound.map(|(_, version)| version.as_str());
                format!("{}{qualifier} {bound:?}", one.name)
            }).collect()
        }).collect();
        let wanted: Vec<Vec<String>> = groups.iter().map(|group| {
            group.iter().map(|one| {
                let (head, bound) = one.split_once(" (").map_or((one.as_str(), None), |(h, b)| (h, Some(b)));
                let bound = bound.map(|b| b.trim_end_matches(')').split_once(' ').unwrap().1);
                format!("{head} {bound:?}")
            }).collect()
        }).collect();
        prop_assert_eq!(written, wanted);
    }

    #[test]
    fn paths_stay_in_their_folder(text in "(/|\\.|\\.\\.|[a-z ]|\\PC|\\n|\\x00){0,8}") {
        let folder = Path::new("/folder");
        let stays = |place: &Path| {
            let rest = place.strip_prefix(folder).expect("below the folder");
            rest.components().next().is_some()
                && rest.components().all(|part| matches!(part, Component::Normal(_)))
        };
        if let Ok(path) = text.parse::<BundlePath>() {
            prop_assert!(stays(&path.under(folder)));
            prop_assert_eq!(path.as_str(), &text);
        }
        if let Ok(path) = text.parse::<NodePath>() {
            prop_assert!(stays(&path.under(folder)));
        }
        let leaves = text.split('/').any(|part| part == "..");
        prop_assert!(!leaves || text.parse::<BundlePath>().is_err());
        prop_assert!(!leaves || text.parse::<NodePath>().is_err());
        prop_assert!(!text.starts_with('/') || text.parse::<BundlePath>().is_err());
    }
}

/// Whether a program is there; where it must be, it is.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    assert!(
        found || std::env::var_os("CI").is_none(),
        "{program} is not installed"
    );
    if !found {
        say(&format!("NOT JUDGED: {program} is not installed"));
    }
    found
}

/// Values of one strategy, fresh at each run.
fn drawn<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::default();
    let mut one = || strategy.new_tree(&mut runner).unwrap().current();
    (0..count).map(|_| one()).collect()
}

#[test]
fn texts_in_yaml_as_patroni_reads_them() {
    if !has("python3") {
        return;
    }
    let mut texts = drawn("\\PC{0,12}", 400);
    texts.extend(drawn("[-+0-9._:eExXon~yY ]{0,8}", 800));
    texts.extend(drawn("[ -~\t\n#'\"]{0,8}", 800));
    let all: BTreeMap<String, String> = texts
        .into_iter()
        .map(|text| (format!("k{text}"), text))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yml");
    std::fs::write(&file, yaml("all.yml", "of a test", &all).unwrap()).unwrap();
    let program = "import sys, json, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8'))))";
    let output = Command::new("python3")
        .args(["-c", program])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let read: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let wanted: BTreeMap<_, _> = all
        .into_iter()
        .map(|(k, v)| (k, serde_json::Value::String(v)))
        .collect();
    let differ: Vec<_> = wanted
        .iter()
        .filter(|(key, text)| read.get(*key) != Some(text))
        .collect();
    assert!(
        differ.is_empty() && read.len() == wanted.len(),
        "{differ:?}"
    );
}

#[test]
fn names_on_an_image() {
    if !has("xorriso") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("seed.iso");
    for names in drawn(
        btree_set(
            "[a-zA-Z0-9+~_-][a-zA-Z0-9+~_.-]{0,50}[a-z](/[a-z0-9.~-]{1,20}[a-z]){0,3}",
            1..12,
        ),
        12,
    ) {
        let files = names.iter().map(|name| iso::IsoFile {
            path: name.parse().unwrap(),
            content: iso::Content::Bytes(name.clone().into_bytes()),
            mode: 0o644,
        });
        let written = iso::write(
            &image,
            iso::LABEL,
            &files.collect::<Vec<_>>(),
            Epoch::from_seconds(0).unwrap(),
        );
        if let Err(refused) = written {
            // Two names, one of them a file and a folder of the other.
            let clash = names
                .iter()
                .any(|a| names.iter().any(|b| b.starts_with(&format!("{a}/"))));
            assert!(clash, "{names:?}: {refused}");
            continue;
        }
        let out = tempfile::tempdir_in(folder.path()).unwrap();
        let output = Command::new("xorriso")
            .args(["-osirrox", "on", "-indev"])
            .arg(&image)
            .args(["-extract", "/"])
            .arg(out.path().join("all"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        for name in &names {
            let read = std::fs::read(out.path().join("all").join(name));
            assert_eq!(
                read.unwrap_or_else(|error| panic!("{name}: {error}")),
                name.as_bytes()
            );
        }
    }
}
