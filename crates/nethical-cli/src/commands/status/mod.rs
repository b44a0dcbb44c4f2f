//! `nethical status`

mod json;
mod table;
mod view;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use self::json::left as left_as_json;
pub(crate) use self::view::{Left, View};
use super::place::Place;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units::seconds;

/// Show what waits, what was delivered, and why something is not.
///
/// It reads what running processes wrote down within the last second, and counts what ended ones left.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The directory to look into. Without it that of the configuration, else $NETHICAL_HOME, else
    /// $XDG_STATE_HOME/nethical, else ~/.local/state/nethical.
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Show it again every so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = seconds)]
    watch: Option<Duration>,
    /// Print JSON; with --watch one line each time.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  nethical status
  nethical status --watch 5
  nethical status --json | jq .total.waiting";

/// Nobody reads faster, and the disk has other things to do.
const SHORTEST_WATCH: Duration = Duration::from_millis(100);

/// To the upper left corner, and nothing below.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let place = Place::find(args.home.as_deref(), config)?;
    let Some(pause) = args.watch else {
        show(args, &place, "")?;
        return Ok(Exit::Success);
    };
    let clear = if std::io::stdout().is_terminal() && !args.json { CLEAR } else { "" };
    loop {
        show(args, &place, clear)?;
        std::thread::sleep(pause.max(SHORTEST_WATCH));
    }
}

fn show(args: &Args, place: &Place, clear: &str) -> Result<(), Failure> {
    let view = View::of(place)?;
    let mut out = anstream::stdout().lock();
    match (args.json, args.watch) {
        (true, None) => writeln!(out, "{:#}", json::whole(&view))?,
        (true, Some(_)) => writeln!(out, "{}", json::whole(&view))?,
        (false, _) => writeln!(out, "{clear}{}", table::whole(&view))?,
    }
    Ok(out.flush()?)
}
