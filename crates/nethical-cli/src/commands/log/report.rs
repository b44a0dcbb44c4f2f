//! The account of what became of the entries.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use nethical::delivery::{Error, Ledger, Status};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::{count, say, thousands, warning};

/// What came in, and what had to be mended of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Input {
    /// Lines of standard input; `None` for an entry from the command line.
    pub(super) lines: Option<u64>,
    /// How long reading them took.
    pub(super) took: Duration,
    /// Lines with bytes that are not UTF-8.
    pub(super) not_utf8: u64,
    /// Lines with NUL characters.
    pub(super) with_nul: u64,
    /// Lines of which the end was not read.
    pub(super) cut: u64,
    /// Lines that should be JSON objects and are not.
    pub(super) not_json: u64,
    /// Lines with a time or a level that cannot be read.
    pub(super) odd: u64,
}

/// What became of the entries of one destination.
#[derive(Debug)]
pub(super) struct Fate {
    pub(super) name: Arc<str>,
    /// What this command did. If it also delivered what earlier ones had left, that is among it.
    pub(super) ledger: Ledger,
    /// Events that earlier commands had left.
    earlier: u64,
    /// Those of them that still wait.
    earlier_waiting: u64,
    /// Whether what waits is safe on disk.
    kept: bool,
    last_error: Option<Error>,
}

impl Fate {
    pub(super) fn of(status: Status, on_disk: bool) -> Self {
        let ledger = status.ledger.since(&status.inherited);
        let (earlier, kept) = (status.inherited.waiting, on_disk && status.key.is_some());
        // What was left goes first, so what waits is the end of what this command took, and only then of that.
        let earlier_waiting = ledger.waiting.saturating_sub(ledger.accepted);
        let name = status.name;
        Self { name, ledger, earlier, earlier_waiting, kept, last_error: status.last_error }
    }

    /// Events of this command that wait.
    const fn own_waiting(&self) -> u64 {
        self.ledger.waiting - self.earlier_waiting
    }
}

/// Everything that the account is made of.
pub(super) struct Account<'a> {
    pub(super) input: &'a Input,
    pub(super) fates: &'a [Fate],
    pub(super) unopened: &'a [(String, Error)],
    pub(super) patience: Duration,
    /// The command that delivers what is kept.
    pub(super) later: &'a str,
    pub(super) exit: Exit,
}

impl Account<'_> {
    /// Print it: troubles always, successes of standard input, and all of it as JSON if asked for.
    pub(super) fn give(&self, json: bool) -> Result<(), Failure> {
        if let Some(lines) = self.input.lines {
            self.say_summary(lines);
            self.input.warn();
        }
        self.warn_of_troubles();
        if json {
            writeln!(anstream::stdout(), "{}", self.as_json())?;
        }
        Ok(())
    }

    fn say_summary(&self, lines: u64) {
        let seconds = self.input.took.as_secs_f64();
        let per_second = if seconds > 0.0 { (lines as f64 / seconds) as u64 } else { lines };
        let destinations: Vec<_> = self.fates.iter().map(summary).collect();
        let lines = count(lines, "line");
        say(&format!(
            "{lines} in {seconds:.1} s ({} a second): {}",
            thousands(per_second),
            destinations.join("; ")
        ));
    }

    fn warn_of_troubles(&self) {
        for fate in self.fates {
            let Fate { name, ledger, last_error, .. } = fate;
            let cause = last_error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            let hint = last_error.as_ref().and_then(Error::hint);
            if ledger.waiting > 0 {
                self.warn_of_waiting(fate, &cause, hint);
            }
            if ledger.dead_lettered > 0 {
                let refused = count(ledger.dead_lettered, "event");
                warning(&format!("{refused} refused by `{name}`{cause}"), hint);
            }
            if ledger.dropped() > 0 {
                warning(&format!("{} for `{name}` given up", count(ledger.dropped(), "event")), None);
            }
        }
    }

    fn warn_of_waiting(&self, fate: &Fate, cause: &str, hint: Option<&str>) {
        let (own, name, patience) = (fate.own_waiting(), &fate.name, self.patience.as_secs_f64());
        let left = match fate.earlier_waiting {
            0 => count(own, "event"),
            before if own == 0 => format!("{} from before", count(before, "event")),
            before => format!("{} and {} from before", count(own, "event"), thousands(before)),
        };
        let message = format!("{left} not delivered to `{name}` after {patience} s{cause}");
        if !fate.kept {
            return warning(&message, hint);
        }
        let later = format!("`{}` delivers them", self.later);
        let hint = hint.map_or_else(|| later.clone(), |hint| format!("{hint}; {later}"));
        warning(&format!("kept for later: {message}"), Some(&hint));
    }

    /// The word for how it ended.
    fn outcome(&self) -> &'static str {
        let mut waiting = self.fates.iter().filter(|fate| fate.ledger.waiting > 0);
        match self.exit {
            Exit::Later if waiting.all(|fate| fate.kept) => "kept",
            exit => exit.as_str(),
        }
    }

    fn as_json(&self) -> Value {
        let destinations = self.fates.iter().map(destination).chain(self.unopened.iter().map(unopened));
        json!({
            "outcome": self.outcome(),
            "lines": self.input.lines,
            "repaired": self.input.lines.map(|_| self.input.repairs()),
            "destinations": destinations.collect::<Vec<_>>(),
        })
    }
}

fn summary(fate: &Fate) -> String {
    let ledger = &fate.ledger;
    let parts = [
        (ledger.confirmed, "confirmed"),
        (ledger.sent, "sent"),
        (fate.own_waiting(), if fate.kept { "kept" } else { "waiting" }),
        (ledger.dead_lettered, "refused"),
        (ledger.dropped(), "given up"),
        (fate.earlier_waiting, "from before still waiting"),
        (fate.earlier.saturating_sub(fate.earlier_waiting), "of them from before"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<_> = parts.map(|(number, word)| format!("{} {word}", thousands(*number))).collect();
    format!("{} {}", fate.name, if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") })
}

fn destination(fate: &Fate) -> Value {
    let (ledger, error) = (&fate.ledger, fate.last_error.as_ref());
    json!({
        "name": &*fate.name,
        "earlier": fate.earlier,
        "earlier_waiting": fate.earlier_waiting,
        "accepted": ledger.accepted,
        "confirmed": ledger.confirmed,
        "sent": ledger.sent,
        "waiting": ledger.waiting,
        "kept": if fate.kept { ledger.waiting } else { 0 },
        "dead_lettered": ledger.dead_lettered,
        "dropped": ledger.dropped(),
        "error": error.map(ToString::to_string),
        "code": error.map(Error::code),
        "hint": error.and_then(Error::hint),
    })
}

fn unopened((name, error): &(String, Error)) -> Value {
    json!({
        "name": name,
        "accepted": 0,
        "error": error.to_string(),
        "code": error.code(),
        "hint": error.hint(),
    })
}

impl Input {
    fn kinds(&self) -> [(u64, &'static str, &'static str); 5] {
        [
            (self.not_utf8, "not_utf8", "held bytes that are not UTF-8, written as `\u{fffd}`"),
            (self.with_nul, "nul", "held NUL characters, written as `\\u0000`"),
            (self.cut, "cut", "were longer than 1 MiB and cut there"),
            (self.not_json, "not_json", "were no JSON objects and taken as text"),
            (self.odd, "odd", "had a time or level that cannot be read, kept in the metadata"),
        ]
    }

    fn warn(&self) {
        for (number, _, what) in self.kinds() {
            if number > 0 {
                warning(&format!("{} {what}", count(number, "line")), None);
            }
        }
    }

    fn repairs(&self) -> Value {
        self.kinds().iter().map(|(number, name, _)| ((*name).to_owned(), Value::from(*number))).collect()
    }
}
