//! One binary for all tests that need neither root nor hosts.

mod archive;
mod archive_mirror;
mod build;
mod cli;
mod identity;
mod lock;
mod node;
mod oracles;
mod render;
mod sample;
mod seal;
mod seed;
mod spec;
mod store;
mod support;
mod tiny;
