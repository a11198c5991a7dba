//! One binary for all tests that need neither root nor hosts.

mod cli;
mod node;
mod render;
mod spec;
mod support;
