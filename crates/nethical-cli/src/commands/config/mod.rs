//! `nethical config`

mod check;
mod schema;

use std::path::Path;

use crate::exit::Exit;
use crate::failure::Failure;

/// See whether a configuration is right, and what may stand in one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Check(check::Args),
    Schema(schema::Args),
}

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Check(args) => check::run(args, config),
        Verb::Schema(args) => schema::run(args),
    }
}
