//! One binary for all tests that need neither root nor hosts.

mod archive;
mod archive_mirror;
mod bad_archives;
mod build;
mod cli;
mod flipped_bits;
mod identity;
mod kept_indexes;
mod lock;
mod memory;
mod node;
mod offline;
mod oracles;
mod plain_files;
mod render;
mod reproducible;
mod sample;
mod seal;
mod seed;
mod spec;
mod store;
mod support;
mod tiny;
mod unchanged;
