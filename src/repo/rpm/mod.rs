//! rpm-md repositories (repodata) and what rpm makes of their packages.

pub mod entry;
pub mod evr;
pub mod file;
pub mod header;
pub mod package;
pub mod primary;
pub mod repomd;
pub mod requirement;
pub mod signature;
#[cfg(test)]
mod writing;
mod xml;

pub use xml::XmlError;
