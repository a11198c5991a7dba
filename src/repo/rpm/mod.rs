//! rpm-md repositories (repodata) and what rpm makes of their packages.

pub mod base_list;
mod candidates;
pub mod entry;
pub mod evr;
mod formula;
pub mod lower;
pub mod package;
pub mod primary;
pub mod repomd;
pub mod requirement;
pub mod set;
mod xml;

pub use xml::XmlError;
