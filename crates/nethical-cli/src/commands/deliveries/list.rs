//! `nethical deliveries list`

use std::io::Write;
use std::path::Path;

use nethical::delivery::{Delivery, DeliveryStatus};
use serde_json::Value;

use super::records::{Selection, Where};
use crate::commands::place::Place;
use crate::commands::webhook::sending::as_json;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::{BAD, GOOD, styled, thousands};

/// List deliveries, the latest first.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    place: Where,
    /// At most so many.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let home = Place::find(args.place.home.as_deref(), config)?.home;
    let records = args.selection.read(&home, None, args.limit)?;
    let mut out = anstream::stdout().lock();
    if args.json {
        let all: Value = records.iter().map(|record| as_json(&record.delivery)).collect();
        writeln!(out, "{all:#}")?;
        return Ok(Exit::Success);
    }
    if records.is_empty() {
        writeln!(out, "no deliveries")?;
        return Ok(Exit::Success);
    }
    let mut table = comfy_table::Table::new();
    let header = ["webhook", "id", "status", "answer", "attempts", "took", "last attempt", "error"];
    let rows = records.iter().map(|record| row(&record.delivery));
    table.load_style(comfy_table::presets::NOTHING).set_header(header).add_rows(rows);
    let number = records.len() as u64;
    let noun = if number == 1 { "delivery" } else { "deliveries" };
    writeln!(out, "{}\n\n{} {noun}", table.trim_fmt(), thousands(number))?;
    Ok(Exit::Success)
}

fn row(delivery: &Delivery) -> [String; 8] {
    let style = if delivery.status == DeliveryStatus::Success { GOOD } else { BAD };
    [
        delivery.destination.clone(),
        delivery.delivery_id.clone(),
        styled(style, delivery.status.as_str()),
        delivery.response_code.map(|code| code.to_string()).unwrap_or_default(),
        delivery.attempt_count.to_string(),
        delivery.duration_ms.map(|ms| format!("{ms:.0} ms")).unwrap_or_default(),
        delivery.last_attempt.map(|at| format!("{at:.0}")).unwrap_or_default(),
        delivery.error_code.clone().unwrap_or_default(),
    ]
}
