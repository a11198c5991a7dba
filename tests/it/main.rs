//! One binary for all tests that need neither root nor hosts.

mod cli;
mod oracles;
mod render;
mod spec;
mod support;
