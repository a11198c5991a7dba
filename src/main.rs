//! `pgbundle`: the operator's program.

use std::process::ExitCode;

fn main() -> ExitCode {
    pgbundle::cli::main()
}
