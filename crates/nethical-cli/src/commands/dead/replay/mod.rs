//! `nethical dead replay`

mod sending;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use nethical::Config;
use nethical::delivery::Error;
use nethical::spool::{DeadLetter, DeadLetterLog, Fate};
use nethical::tracking::ARTIFACTS;
use serde_json::{Value, json};

use self::sending::Sending;
use super::letters::{Selection, open, select};
use crate::commands::place::{Place, destination_of};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::{self, count};
use crate::units::seconds;

/// Send dead letters to their destinations again.
///
/// Each event keeps its id. A letter that its destination takes, or that waits on disk for it, is no longer
/// listed; one that is refused again is listed with the new answer.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Wait at most this long for everything to be delivered.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    wait: Duration,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How the replay of a letter ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The destination has it.
    Delivered,
    /// It waits on disk.
    Kept,
    /// It is a dead letter again.
    Refused,
    /// It was not taken for delivery, or given up; the letter stays.
    Failed,
    /// The configuration has no such destination, or it cannot be opened.
    Nowhere,
    /// Its destination takes nothing a second time.
    Never,
}

/// Letters by the names of their destinations.
type Letters = BTreeMap<String, Vec<DeadLetter>>;

/// A letter and how its replay ended.
struct Replayed {
    letter: DeadLetter,
    ending: Ending,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let deadline = Instant::now() + args.wait;
    let place = Place::to_deliver(config)?;
    let replayed = match (open(&place.home)?, &place.config) {
        (Some(log), Some(config)) => replay(&log, config, args, deadline)?,
        _ => Vec::new(),
    };
    let mut out = anstream::stdout();
    if args.json {
        writeln!(out, "{:#}", replayed.iter().map(described).collect::<Value>())?;
    } else {
        summary(&replayed).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    Ok(replayed.iter().map(|one| one.ending.exit()).max().unwrap_or(Exit::Success))
}

fn replay(
    log: &DeadLetterLog,
    config: &Config,
    args: &Args,
    deadline: Instant,
) -> Result<Vec<Replayed>, Failure> {
    let mut by_destination = Letters::new();
    for letter in select(log, &args.selection.filter(), |letter| letter)? {
        by_destination.entry(letter.destination.clone()).or_default().push(letter);
    }
    // The start of a run may be among the letters, and an artifact needs it.
    let (artifacts, others): (Letters, Letters) =
        by_destination.into_iter().partition(|(name, _)| name.ends_with(ARTIFACTS));
    let mut replayed = send_all(log, config, others, deadline)?;
    replayed.extend(send_all(log, config, artifacts, deadline)?);
    for one in replayed.iter().filter(|one| one.ending.is_accepted()) {
        let marked = log.mark(&one.letter.destination, &one.letter.id, Fate::Replayed);
        marked.map_err(|error| Failure::io("note that a dead letter was replayed", &error))?;
    }
    Ok(replayed)
}

/// Send all of these at the same time.
fn send_all(
    log: &DeadLetterLog,
    config: &Config,
    letters: Letters,
    deadline: Instant,
) -> Result<Vec<Replayed>, Failure> {
    let (mut replayed, mut sendings) = (Vec::new(), Vec::new());
    for (name, letters) in letters {
        match start(config, &name, &letters) {
            Ok(sending) => sendings.push((sending, letters)),
            Err(ending) => {
                replayed.extend(letters.into_iter().map(|letter| Replayed { letter, ending }));
            }
        }
    }
    for (sending, letters) in sendings {
        let endings = sending.finish(log, &letters, deadline)?;
        replayed.extend(letters.into_iter().zip(endings).map(|(letter, ending)| Replayed { letter, ending }));
    }
    Ok(replayed)
}

/// Hand the letters of one destination to it.
fn start(config: &Config, name: &str, letters: &[DeadLetter]) -> Result<Sending, Ending> {
    let Some(destination) = destination_of(config, name) else {
        let message = format!("{} has no destination `{name}`", config.name());
        render::error(&message, Some("name a configuration that has with `--config`"));
        return Err(Ending::Nowhere);
    };
    let failed = |ending| {
        move |error: Error| {
            render::destination_error(name, &error);
            ending
        }
    };
    destination.check_replay().map_err(failed(Ending::Never))?;
    Sending::start(destination, name, letters).map_err(failed(Ending::Nowhere))
}

fn described(one: &Replayed) -> Value {
    let Replayed { letter: DeadLetter { destination, id, .. }, ending } = one;
    json!({ "destination": destination, "id": id, "outcome": ending.as_str() })
}

/// One line for each way in which letters ended.
fn summary(replayed: &[Replayed]) -> Vec<String> {
    if replayed.is_empty() {
        return vec!["no dead letters to replay".to_owned()];
    }
    let all =
        [Ending::Delivered, Ending::Kept, Ending::Refused, Ending::Failed, Ending::Nowhere, Ending::Never];
    let counted = all.into_iter().map(|ending| {
        let letters = replayed.iter().filter(|one| one.ending == ending).count() as u64;
        (letters, ending)
    });
    let counted = counted.filter(|(letters, _)| *letters > 0);
    counted
        .map(|(letters, ending)| format!("{} {}", count(letters, "dead letter"), ending.sentence()))
        .collect()
}

impl Ending {
    const fn exit(self) -> Exit {
        match self {
            Self::Delivered => Exit::Success,
            Self::Kept => Exit::Later,
            Self::Refused | Self::Failed | Self::Never => Exit::Refused,
            Self::Nowhere => Exit::Usage,
        }
    }

    /// Whether the letter is done with.
    const fn is_accepted(self) -> bool {
        matches!(self, Self::Delivered | Self::Kept)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Kept => "kept",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Nowhere => "no_destination",
            Self::Never => "not_repeatable",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Kept => "kept for later: `nethical sync` delivers them",
            Self::Refused => "refused again: `nethical dead show` has the new answer",
            Self::Failed => "not taken, and listed as before",
            Self::Nowhere => "without a destination, and listed as before",
            Self::Never => "whose destination takes nothing again, and listed as before",
        }
    }
}
