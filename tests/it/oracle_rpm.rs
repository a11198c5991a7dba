//! rpm, libsolv and dnf as the oracles of the rpm family.
//!
//! A machine without them is told so; where `CI` is set the tests fail.

mod carried;
mod closures;
mod collisions;
mod hard;
mod real;
mod solv;
mod versions;

use crate::lock::say;

/// Whether there is something to compare with.
fn is_there(missing: Option<String>) -> bool {
    match missing {
        None => true,
        Some(reason) if std::env::var_os("CI").is_none() => {
            say(&format!("NOT COMPARED with rpm and libsolv: {reason}"));
            false
        }
        Some(reason) => panic!("nothing to compare with: {reason}"),
    }
}
