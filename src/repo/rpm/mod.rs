//! rpm-md repositories (repodata) and what rpm makes of their packages.

pub mod base_list;
mod candidates;
pub mod entry;
pub mod evr;
pub mod file;
pub mod filelists;
mod formula;
pub mod header;
pub mod index;
pub mod lower;
pub mod modules;
pub mod package;
pub mod primary;
#[cfg(test)]
mod publishing;
pub mod repomd;
pub mod requirement;
#[cfg(test)]
mod rpm_writing;
pub mod set;
pub mod signature;
pub mod stanza;
mod xml;

pub use xml::XmlError;
