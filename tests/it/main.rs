//! One binary for all tests that need neither root nor hosts.

mod archive;
mod archive_mirror;
mod bad_input;
mod build;
mod chance;
mod cli;
mod dialects;
mod diff;
mod flipped_bits;
mod identity;
mod judge;
mod kept_indexes;
mod lock;
mod manual;
mod memory;
mod node;
mod offline;
mod oracle_apt;
mod oracle_dpkg;
mod oracle_repodata;
mod oracle_rpm;
mod oracles;
mod parsers;
mod plain_files;
mod profiles;
mod render;
mod reproducible;
mod rpm_lock;
mod rpm_prove;
#[path = "../../src/repo/rpm/publishing.rs"]
mod rpm_publishing;
mod rpm_signatures;
mod rpm_tiny;
#[path = "../../src/repo/rpm/rpm_writing.rs"]
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
mod wheels;
mod written_again;
