//! rpm-md repositories (repodata) and what rpm makes of their packages.

pub mod file;
pub mod header;
pub mod signature;
#[cfg(test)]
mod writing;
