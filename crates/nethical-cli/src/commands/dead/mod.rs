//! `nethical dead`

mod drop;
mod letters;
mod list;
mod replay;
mod show;

use std::path::Path;

pub(super) use self::letters::open;
use crate::exit::Exit;
use crate::failure::Failure;

/// Look at events that a destination refused, send them again, or drop them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(list::Args),
    Show(show::Args),
    Replay(replay::Args),
    Drop(drop::Args),
}

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::List(args) => list::run(args, config),
        Verb::Show(args) => show::run(args, config),
        Verb::Replay(args) => replay::run(args, config),
        Verb::Drop(args) => drop::run(args, config),
    }
}
