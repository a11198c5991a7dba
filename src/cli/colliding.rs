//! Packages of one host that bring one file each in its own way: rpm would
//! install none of them.

use std::collections::BTreeMap;
use std::fs::File;

use super::report::{Failure, Kind};
use crate::base::{NodeName, Sha256};
use crate::bundle::manifest::Family;
use crate::lock::LockedPackage;
use crate::lock::cover::LockedPlan;
use crate::repo::rpm::collision;
use crate::repo::rpm::file::PackageFile;
use crate::store::Blob;

/// Refuses a closure of which rpm would refuse a part on some node.
pub fn check(locked: LockedPlan<'_>, blobs: &BTreeMap<Sha256, Blob>) -> Result<(), Failure> {
    if locked.plan().profile.family != Family::Rpm {
        return Ok(());
    }
    let rows = &locked.lock().packages;
    let packages = rows
        .iter()
        .map(|row| read(&blobs[&row.sha256]))
        .collect::<Result<Vec<_>, _>>()?;
    let meet = |one: usize, other: usize| meeting(locked, &rows[one], &rows[other]).is_some();
    let found = collision::find(&packages, meet);
    if found.is_empty() {
        return Ok(());
    }
    let line = |collision: &collision::Collision| {
        let (one, other) = collision.packages;
        let (one, other) = (&rows[one], &rows[other]);
        let node = meeting(locked, one, other).expect("only what meets was compared");
        format!(
            "{} of source `{}` and {} of source `{}` both bring {}, and not the same: rpm would not install them on {node}",
            one.name, one.source, other.name, other.source, collision.path
        )
    };
    Err(Failure::several(Kind::No, found.iter().map(line)).hint(
        "their packagers did not mean them for one host: take one of them from another source, or leave out what needs it",
    ))
}

fn read(blob: &Blob) -> Result<PackageFile, Failure> {
    let path = blob.path();
    let mut file =
        File::open(path).map_err(|error| Failure::file("open the package", path, &error))?;
    PackageFile::read(&mut file)
        .map_err(|error| Failure::world(format!("{}: {error}", path.display())))
}

/// A node that gets both.
fn meeting<'l>(
    locked: LockedPlan<'l>,
    one: &LockedPackage,
    other: &LockedPackage,
) -> Option<&'l NodeName> {
    let nodes = locked.plan().spec.nodes.iter();
    let mut nodes = nodes.filter(|node| {
        let gets = |row: &LockedPackage| row.roles.iter().any(|role| node.roles.contains(role));
        gets(one) && gets(other)
    });
    nodes.next().map(|node| &node.name)
}
