//! The repository's own commands: `cargo xtask test`, `peers`, `bench`, `soak`, `faults`, `sbom`,
//! `fuzz`, `stub` and `wheel`.
//!
//! They need nothing but a Rust toolchain and Python to start; whatever else they use is put under `target/`.
//! This crate does not depend on the product unless the feature `bench` is on, so a product that does not
//! compile is reported by the stage that found it and not by the driver failing to build.

#[cfg(feature = "bench")]
mod bench;
mod faults;
mod fuzz;
mod npm;
mod peers;
mod process;
mod release;
mod sbom;
mod soak;
mod stub;
mod terminal;
mod test;
mod tools;
mod venv;
mod wheel;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Tests, benches and generators of this repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check, in order, and stop at the first that fails.
    Test(test::Args),
    /// Unpack the real syslog receivers, which tests send to, under `target/peers`.
    Peers,
    /// Measure ours and its peers in interleaved rounds.
    #[cfg(feature = "bench")]
    Bench(bench::Args),
    /// Measure ours and its peers in interleaved rounds.
    #[cfg(not(feature = "bench"))]
    Bench(release::Args),
    /// Kill processes that accept and deliver, and see that no promise is broken.
    Soak(soak::Args),
    /// Put every destination under every fault, and write what becomes of its events to `docs/faults.md`.
    Faults,
    /// Write down what the program is made of, as CycloneDX.
    Sbom(sbom::Args),
    /// Fuzz whatever is read from disk or typed by people.
    Fuzz(fuzz::Args),
    /// Write the Python stub, out of the extension module.
    Stub,
    /// Build the Python wheel, install it in an empty environment and check it there.
    Wheel,
}

fn main() -> ExitCode {
    let outcome = Workspace::find().and_then(|workspace| match Cli::parse().command {
        Command::Test(args) => test::run(&workspace, &args),
        Command::Peers => peers::run(&workspace),
        #[cfg(feature = "bench")]
        Command::Bench(args) => bench::run(&workspace, &args),
        #[cfg(not(feature = "bench"))]
        Command::Bench(_) => release::again(&workspace),
        Command::Faults => faults::run(&workspace),
        Command::Fuzz(args) => fuzz::run(&workspace, &args),
        Command::Sbom(args) => sbom::run(&workspace, &args),
        Command::Soak(args) => soak::run(&workspace, &args),
        Command::Stub => stub::run(&workspace),
        Command::Wheel => wheel::run(&workspace),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::report(&error);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
#[cfg(feature = "bench")]
mod tests {
    use super::*;

    /// What documents tell people to type, without what stands behind `#`.
    fn documented() -> Vec<String> {
        let root = Workspace::find().unwrap().root().to_owned();
        let folder = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
        let pages = folder
            .filter(|path| path.is_file())
            .chain(["README.md", "CONTRIBUTING.md"].map(|page| root.join(page)));
        let text: String = pages.map(|page| std::fs::read_to_string(page).unwrap()).collect();
        let lines = text.lines().map(|line| line.trim_start_matches("$ "));
        let commands = lines.filter(|line| line.starts_with("cargo xtask"));
        commands.map(|line| line.split('#').next().unwrap().trim().to_owned()).collect()
    }

    #[test]
    fn documented_commands_are_understood() {
        let commands = documented();
        assert!(commands.len() > 8, "{commands:?}");
        for line in commands {
            let words = line.split_whitespace().skip(1);
            let command =
                Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}")).command;
            if let Command::Bench(args) = command {
                bench::check(&args).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }
}
