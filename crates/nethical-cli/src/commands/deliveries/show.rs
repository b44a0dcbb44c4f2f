//! `nethical deliveries show`

use std::io::Write;
use std::path::Path;

use nethical::delivery::Record;
use serde_json::Value;

use super::records::{Selection, Where};
use crate::commands::place::Place;
use crate::commands::webhook::sending::as_json;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

/// Show a delivery with everything that is known: the message, and what was answered.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The delivery's id, or how it begins.
    id: String,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A message to many webhooks has one id: these are its deliveries.
const MOST: usize = 1_000;

pub(super) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let home = Place::find(args.place.home.as_deref(), config)?.home;
    let records = args.selection.read(&home, Some(&args.id), MOST)?;
    let exit = if records.is_empty() { Exit::Refused } else { Exit::Success };
    let mut out = anstream::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", records.iter().map(described).collect::<Value>())?;
        return Ok(exit);
    }
    if records.is_empty() {
        let hint = "`nethical deliveries list` shows the latest; older ones may be off the record";
        render::error("there is no such delivery", Some(hint));
    }
    for (number, record) in records.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        write_record(&mut out, record)?;
    }
    Ok(exit)
}

fn described(record: &Record) -> Value {
    let mut value = as_json(&record.delivery);
    let message = record.event.as_ref().and_then(|event| serde_json::from_slice(event.json()).ok());
    if let Some(object) = value.as_object_mut() {
        object.insert("message".to_owned(), message.unwrap_or(Value::Null));
    }
    value
}

fn write_record(out: &mut impl Write, record: &Record) -> Result<(), Failure> {
    let described = described(record);
    let plain = described.as_object().into_iter().flatten();
    for (name, value) in plain.filter(|(name, value)| *name != "message" && !value.is_null()) {
        match value {
            Value::Object(pairs) => {
                for (key, value) in pairs {
                    writeln!(out, "{:22} {key}: {}", "", value.as_str().unwrap_or_default())?;
                }
            }
            Value::String(text) => writeln!(out, "{:22} {}", name.replace('_', " "), indented(text))?,
            other => writeln!(out, "{:22} {other}", name.replace('_', " "))?,
        }
    }
    let message = described.get("message").filter(|message| !message.is_null());
    let shown =
        message.map_or_else(|| "was too large to be kept".to_owned(), |message| format!("{message:#}"));
    writeln!(out, "message\n{shown}")?;
    Ok(())
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{:23}", ""))
}
