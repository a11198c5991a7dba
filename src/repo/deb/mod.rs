//! apt repositories (Debian wiki, "RepositoryFormat") and what dpkg makes of
//! their packages: control files, versions, relations.

pub mod apt_sources;
pub mod companions;
pub mod deb822;
pub mod index;
pub mod lower;
pub mod package;
pub mod relation;
pub mod release;
pub mod version;

#[cfg(test)]
pub mod signed_repository;
