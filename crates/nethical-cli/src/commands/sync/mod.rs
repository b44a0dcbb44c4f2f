//! `nethical sync`

mod delivery;
mod report;
mod runs;
mod store;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nethical::delivery::{adopt, sync};

use self::delivery::Delivery;
use self::report::Report;
use self::runs::Runs;
use super::alert;
use super::place::Place;
use super::status::View;
use crate::exit::Exit;
use crate::failure::{Failure, exit_of};
use crate::render;
use crate::units::seconds;

/// Deliver what ended processes left on disk, and upload runs that were only written.
///
/// With paths only the runs of W&B there are uploaded, whoever wrote them: `wandb/`, a run directory, or a `.wandb`
/// file. Without, events and runs of ended processes are delivered to the destinations of the configuration. A run that
/// is all at its server is not sent again.
///
/// Ends with 0 if nothing of theirs is left, with 75 if something is. What running processes still hold is
/// theirs to deliver.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Run directories of W&B, or folders of them; with --to files of MLflow's.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Send the runs of files of MLflow's to this server instead: those at the paths, without a path those of
    /// `mlflow.db`. What is there already is not sent again, and what was interrupted goes on.
    #[arg(long, value_name = "URI")]
    to: Option<String>,
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
  nethical sync --config old.toml --wait 300
  nethical sync wandb/
  nethical sync --to http://localhost:5000 mlflow.db";

/// What is left to do once everything is delivered, or time is up.
const CLOSING: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let deadline = Instant::now() + args.wait;
    if let Some(to) = &args.to {
        return store::send(to, &args.paths, deadline, args.json);
    }
    if !args.paths.is_empty() {
        return upload(args, config, deadline);
    }
    let place = Place::to_sync(config)?;
    if let Some(config) = &place.config {
        alert::recover(config);
    }
    let before = View::of(&place)?;
    let delivery = Delivery::open(&place, &before);
    for (name, error) in delivery.unopened() {
        render::destination_error(name, error);
    }
    delivery.run(&place, deadline)?;
    let runs = Runs::upload(&place, &[], deadline, &delivery::progress());
    runs.failed().iter().for_each(|error| render::error(&error.to_string(), error.hint()));
    let statuses = delivery.close(CLOSING);
    // What is still in adopted directories goes back to where everybody finds it.
    adopt();
    sync(CLOSING);
    let after = View::of(&place)?;
    let unopened = delivery.unopened().iter().map(|(_, error)| exit_of(error)).max();
    let left = if after.left.is_empty() { Exit::Success } else { Exit::Later };
    let exit = left.max(unopened.filter(|exit| *exit == Exit::Usage).unwrap_or(left)).max(runs.exit());
    let report =
        Report { statuses: &statuses, unopened: delivery.unopened(), after: Some(&after), runs: &runs, exit };
    report.give(args.json)?;
    Ok(exit)
}

/// Upload the runs at these paths, and nothing else.
fn upload(args: &Args, config: Option<&Path>, deadline: Instant) -> Result<Exit, Failure> {
    for path in &args.paths {
        std::fs::metadata(path).map_err(|error| {
            let hint = "name `wandb/`, the directory of a run, or a `.wandb` file";
            Failure::usage(format!("cannot look into {}: {error}", path.display()), hint)
        })?;
    }
    let place = Place::find(None, config)?;
    let runs = Runs::upload(&place, &args.paths, deadline, &delivery::progress());
    runs.failed().iter().for_each(|error| render::error(&error.to_string(), error.hint()));
    let exit = runs.exit();
    Report { statuses: &[], unopened: &[], after: None, runs: &runs, exit }.give(args.json)?;
    Ok(exit)
}
