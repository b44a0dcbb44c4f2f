//! `nethical alerts`

mod list;

use std::path::Path;

use crate::exit::Exit;
use crate::failure::Failure;

/// Look at the alerts that last.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(list::Args),
}

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::List(args) => list::run(args, config),
    }
}
