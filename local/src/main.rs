//! `siphon-local`: the AWS side on one machine. See the library for what it stands in for.

use std::process::ExitCode;

fn main() -> ExitCode {
    siphon_local::main(std::env::args_os().skip(1))
}
