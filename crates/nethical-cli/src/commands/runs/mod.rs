//! `nethical runs`

mod chart;
mod compare;
mod csv;
mod list;
mod places;
mod show;

use std::path::Path;
use std::path::PathBuf;

use crate::exit::Exit;
use crate::failure::Failure;

/// Look at runs that stand on this machine: in files of MLflow's, and in run directories of W&B.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// A file of MLflow's, or a run log, run directory or folder of W&B's. Without it those of the configuration, else
    /// `mlflow.db` and `wandb/` here.
    #[arg(long = "in", global = true, value_name = "PATH")]
    places: Vec<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(list::Args),
    Show(show::Args),
    Compare(compare::Args),
}

/// How the answer is printed.
#[derive(Debug, clap::Args)]
struct Form {
    /// Print JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV, with a header.
    #[arg(long)]
    csv: bool,
}

const EXAMPLES: &str = "\
Examples:
  nethical runs list
  nethical runs show calm-heron-417 --metric loss
  nethical runs compare 0199a1 0199b2 --metric loss
  nethical runs list --csv > runs.csv";

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let places = places::open(&args.places, config)?;
    match &args.verb {
        Verb::List(list) => list::run(list, &places)?,
        Verb::Show(show) => show::run(show, &places)?,
        Verb::Compare(compare) => compare::run(compare, &places)?,
    }
    Ok(Exit::Success)
}
