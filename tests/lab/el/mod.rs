//! An el-shaped host: its userland is RPMs, laid out as Enterprise Linux 7 lays
//! them out, and nothing of dpkg or apt is on it.
//!
//! The programs are Debian's, repackaged with rpmbuild: [`debian`] brings them,
//! [`base`] makes of them what a host starts from, [`upstream`] the repositories
//! that the profile `centos7` names, [`library`] the profile with what cannot be
//! had here put in its place, [`release`] builds the cluster with it. [`vendor`] makes
//! the RPMs that `centos7-vmware` is given.
//! It proves the way through rpm and the layout. It is no CentOS.

mod base;
mod debian;
mod library;
mod piece;
mod release;
mod signing;
mod spec;
mod upstream;
mod vendor;
mod wheels;

pub use release::shared;
pub use vendor::{Prefix, build as vendors};
