//! Folders, files, facts and secrets, as the assignments and the identity
//! want them: byte for byte, owner and mode with them, only where they differ.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::accounts::Accounts;
use super::block;
use super::brought::Brought;
use super::bundles::RoleBundle;
use super::durable::{self, Rights};
use super::facts;
use super::host::Host;
use super::pending;
use super::stop::Stop;
use crate::base::{NodePath, Sha256};
use crate::bundle::assignment::{Access, DataDirectory, Directory, Service, Stage};
use crate::seed::identity::Identity;

/// A file as it is wanted, wherever its content comes from.
pub struct Wanted<'a> {
    /// Its path on the node.
    pub path: &'a NodePath,
    /// Where it lies, below the host's root.
    pub place: PathBuf,
    access: &'a Access,
    content: Vec<u8>,
    services: Vec<String>,
    is_certificate: bool,
    before_packages: bool,
    is_shared: bool,
}

impl Wanted<'_> {
    /// What of the file differs from what is wanted; none: it is right.
    pub fn difference(&self, host: &Host) -> Result<Option<String>, Stop> {
        let Ok(metadata) = fs::symlink_metadata(&self.place) else {
            return Ok(Some("is missing".to_owned()));
        };
        if !metadata.is_file() {
            return Ok(Some("is not a plain file".to_owned()));
        }
        if let Some(difference) = differs(&metadata, &self.rights(host)?) {
            return Ok(Some(difference));
        }
        let found = fs::read(&self.place)
            .map_err(|fault| Stop::World(format!("cannot read `{}`: {fault}", self.path)))?;
        Ok((found != self.content).then(|| "has other content".to_owned()))
    }

    fn rights(&self, host: &Host) -> Result<Rights, Stop> {
        Accounts::of(host)?.rights(self.access)
    }

    /// The digest of its content.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.content)
    }

    /// Installs it; who must take it up is remembered first.
    fn install(&self, host: &Host, bundles: &[RoleBundle]) -> Result<(), Stop> {
        for service in all_services(bundles).filter(|s| self.services.contains(&s.name)) {
            let uptake = if self.is_certificate {
                service.on_certificate
            } else {
                service.uptake_of(self.path.as_str())
            };
            pending::add(host, &service.unit, uptake)?;
        }
        Ok(durable::write(
            &self.place,
            &self.content,
            self.rights(host)?,
        )?)
    }
}

fn differs(metadata: &fs::Metadata, wanted: &Rights) -> Option<String> {
    let mode = metadata.mode() & 0o7777;
    if mode != wanted.mode {
        return Some(format!("has mode {mode:04o}, wanted {:04o}", wanted.mode));
    }
    let owner = (metadata.uid(), metadata.gid());
    match wanted.owner {
        Some(right) if right != owner => Some(format!(
            "belongs to {}:{}, wanted {}:{}",
            owner.0, owner.1, right.0, right.1
        )),
        _ => None,
    }
}

/// Every service of every role, in the order in which they start.
pub fn all_services(bundles: &[RoleBundle]) -> impl Iterator<Item = &Service> {
    each_service(bundles).map(|(_, service)| service)
}

/// Each service once, with the first bundle that has it: roles may share one.
pub fn each_service(bundles: &[RoleBundle]) -> impl Iterator<Item = (&RoleBundle, &Service)> {
    let mut seen = Vec::new();
    let pairs = bundles.iter().flat_map(services_of);
    pairs.filter(move |(_, service)| {
        let is_new = !seen.contains(&&service.unit);
        seen.push(&service.unit);
        is_new
    })
}

fn services_of(bundle: &RoleBundle) -> impl Iterator<Item = (&RoleBundle, &Service)> {
    let services = bundle.assignment.services.iter();
    services.map(move |service| (bundle, service))
}

/// The folders of data of every role.
pub fn data_folders(bundles: &[RoleBundle]) -> impl Iterator<Item = &DataDirectory> {
    bundles.iter().flat_map(|bundle| &bundle.assignment.data)
}

/// All files of all roles, facts and secrets, in a fixed order.
pub fn wanted<'a>(
    host: &Host,
    identity: &'a Identity,
    bundles: &'a [RoleBundle],
) -> Result<Vec<Wanted<'a>>, Stop> {
    let mut wanted = Vec::new();
    for bundle in bundles {
        for file in &bundle.assignment.files {
            let content = content(&bundle.content(file), &file.sha256)?;
            wanted.push(Wanted {
                path: &file.path,
                place: file.path.under(&host.root),
                access: &file.access,
                content,
                services: file.services.clone(),
                is_certificate: false,
                before_packages: file.stage == Stage::BeforePackages,
                is_shared: false,
            });
        }
        for fact in &bundle.assignment.facts {
            let told = facts::tell(host, fact.fact, identity.address.addr())?;
            wanted.push(Wanted {
                path: &fact.path,
                place: fact.path.under(&host.root),
                access: &fact.access,
                content: format!("{}{told}{}", fact.before, fact.after).into_bytes(),
                services: fact.services.clone(),
                is_certificate: false,
                before_packages: false,
                is_shared: false,
            });
        }
        for block in &bundle.assignment.blocks {
            let place = block.path.under(&host.root);
            let content = block::with_block(&existing(&place)?, &block.text).into_bytes();
            wanted.push(Wanted {
                path: &block.path,
                place,
                access: &block.access,
                content,
                services: Vec::new(),
                is_certificate: false,
                before_packages: false,
                is_shared: true,
            });
        }
    }
    wanted.extend(identity.secrets.iter().map(|secret| Wanted {
        path: &secret.path,
        place: secret.path.under(&host.root),
        access: &secret.access,
        content: secret.content.clone().into_bytes(),
        services: secret.services.clone(),
        is_certificate: secret.is_certificate,
        before_packages: false,
        is_shared: false,
    }));
    one_each(&mut wanted)?;
    Ok(wanted)
}

/// The text of a file that may be absent.
fn existing(path: &Path) -> Result<String, Stop> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(fault) => Err(Stop::World(format!(
            "cannot read `{}`: {fault}",
            path.display()
        ))),
    }
}

/// Two roles may name the same file, but only with the same bytes and access:
/// who may read it must not hang on the order of the roles.
fn one_each(wanted: &mut Vec<Wanted>) -> Result<(), Stop> {
    wanted.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
    for two in wanted.windows(2).filter(|two| two[0].path == two[1].path) {
        let difference = if two[0].content != two[1].content {
            "content"
        } else if two[0].access != two[1].access {
            "owner, group or mode"
        } else {
            continue;
        };
        return Err(Stop::refuse(format!(
            "two roles want `{}` with different {difference}; build the bundles anew with one program",
            two[0].path
        )));
    }
    wanted.dedup_by(|later, first| {
        let same = later.path == first.path;
        if same {
            first.services.append(&mut later.services);
            first.before_packages |= later.before_packages;
        }
        same
    });
    Ok(())
}

fn content(path: &Path, digest: &Sha256) -> Result<Vec<u8>, Stop> {
    let bytes = fs::read(path)
        .map_err(|fault| Stop::World(format!("cannot read `{}`: {fault}", path.display())))?;
    // The bundle was checked when it was unpacked; a disk can rot since.
    if Sha256::of(&bytes) == *digest {
        Ok(bytes)
    } else {
        Err(Stop::refuse(format!(
            "`{}` has changed since it was unpacked",
            path.display()
        )))
    }
}

/// Installs the files that the package manager reads.
pub fn install_before_packages(
    host: &Host,
    identity: &Identity,
    bundles: &[RoleBundle],
) -> Result<usize, Stop> {
    install(
        host,
        bundles,
        wanted(host, identity, bundles)?
            .iter()
            .filter(|w| w.before_packages),
    )
}

/// Installs everything that differs; returns how many did.
pub fn install_all(
    host: &Host,
    identity: &Identity,
    bundles: &[RoleBundle],
) -> Result<usize, Stop> {
    let mut brought = Brought::read(host)?;
    for directory in directories(bundles) {
        brought.before_folder(host, &directory.path)?;
    }
    brought.write(host)?;
    for directory in directories(bundles) {
        let rights = Accounts::of(host)?.rights(&directory.access)?;
        if folder_difference(host, directory)?.is_some() {
            durable::folder(&directory.path.under(&host.root), rights)?;
        }
    }
    install(host, bundles, wanted(host, identity, bundles)?.iter())
}

fn install<'a>(
    host: &Host,
    bundles: &[RoleBundle],
    wanted: impl Iterator<Item = &'a Wanted<'a>>,
) -> Result<usize, Stop> {
    let mut different = Vec::new();
    for file in wanted {
        if file.difference(host)?.is_some() {
            different.push(file);
        }
    }
    if !different.is_empty() {
        let mut brought = Brought::read(host)?;
        let files = different.iter().map(|file| (file.path, file.is_shared));
        brought.before_files(host, files)?;
        brought.write(host)?;
    }
    for file in &different {
        file.install(host, bundles)?;
    }
    Ok(different.len())
}

/// Files of ours that these bundles have no more.
pub fn left_over(
    host: &Host,
    identity: &Identity,
    bundles: &[RoleBundle],
) -> Result<BTreeSet<NodePath>, Stop> {
    let brought = Brought::read(host)?;
    if brought.files.is_empty() {
        return Ok(BTreeSet::new());
    }
    let wanted = wanted(host, identity, bundles)?;
    let mut left: BTreeSet<NodePath> = brought.files.into_keys().collect();
    left.retain(|path| !wanted.iter().any(|file| file.path == path));
    Ok(left)
}

/// The folders of all roles, in order.
pub fn directories(bundles: &[RoleBundle]) -> impl Iterator<Item = &Directory> {
    bundles
        .iter()
        .flat_map(|bundle| &bundle.assignment.directories)
}

/// What of a folder differs from what is wanted.
pub fn folder_difference(host: &Host, directory: &Directory) -> Result<Option<String>, Stop> {
    match fs::symlink_metadata(directory.path.under(&host.root)) {
        Ok(metadata) if metadata.is_dir() => Ok(differs(
            &metadata,
            &Accounts::of(host)?.rights(&directory.access)?,
        )),
        Ok(metadata) if metadata.is_symlink() => Ok(Some("is a link, not a folder".to_owned())),
        Ok(_) => Ok(Some("is not a folder".to_owned())),
        Err(_) => Ok(Some("is missing".to_owned())),
    }
}

/// Every file and folder that is not as wanted, with the reason.
pub fn differences(
    host: &Host,
    identity: &Identity,
    bundles: &[RoleBundle],
) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    for directory in directories(bundles) {
        if let Some(difference) = folder_difference(host, directory)? {
            found.push(format!("`{}` {difference}", directory.path));
        }
    }
    for file in wanted(host, identity, bundles)? {
        if let Some(difference) = file.difference(host)? {
            found.push(format!("`{}` {difference}", file.path));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::node::system::recorded::Recorded;

    fn access(mode: &str) -> Access {
        serde_json::from_value(
            serde_json::json!({"owner": "postgres", "group": "postgres", "mode": mode}),
        )
        .unwrap()
    }

    #[test]
    fn one_file_of_two_roles_has_one_content_and_one_access() {
        let (narrow, wide) = (access("0640"), access("0644"));
        let path = "/etc/shared".parse().unwrap();
        let file = |access, content: &str| Wanted {
            path: &path,
            place: "/etc/shared".into(),
            access,
            content: content.into(),
            services: vec!["one".to_owned()],
            is_certificate: false,
            before_packages: false,
            is_shared: false,
        };
        let mut same = vec![file(&narrow, "a"), file(&narrow, "a")];
        one_each(&mut same).unwrap();
        assert_eq!((same.len(), same[0].services.len()), (1, 2));
        let refused = |first, second| {
            let clash = one_each(&mut vec![first, second]);
            clash.unwrap_err().to_string()
        };
        assert!(refused(file(&narrow, "a"), file(&narrow, "b")).contains("different content"));
        assert!(refused(file(&narrow, "a"), file(&wide, "a")).contains("or mode"));
    }

    #[test]
    fn a_link_is_not_the_folder_it_points_to() {
        let (root, system) = (tempfile::tempdir().unwrap(), Recorded::default());
        let host = system.host(root.path());
        let own = fs::metadata(root.path()).unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let account = |number| format!("postgres:x:{number}:{number}::/:\n");
        fs::write(root.path().join("etc/passwd"), account(own.uid())).unwrap();
        fs::write(root.path().join("etc/group"), account(own.gid())).unwrap();
        let directory = Directory {
            path: "/15".parse().unwrap(),
            access: access("0755"),
        };
        let place = root.path().join("15");
        let rights = Accounts::of(&host)
            .unwrap()
            .rights(&directory.access)
            .unwrap();
        durable::folder(&place, rights).unwrap();
        assert_eq!(folder_difference(&host, &directory).unwrap(), None);
        fs::rename(&place, root.path().join("elsewhere")).unwrap();
        symlink("elsewhere", &place).unwrap();
        let difference = folder_difference(&host, &directory).unwrap().unwrap();
        assert!(difference.contains("is a link"), "{difference}");
    }
}
