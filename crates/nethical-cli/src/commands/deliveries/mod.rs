//! `nethical deliveries`

mod list;
mod records;
mod redeliver;
mod show;

use std::path::Path;

use crate::exit::Exit;
use crate::failure::Failure;

/// Look at what became of messages to webhooks, and send them again.
///
/// On record are the latest of all processes, up to 64 MiB.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(list::Args),
    Show(show::Args),
    Redeliver(redeliver::Args),
}

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::List(args) => list::run(args, config),
        Verb::Show(args) => show::run(args, config),
        Verb::Redeliver(args) => redeliver::run(args, config),
    }
}
