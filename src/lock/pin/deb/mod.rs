//! The packages of a lock out of apt archives.

pub mod close;
pub mod row;

use super::{PinError, Warning};
use crate::lock::LockedPackage;
use crate::plan::Plan;
use crate::repo::BaseList;
use crate::repo::deb::index::VerifiedIndex;

/// The rows of a plan's closure, sorted.
pub(super) fn rows(
    plan: &Plan,
    bases: &[BaseList],
    indexes: &[VerifiedIndex],
) -> Result<(Vec<LockedPackage>, Vec<Warning>), PinError> {
    let texts: Vec<_> = indexes
        .iter()
        .flat_map(|i| i.packages.iter().map(move |t| (i, t.bytes().as_str())))
        .collect();
    let borrowed: Vec<_> = texts.iter().map(|(_, text)| *text).collect();
    let listed = close::read(&borrowed, "the signed indexes", plan)?;
    let (closure, warnings) = close::close_all(plan, bases, &listed)?;
    let rows = closure.values().map(|(package, roles)| {
        let source = &texts[package.text].0.source;
        row::package(package, source, roles)
    });
    Ok((rows.collect::<Result<_, _>>()?, warnings))
}
