//! The `nethical` command, as the binary of that name and the Python package run it.

mod commands;
mod exit;
mod failure;
mod render;
mod signals;
mod units;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use self::commands::{
    alert, alerts, check, completions, config, dead, deliveries, demo, destinations, init, log, metric, run,
    runs, status, sync, webhook,
};
use self::exit::Exit;
use self::failure::Failure;

/// One delivery layer for logs, ML runs and alerts.
///
/// Exit codes: 0 delivered, 75 kept for later or not delivered in time, 1 refused, 2 wrong usage or configuration.
#[derive(Debug, Parser)]
#[command(name = "nethical", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// The configuration. Without it: $NETHICAL_CONFIG, ./nethical.toml,
    /// $XDG_CONFIG_HOME/nethical/nethical.toml.
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Log(log::Args),
    Alert(alert::Args),
    Alerts(alerts::Args),
    Metric(metric::Args),
    Webhook(webhook::Args),
    Run(run::Args),
    Runs(runs::Args),
    Deliveries(deliveries::Args),
    Status(status::Args),
    Sync(sync::Args),
    Dead(dead::Args),
    Check(check::Args),
    Config(config::Args),
    Init(init::Args),
    Destinations(destinations::Args),
    Completions(completions::Args),
    Demo(demo::DemoArgs),
}

/// What a disk gets to take the last of what waits.
const LAST_SYNC: Duration = Duration::from_secs(5);

impl Cli {
    fn run(self) -> Result<Exit, Failure> {
        let asked = self.config.as_deref();
        match self.command {
            Command::Log(args) => log::run(&args, asked),
            Command::Alert(args) => alert::run(&args, asked),
            Command::Alerts(args) => alerts::run(&args, asked),
            Command::Metric(args) => metric::run(&args, asked),
            Command::Webhook(args) => webhook::run(&args, asked),
            Command::Run(args) => run::run(&args, asked),
            Command::Runs(args) => runs::run(&args, asked),
            Command::Deliveries(args) => deliveries::run(&args, asked),
            Command::Status(args) => status::run(&args, asked),
            Command::Sync(args) => sync::run(&args, asked),
            Command::Dead(args) => dead::run(&args, asked),
            Command::Check(args) => check::run(&args, asked),
            Command::Config(args) => config::run(&args, asked),
            Command::Init(args) => init::run(&args),
            Command::Destinations(args) => destinations::run(&args),
            Command::Completions(args) => completions::run(&args),
            Command::Demo(args) => Ok(demo::run(&args)?),
        }
    }
}

/// Whether the verb was told `--json`.
fn wants_json(matches: &ArgMatches) -> bool {
    let told = matches.try_get_one("json").ok().flatten().copied().unwrap_or(false);
    told || matches.subcommand().is_some_and(|(_, verb)| wants_json(verb))
}

/// Runs the command with these arguments, of which the first is its own name, and returns its exit code.
///
/// It owns the process: wrong usage, `--help` and signals end it from inside.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    nethical::hear_warnings(render::warning);
    let matches = Cli::command().get_matches_from(arguments);
    let ended = Cli::from_arg_matches(&matches).unwrap_or_else(|wrong| wrong.exit()).run();
    // What waits on disk is safe before the command ends; what could not be written was told.
    nethical::delivery::sync(LAST_SYNC);
    let exit = ended.unwrap_or_else(|failure| {
        render::failure(&failure, wants_json(&matches));
        failure.exit()
    });
    exit.code()
}
