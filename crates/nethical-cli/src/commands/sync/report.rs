//! What was delivered, and what is left.

use std::io::Write;

use nethical::delivery::{Error, Status};
use serde_json::{Value, json};

use super::runs::Runs;
use crate::commands::status::{Left, View, left_as_json};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::{count, thousands, warning};
use crate::units::bytes;

pub(super) struct Report<'a> {
    pub(super) statuses: &'a [Status],
    pub(super) unopened: &'a [(String, Error)],
    /// What is left of events; none if only runs were looked at.
    pub(super) after: Option<&'a View>,
    pub(super) runs: &'a Runs,
    pub(super) exit: Exit,
}

impl Report<'_> {
    pub(super) fn give(&self, json: bool) -> Result<(), Failure> {
        if json {
            writeln!(anstream::stdout(), "{:#}", self.as_json())?;
            return Ok(());
        }
        for line in self.lines() {
            writeln!(anstream::stdout(), "{line}")?;
        }
        self.statuses.iter().for_each(warn);
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.statuses.iter().map(delivered).collect();
        lines.extend(self.runs.lines());
        let Some(after) = self.after else { return lines };
        for left in &after.left {
            let (events, size) = (count(left.events, "event"), bytes(left.bytes));
            let said = left.runs.as_ref().is_some_and(|runs| self.runs.says_why(&runs.paths));
            let why = if said { "see what is said of them".to_owned() } else { left.remedy() };
            lines.push(format!("{}: {events} ({size}) left: {why}", left.key));
        }
        if after.held() > 0 {
            let held = count(after.held(), "event");
            lines.push(format!("{held} with running processes, which deliver them; see `nethical status`"));
        }
        if after.left.is_empty() {
            lines.push("nothing of ended processes is left".to_owned());
        }
        lines
    }

    /// What delivers it; where this sync could not, what it was told to do instead.
    fn remedy(&self, left: &Left) -> String {
        let told = left.runs.as_ref().and_then(|runs| self.runs.told(&runs.paths));
        told.map_or_else(|| left.remedy(), |error| error.hint().unwrap_or(error.message()).to_owned())
    }

    fn as_json(&self) -> Value {
        let destinations = self.statuses.iter().map(destination).chain(self.unopened.iter().map(unopened));
        json!({
            "outcome": self.exit.as_str(),
            "destinations": destinations.collect::<Vec<_>>(),
            "runs": self.runs.as_json(),
            "left": self.after.map(|after| left_as_json(&after.left, |left| self.remedy(left))),
            "held": self.after.map(View::held),
        })
    }
}

fn name(status: &Status) -> &str {
    status.key.as_deref().unwrap_or(&status.name)
}

fn delivered(status: &Status) -> String {
    let ledger = status.ledger.since(&status.inherited);
    let parts = [(ledger.dead_lettered, "refused"), (ledger.dropped(), "given up")];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let rest: String = parts.map(|(number, word)| format!(", {} {word}", thousands(*number))).collect();
    format!("{}: {} delivered{rest}", name(status), count(ledger.confirmed + ledger.sent, "event"))
}

/// Why something is left, or was refused.
fn warn(status: &Status) {
    let (name, ledger) = (name(status), status.ledger.since(&status.inherited));
    if let Some(error) = status.last_error.as_ref().filter(|_| ledger.waiting > 0) {
        warning(&format!("`{name}`: {error}"), error.hint());
    }
    if ledger.dead_lettered > 0 {
        let message = format!("`{name}` refused {}", count(ledger.dead_lettered, "event"));
        warning(&message, Some(&format!("`nethical dead list --destination {name}`")));
    }
}

fn destination(status: &Status) -> Value {
    let ledger = status.ledger.since(&status.inherited);
    let error = status.last_error.as_ref();
    json!({
        "name": name(status),
        "confirmed": ledger.confirmed,
        "sent": ledger.sent,
        "dead_lettered": ledger.dead_lettered,
        "dropped": ledger.dropped(),
        "waiting": ledger.waiting,
        "error": error.map(ToString::to_string),
        "code": error.map(Error::code),
        "hint": error.and_then(Error::hint),
    })
}

fn unopened((name, error): &(String, Error)) -> Value {
    json!({ "name": name, "error": error.to_string(), "code": error.code(), "hint": error.hint() })
}
