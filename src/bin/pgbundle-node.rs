//! The program that runs on a host: verify, install, join, report. Static,
//! and without anything that only the operator's machine does.

use std::process::ExitCode;

use pgbundle::node::cli;
use pgbundle::node::system::Real;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    ExitCode::from(cli::run(&arguments, &Real))
}
