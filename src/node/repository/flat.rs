//! One repository for apt: the roles' packages side by side, each once, and
//! one index over them (a flat repository, sources.list(5)).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::atomic::flush_file_system;
use crate::node::bundles::RoleBundle;
use crate::node::durable::{self, Rights};
use crate::node::host::{Host, read_if_there};
use crate::node::stop::Stop;

/// The repository's folder.
pub fn folder(host: &Host) -> PathBuf {
    host.state("repository")
}

/// The index that the roles' indexes amount to: sorted, each package once.
pub fn index(bundles: &[RoleBundle]) -> Result<String, Stop> {
    let mut stanzas = BTreeMap::new();
    for bundle in bundles {
        let path = bundle.folder.join("packages/Packages");
        let text = read_if_there(&path)?.unwrap_or_default();
        for stanza in String::from_utf8_lossy(&text).split("\n\n") {
            if let Some((file, stanza)) = in_pool(stanza.trim()) {
                stanzas.insert(file, stanza);
            }
        }
    }
    Ok(stanzas
        .into_values()
        .map(|stanza| stanza + "\n\n")
        .collect())
}

/// The file's name, and the stanza with `Filename` pointing into our pool.
fn in_pool(stanza: &str) -> Option<(String, String)> {
    let line = stanza.lines().find(|line| line.starts_with("Filename:"))?;
    let file = line["Filename:".len()..]
        .trim()
        .rsplit('/')
        .next()?
        .to_owned();
    let stanza = stanza.replacen(line, &format!("Filename: pool/{file}"), 1);
    Some((file, stanza))
}

/// The package files of the repository, by the names of their packages.
pub fn files(host: &Host) -> Result<BTreeMap<String, PathBuf>, Stop> {
    let folder = folder(host);
    let index = read_if_there(&folder.join("Packages"))?.unwrap_or_default();
    let index = String::from_utf8_lossy(&index);
    let field = |stanza: &str, name: &str| {
        let line = stanza.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().to_owned())
    };
    let file = |stanza| {
        let name = field(stanza, "Package:")?;
        Some((name, folder.join(field(stanza, "Filename:")?)))
    };
    Ok(index.split("\n\n").filter_map(file).collect())
}

/// KiB that the repository's packages take once installed.
pub fn installed_kib(index: &str) -> u64 {
    let sizes = index
        .lines()
        .filter_map(|line| line.strip_prefix("Installed-Size:"));
    sizes
        .filter_map(|size| size.trim().parse::<u64>().ok())
        .sum()
}

/// Whether the repository lies as the bundles want it.
pub fn is_current(host: &Host, bundles: &[RoleBundle]) -> Result<bool, Stop> {
    let stored = read_if_there(&folder(host).join("Packages"))?;
    Ok(stored == Some(index(bundles)?.into_bytes()))
}

/// Links every package into the pool, then writes the index.
pub fn build(host: &Host, bundles: &[RoleBundle]) -> Result<(), Stop> {
    let pool = folder(host).join("pool");
    durable::folder(&pool, Rights::own(0o755))?;
    for bundle in bundles {
        for file in &bundle.manifest.packages.files {
            if let Some(name) = file.path.as_str().strip_prefix("packages/pool/") {
                place(&file.path.under(&bundle.folder), &pool.join(name))?;
            }
        }
    }
    flush_file_system(&pool)?;
    let index = index(bundles)?;
    durable::write(
        &folder(host).join("Packages"),
        index.as_bytes(),
        Rights::own(0o644),
    )?;
    Ok(())
}

/// Links, or copies where the file system cannot.
fn place(from: &Path, to: &Path) -> Result<(), Stop> {
    durable::remove(to)?;
    let placed = match fs::hard_link(from, to) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => fs::copy(from, to).map(drop),
        linked => linked,
    };
    placed.map_err(|fault| Stop::World(format!("cannot place `{}`: {fault}", to.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_in_the_pool_whatever_the_bundle_wrote() {
        let stanza = "Package: a\nFilename: packages/pool/a_1_amd64.deb\nSize: 3";
        let (file, stanza) = in_pool(stanza).unwrap();
        assert_eq!(file, "a_1_amd64.deb");
        assert_eq!(stanza, "Package: a\nFilename: pool/a_1_amd64.deb\nSize: 3");
        assert_eq!(in_pool(""), None);
        assert_eq!(
            installed_kib("Installed-Size: 12\nx: 1\nInstalled-Size: 30\n"),
            42
        );
    }
}
