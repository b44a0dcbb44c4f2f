//! `nethical dead show`

use std::io::Write;
use std::path::Path;

use nethical::spool::DeadLetter;
use serde_json::Value;

use super::letters::{Selection, Where, described, event, select};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

/// Show dead letters with everything that is known: the receiver's answer, and the event.
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

pub(super) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let log = args.place.open(config)?;
    let filter = args.selection.filter();
    let letters = log.map_or_else(|| Ok(Vec::new()), |log| select(&log, &filter, |letter| shown(&letter)))?;
    let exit = if letters.is_empty() { Exit::Refused } else { Exit::Success };
    let mut out = anstream::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", Value::from(letters))?;
        return Ok(exit);
    }
    if letters.is_empty() {
        render::error("there is no such dead letter", Some("`nethical dead list` shows all of them"));
    }
    for (number, letter) in letters.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        write_letter(&mut out, letter)?;
    }
    Ok(exit)
}

fn shown(letter: &DeadLetter) -> Value {
    described(letter, "event", &event(letter).unwrap_or_default())
}

fn write_letter(out: &mut impl Write, letter: &Value) -> Result<(), Failure> {
    for (name, value) in letter.as_object().into_iter().flatten().filter(|(name, _)| *name != "event") {
        let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writeln!(out, "{:12} {plain}", name.replace('_', " "))?;
    }
    match letter.get("event") {
        Some(Value::Null) | None => writeln!(out, "event        cannot be read: a later version wrote it")?,
        Some(event) => writeln!(out, "event\n{event:#}")?,
    }
    Ok(())
}
