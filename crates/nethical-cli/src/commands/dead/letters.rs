//! Which dead letters, and where they are.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nethical::Event;
use nethical::event::Timestamp;
use nethical::spool::{DeadLetter, DeadLetterLog, Disk, Filter, Home, Retention};
use serde_json::{Value, json};

use crate::commands::place::Place;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units::moment;

/// Which dead letters; all without any of these.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// Of this destination.
    #[arg(long, short, value_name = "NAME")]
    destination: Option<String>,
    /// With this id.
    #[arg(long)]
    id: Option<String>,
    /// With this reason, as `list` shows it.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Given up at or after this time: RFC 3339, or an age such as 90s, 2h or 3d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Given up before this time: RFC 3339, or an age.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

/// Where to look.
#[derive(Debug, clap::Args)]
pub(super) struct Where {
    /// The directory to look into. Without it that of the configuration, else that of the environment.
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

impl Where {
    /// The dead letters there; `None` if there never were any.
    pub(super) fn open(&self, config: Option<&Path>) -> Result<Option<DeadLetterLog>, Failure> {
        open(&Place::find(self.home.as_deref(), config)?.home)
    }
}

/// The dead letters of a home; `None` if there never were any.
pub(in crate::commands) fn open(home: &Path) -> Result<Option<DeadLetterLog>, Failure> {
    let folder = Home::new(Arc::new(Disk), home).dead_letters();
    match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::io(&format!("look into {}", home.display()), &error)),
        Ok(_) => {}
    }
    let log = DeadLetterLog::open(Arc::new(Disk), &folder, Retention::default());
    log.map(Some).map_err(|error| Failure::Message {
        exit: Exit::Refused,
        message: error.to_string(),
        hint: None,
    })
}

impl Selection {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            destination: self.destination.clone(),
            id: self.id.clone(),
            reason: self.reason.clone(),
            since_micros: self.since.map(micros),
            until_micros: self.until.map(micros),
        }
    }
}

fn micros(at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond()).unwrap_or_default()
}

/// What becomes of every letter that was selected, the one that was given up first at the head.
pub(super) fn select<T>(
    log: &DeadLetterLog,
    filter: &Filter,
    mut take: impl FnMut(DeadLetter) -> T,
) -> Result<Vec<T>, Failure> {
    let mut taken = Vec::new();
    let visited = log.visit(filter, |letter| {
        taken.push((letter.last_micros, take(letter)));
        ControlFlow::Continue(())
    });
    visited.map_err(|error| Failure::io("read the dead letters", &error))?;
    taken.sort_by_key(|(at, _)| *at);
    Ok(taken.into_iter().map(|(_, taken)| taken).collect())
}

/// A time as people and programs read it.
pub(super) fn time(micros: u64) -> String {
    let at = i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// What is known about a letter, and one thing more about its event.
pub(super) fn described(letter: &DeadLetter, name: &str, about: &Value) -> Value {
    json!({
        "destination": letter.destination,
        "id": letter.id,
        "reason": letter.reason,
        "answer": letter.answer,
        "attempts": letter.attempts,
        "happened": time(letter.first_micros),
        "given_up": time(letter.last_micros),
        name: about,
    })
}

/// The event as JSON; `None` if this version cannot read it.
pub(super) fn event(letter: &DeadLetter) -> Option<Value> {
    let event = Event::from_stored(&letter.payload)?;
    let as_text = || String::from_utf8_lossy(event.json()).into_owned().into();
    Some(serde_json::from_slice(event.json()).unwrap_or_else(|_| as_text()))
}
