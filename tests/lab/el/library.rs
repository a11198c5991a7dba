//! The profile `centos7` as it is used here. Every difference from the one that
//! operators use stands in this file.

use std::fs;
use std::path::Path;

use super::upstream::SOURCES;
use super::wheels;
use crate::command::Failure;

/// What stands in the place of what Debian has not.
pub struct Stand<'a> {
    /// Where the repositories are served.
    pub server: &'a str,
    /// The key that signs them.
    pub fingerprint: &'a str,
    /// The folder of wheels.
    pub wheels: &'a Path,
    /// What the hosts start from.
    pub base_list: &'a Path,
}

/// Writes a library with the profile into `folder`.
pub fn write(folder: &Path, stand: &Stand<'_>) -> Result<(), Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/centos7.toml");
    let mut profile: toml::Table = fs::read_to_string(path)?.parse()?;
    for (id, repository, _) in SOURCES {
        let source = source(&mut profile, id)?;
        let url = format!("{}/{repository}", stand.server);
        // A key of CentOS's, whose other half is not to be had.
        let keys = toml::Value::from(vec![stand.fingerprint]);
        source.insert("keys".into(), keys.clone());
        source.insert("legacy_keys".into(), keys);
        source.insert("mirrors".into(), vec![url].into());
    }
    // Debian has PgBouncer 1.18, which does not know all that 1.23 knows.
    table(&mut profile, &["components", "pgbouncer"])?.insert("dialect".into(), "1.18".into());
    // The hosts have Python 3.11, for which the wheels for 3.6 are none.
    wheels::put(stand.wheels, table(&mut profile, &["python"])?)?;
    let mut base = toml::Table::new();
    base.insert("name".into(), "el-shaped".into());
    base.insert("file".into(), "bases/el-shaped.rpms".into());
    profile.insert("base".into(), vec![toml::Value::Table(base)].into());
    fs::create_dir_all(folder.join("profiles/bases"))?;
    fs::copy(
        stand.base_list,
        folder.join("profiles/bases/el-shaped.rpms"),
    )?;
    fs::write(folder.join("profiles/centos7.toml"), profile.to_string())?;
    Ok(())
}

fn source<'a>(profile: &'a mut toml::Table, id: &str) -> Result<&'a mut toml::Table, Failure> {
    let sources = profile
        .get_mut("source")
        .and_then(toml::Value::as_array_mut);
    let mut tables = sources
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table_mut);
    let found = tables.find(|source| source.get("id").and_then(toml::Value::as_str) == Some(id));
    found.ok_or_else(|| format!("centos7 has no source {id}").into())
}

fn table<'a>(profile: &'a mut toml::Table, path: &[&str]) -> Result<&'a mut toml::Table, Failure> {
    path.iter().try_fold(profile, |table, key| {
        let inner = table.get_mut(*key).and_then(toml::Value::as_table_mut);
        inner.ok_or_else(|| format!("centos7 has no {key}").into())
    })
}
