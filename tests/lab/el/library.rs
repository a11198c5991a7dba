//! The profiles `centos7` and `centos7-vmware` as they are used here. Every difference
//! from those that operators use stands in this file.

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

/// Writes a library with the profiles into `folder`.
pub fn write(folder: &Path, stand: &Stand<'_>) -> Result<(), Failure> {
    let mut profile = read("centos7")?;
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
    let vendors = vendors()?.to_string();
    Ok(fs::write(
        folder.join("profiles/centos7-vmware.toml"),
        vendors,
    )?)
}

fn vendors() -> Result<toml::Table, Failure> {
    let mut profile = read("centos7-vmware")?;
    let packagings = profile
        .get_mut("packaging")
        .and_then(toml::Value::as_array_mut);
    let mut tables = packagings
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table_mut);
    let of_usr = |table: &&mut toml::Table| table["name"].as_str() == Some("usr");
    let usr = tables.find(of_usr).ok_or("no packaging below /usr")?;
    // Its last was 13.3. The programs are Debian's 15, and are called so.
    usr.insert("majors".into(), vec![15].into());
    // PGDG's PgBouncer is the lab's.
    table(usr, &["components", "pgbouncer"])?.insert("dialect".into(), "1.18".into());
    Ok(profile)
}

fn read(name: &str) -> Result<toml::Table, Failure> {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    Ok(fs::read_to_string(profiles.join(format!("{name}.toml")))?.parse()?)
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
        inner.ok_or_else(|| format!("the profile has no {key}").into())
    })
}
