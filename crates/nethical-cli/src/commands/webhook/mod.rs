//! `nethical webhook`

mod secrets;
mod send;
pub(crate) mod sending;
mod sign;
mod target;
mod verify;

use std::path::Path;

pub(super) use self::send::show;
pub(super) use self::target::observed;
use crate::exit::Exit;
use crate::failure::Failure;

/// Send a message to webhooks, or sign and verify one by hand.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Send(send::Args),
    Sign(sign::Args),
    Verify(verify::Args),
}

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Send(args) => send::run(args, config),
        Verb::Sign(args) => sign::run(args),
        Verb::Verify(args) => verify::run(args),
    }
}
