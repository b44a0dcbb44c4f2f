//! `nethical dead list`

use std::io::Write;
use std::path::Path;

use nethical::spool::DeadLetter;
use serde_json::Value;

use super::letters::{Selection, Where, described, event, select, time};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::count;

/// List dead letters, one on each line.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Letters of a message that are shown.
const FIRST_WORDS: usize = 60;

pub(super) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let log = args.place.open(config)?;
    let filter = args.selection.filter();
    let mut out = anstream::stdout().lock();
    if args.json {
        let one = |letter: DeadLetter| described(&letter, "message", &message(&letter).into());
        let letters = log.map_or_else(|| Ok(Vec::new()), |log| select(&log, &filter, one))?;
        writeln!(out, "{:#}", Value::from(letters))?;
        return Ok(Exit::Success);
    }
    let rows = log.map_or_else(|| Ok(Vec::new()), |log| select(&log, &filter, |letter| row(&letter)))?;
    if rows.is_empty() {
        writeln!(out, "no dead letters")?;
        return Ok(Exit::Success);
    }
    let number = rows.len() as u64;
    let mut table = comfy_table::Table::new();
    let header = ["destination", "id", "reason", "attempts", "given up", "message"];
    table.load_style(comfy_table::presets::NOTHING).set_header(header).add_rows(rows);
    writeln!(out, "{}\n\n{}", table.trim_fmt(), count(number, "dead letter"))?;
    Ok(Exit::Success)
}

fn row(letter: &DeadLetter) -> [String; 6] {
    [
        letter.destination.clone(),
        letter.id.clone(),
        letter.reason.clone(),
        letter.attempts.to_string(),
        time(letter.last_micros / 1_000_000 * 1_000_000),
        first_words(&message(letter)),
    ]
}

/// What the event says, in a word: its message, or else its JSON.
fn message(letter: &DeadLetter) -> String {
    match event(letter) {
        None => format!("({} bytes of a later version)", letter.payload.len()),
        Some(event) => match event.get("message").and_then(Value::as_str) {
            Some(message) => message.to_owned(),
            None => event.to_string(),
        },
    }
}

fn first_words(message: &str) -> String {
    let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut words: String = message.chars().take(FIRST_WORDS).map(clean).collect();
    if message.chars().nth(FIRST_WORDS).is_some() {
        words.push('…');
    }
    words
}
