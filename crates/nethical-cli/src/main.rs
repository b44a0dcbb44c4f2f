//! The `nethical` command.

mod commands;

use clap::Parser;
#[derive(Parser)]
enum Cli {
    Demo(commands::demo::DemoArgs),
}
fn main() -> std::process::ExitCode {
    match Cli::parse() {
        Cli::Demo(args) => commands::demo::run(&args).unwrap_or(std::process::ExitCode::FAILURE),
    }
}
