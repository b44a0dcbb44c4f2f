//! `nethical sync`

mod delivery;
mod report;

use std::path::Path;
use std::time::{Duration, Instant};

use nethical::delivery::{adopt, sync};

use self::delivery::Delivery;
use self::report::Report;
use super::place::Place;
use super::status::View;
use crate::exit::Exit;
use crate::failure::{Failure, exit_of};
use crate::render;
use crate::units::seconds;

/// Deliver what ended processes left on disk.
///
/// Ends with 0 if nothing of theirs is left, with 75 if something is. What running processes still hold is
/// theirs to deliver.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Wait at most this long for everything to be delivered.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    wait: Duration,
    /// Print the account as JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  nethical sync
  nethical sync --config old.toml --wait 300";

/// What is left to do once everything is delivered, or time is up.
const CLOSING: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let deadline = Instant::now() + args.wait;
    let place = Place::to_deliver(config)?;
    let before = View::of(&place)?;
    let delivery = Delivery::open(&place, &before);
    for (name, error) in delivery.unopened() {
        render::destination_error(name, error);
    }
    delivery.run(&place, deadline)?;
    let statuses = delivery.close(CLOSING);
    // What is still in adopted directories goes back to where everybody finds it.
    adopt();
    sync(CLOSING);
    let after = View::of(&place)?;
    let unopened = delivery.unopened().iter().map(|(_, error)| exit_of(error)).max();
    let left = if after.left.is_empty() { Exit::Success } else { Exit::Later };
    let exit = left.max(unopened.filter(|exit| *exit == Exit::Usage).unwrap_or(left));
    Report { statuses: &statuses, unopened: delivery.unopened(), after: &after, exit }.give(args.json)?;
    Ok(exit)
}
