//! The `nethical` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    nethical_cli::run(std::env::args_os()).into()
}
