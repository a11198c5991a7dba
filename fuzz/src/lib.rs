//! What holds of every reader of bytes from outside, whatever the bytes.
//!
//! A module for each reader, and in it `holds`: it panics where something
//! does not hold, and else says whether the reader accepted the bytes. The fuzz
//! targets call these functions with what they invent, `make test` with the
//! files of `seeds/` and with what it makes of them.

pub mod assignment;
pub mod closure;
mod document;
pub mod http;
pub mod identity;
pub mod in_release;
pub mod lock;
pub mod manifest;
pub mod modules;
pub mod packages;
pub mod primary;
pub mod profile;
pub mod repomd;
pub mod requirement;
pub mod rpm_file;
pub mod spec;
pub mod unpack;
pub mod untar;
