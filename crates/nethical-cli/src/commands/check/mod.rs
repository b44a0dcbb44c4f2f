//! `nethical check`

mod alerting;
mod disk;
mod environment;
mod finding;
mod reach;
mod show;
mod waiting;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nethical::Config;
use nethical::config::{Configured, Section};

use self::finding::{Finding, Report};
use super::load_config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units::seconds;

/// See whether the configuration is right and everything in it works.
///
/// All destinations are opened and asked at the same time, without a message to anybody. Below them stand the place where
/// events wait on disk, and what the environment says. Whatever does not work comes with its cause and the next step.
///
/// Ends with 0 if everything works, warnings aside, with 2 if the configuration cannot be read or used at all, and with
/// 1 if something else does not work.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only read the configuration; open and reach nothing.
    #[arg(long)]
    offline: bool,
    /// Also send a message to each webhook: whether Slack and others take one shows only that.
    #[arg(long, conflicts_with = "offline")]
    send: bool,
    /// What gives no answer within this time has failed.
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    timeout: Duration,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  nethical check
  nethical check --send --timeout 60
  nethical check --json | jq '.destinations[] | select(.ok | not)'";

pub(crate) fn run(args: &Args, asked: Option<&Path>) -> Result<Exit, Failure> {
    let config = Arc::new(load_config(asked)?);
    let report = examine(args, &config, asked);
    let mut out = anstream::stdout();
    if args.json {
        writeln!(out, "{:#}", show::json(config.name(), &report))?;
    } else {
        show::text(&mut out, config.name(), &report)?;
    }
    Ok(report.exit())
}

fn examine(args: &Args, config: &Arc<Config>, asked: Option<&Path>) -> Report {
    let found = match args.offline {
        true => config.destinations().iter().map(as_read).collect(),
        false => reach::reach(config, args.send, args.timeout),
    };
    Report {
        sections: by_section(config, found),
        alerting: alerting::look(config),
        spool: if args.offline { Vec::new() } else { disk::look(config, asked) },
        environment: environment::look(config),
    }
}

/// What a destination is, by what was read.
fn as_read(destination: &Configured) -> Finding {
    let text = format!("{}, {} and above", destination.kind().name, destination.level());
    Finding::of(destination, Ok(text), Duration::ZERO)
}

/// The findings about each destination, which come in the order of the configuration, by its table.
fn by_section(config: &Config, found: Vec<Finding>) -> Vec<(Section, Vec<Finding>)> {
    let mut sections: Vec<(Section, Vec<Finding>)> = Vec::new();
    for (destination, finding) in config.destinations().iter().zip(found) {
        match sections.last_mut() {
            Some((section, findings)) if *section == destination.section() => findings.push(finding),
            _ => sections.push((destination.section(), vec![finding])),
        }
    }
    sections
}
