//! One binary for all integration tests; each module is named for what it tests.

mod identity;
mod sample;
mod seal;
mod seed;
