//! One binary for all tests that need neither root nor hosts.

mod cli;
mod identity;
mod render;
mod sample;
mod seal;
mod seed;
mod spec;
mod support;
