//! One binary for all tests that need neither root nor hosts.

mod archive;
mod archive_mirror;
mod bad_input;
mod build;
mod chance;
mod cli;
mod diff;
mod flipped_bits;
mod identity;
mod kept_indexes;
mod lock;
mod manual;
mod memory;
mod node;
mod offline;
mod oracle_apt;
mod oracle_dpkg;
mod oracles;
mod parsers;
mod plain_files;
mod render;
mod reproducible;
mod rpm_signatures;
#[path = "../../src/repo/rpm/writing.rs"]
mod rpm_writing;
mod sample;
mod sbom;
mod seal;
mod seed;
mod server;
mod store;
mod support;
mod tiny;
mod unchanged;
mod written_again;
