//! `nethical dead drop`

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use nethical::Event;
use nethical::event::{Family, RunArtifact, RunChange};
use nethical::spool::{DeadLetter, Fate};
use nethical::tracking::artifact;
use serde_json::json;

use super::letters::{Selection, Where, select};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::count;

/// Drop dead letters: from now on they are neither listed nor replayed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    place: Where,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let log = args.place.open(config)?;
    let filter = args.selection.filter();
    let mut dropped = 0_u64;
    if let Some(log) = log {
        let letters = select(&log, &filter, |letter| {
            let copy = copy_of(&letter);
            (letter.destination, letter.id, copy)
        })?;
        if !letters.is_empty() && !args.yes {
            confirm(letters.len() as u64)?;
        }
        for (destination, id, copy) in letters {
            let marked = log.mark(&destination, &id, Fate::Dropped);
            marked.map_err(|error| Failure::io("drop a dead letter", &error))?;
            copy.iter().for_each(artifact::discard);
            dropped += 1;
        }
    }
    let mut out = anstream::stdout();
    if args.json {
        writeln!(out, "{}", json!({ "dropped": dropped }))?;
    } else {
        writeln!(out, "{} dropped", count(dropped, "dead letter"))?;
    }
    Ok(Exit::Success)
}

/// What was copied for an artifact that nobody will send any more.
fn copy_of(letter: &DeadLetter) -> Option<RunArtifact> {
    let event = Event::from_stored(&letter.payload).filter(|event| event.family() == Family::Runs)?;
    match event.run().ok()?.change {
        RunChange::Artifact(artifact) => Some(artifact),
        _ => None,
    }
}

/// Goes on only if somebody says yes.
fn confirm(letters: u64) -> Result<(), Failure> {
    let letters = count(letters, "dead letter");
    if !io::stdin().is_terminal() {
        let message = format!("{letters} would be dropped, and nobody is there to be asked");
        return Err(Failure::usage(message, "drop them with `--yes`; `nethical dead list` shows them"));
    }
    let mut answer = String::new();
    let asked = write!(anstream::stderr(), "drop {letters} for good? [y/N] ");
    asked
        .and_then(|()| io::stdin().lock().read_line(&mut answer))
        .map_err(|error| Failure::io("ask", &error))?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        return Ok(());
    }
    Err(Failure::Message { exit: Exit::Refused, message: "nothing was dropped".to_owned(), hint: None })
}
