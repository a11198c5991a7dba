//! rpm-md repositories (repodata) and what rpm makes of their packages.

pub mod entry;
pub mod evr;
pub mod package;
pub mod primary;
pub mod repomd;
mod xml;

pub use xml::XmlError;
