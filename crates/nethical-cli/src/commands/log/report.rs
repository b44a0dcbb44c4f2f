//! The account of what became of the entries.

use std::io::Write;
use std::time::Duration;

use nethical::delivery::{Error, Status};
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

/// Everything that the account is made of.
pub(super) struct Account<'a> {
    pub(super) input: &'a Input,
    pub(super) statuses: &'a [Status],
    pub(super) unopened: &'a [(String, Error)],
    pub(super) patience: Duration,
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
        let destinations: Vec<_> = self.statuses.iter().map(summary).collect();
        let lines = count(lines, "line");
        say(&format!(
            "{lines} in {seconds:.1} s ({} a second): {}",
            thousands(per_second),
            destinations.join("; ")
        ));
    }

    fn warn_of_troubles(&self) {
        for Status { name, ledger, last_error, .. } in self.statuses {
            let cause = last_error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            let hint = last_error.as_ref().and_then(Error::hint);
            if ledger.waiting > 0 {
                let left = count(ledger.waiting, "event");
                let patience = self.patience.as_secs_f64();
                warning(&format!("{left} not delivered to `{name}` after {patience} s{cause}"), hint);
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

    fn as_json(&self) -> Value {
        let destinations = self.statuses.iter().map(destination).chain(self.unopened.iter().map(unopened));
        json!({
            "outcome": self.exit.as_str(),
            "lines": self.input.lines,
            "repaired": self.input.lines.map(|_| self.input.repairs()),
            "destinations": destinations.collect::<Vec<_>>(),
        })
    }
}

fn summary(status: &Status) -> String {
    let ledger = &status.ledger;
    let parts = [
        (ledger.confirmed, "confirmed"),
        (ledger.sent, "sent"),
        (ledger.waiting, "waiting"),
        (ledger.dead_lettered, "refused"),
        (ledger.dropped(), "given up"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<_> = parts.map(|(number, word)| format!("{} {word}", thousands(*number))).collect();
    format!("{} {}", status.name, if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") })
}

fn destination(status: &Status) -> Value {
    let (ledger, error) = (&status.ledger, status.last_error.as_ref());
    json!({
        "name": &*status.name,
        "accepted": ledger.accepted,
        "confirmed": ledger.confirmed,
        "sent": ledger.sent,
        "waiting": ledger.waiting,
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
