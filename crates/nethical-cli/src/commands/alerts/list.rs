//! `nethical alerts list`

use std::io::Write;
use std::path::{Path, PathBuf};

use nethical::alerts::{AlertState, remembered};
use nethical::event::{AlertStatus, Severity, Timestamp};

use crate::commands::place::Place;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::{BAD, GOOD, count, styled, thousands};
use crate::units::{since, span};

/// List the alerts that last, the latest first, and how many of each key were held back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also those that are over, for a week.
    #[arg(long, short)]
    all: bool,
    /// The directory to look into. Without it that of the configuration, else that of the environment.
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let place = Place::find(args.home.as_deref(), config)?;
    let mut states = remembered(&place.home, Timestamp::now());
    states.retain(|state| args.all || state.status == AlertStatus::Firing);
    let mut out = anstream::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", serde_json::to_value(&states).unwrap_or_default())?;
        return Ok(Exit::Success);
    }
    if states.is_empty() {
        writeln!(out, "no alerts")?;
        return Ok(Exit::Success);
    }
    let mut table = comfy_table::Table::new();
    let header = ["key", "status", "severity", "for", "sent", "suppressed", "in all", "to", "title"];
    table.load_style(comfy_table::presets::NOTHING).set_header(header).add_rows(states.iter().map(row));
    writeln!(out, "{}\n\n{}", table.trim_fmt(), count(states.len() as u64, "alert"))?;
    Ok(Exit::Success)
}

fn row(state: &AlertState) -> [String; 9] {
    let severity = match state.severity {
        Severity::Error | Severity::Critical => styled(BAD, state.severity.as_str()),
        Severity::Info | Severity::Warning => state.severity.to_string(),
    };
    let status = match state.status {
        AlertStatus::Firing => styled(BAD, state.status.as_str()),
        AlertStatus::Resolved => styled(GOOD, state.status.as_str()),
    };
    let lasted = state.resolved.map(|end| end.duration_since(state.since));
    let lasted = lasted.and_then(|lasted| lasted.try_into().ok()).unwrap_or_else(|| since(state.since));
    [
        state.key.clone(),
        status,
        severity,
        span(lasted),
        thousands(state.sent),
        thousands(state.suppressed),
        thousands(state.suppressed_in_all),
        state.to.join(", "),
        state.title.clone(),
    ]
}
