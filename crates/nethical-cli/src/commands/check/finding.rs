//! What was found out, and how it weighs.

use std::time::Duration;

use nethical::config::{Configured, Section};
use nethical::delivery::Error;

use crate::exit::Exit;
use crate::failure::exit_of;

/// What was found out about one thing.
#[derive(Debug)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) name: String,
    /// The type, if it is a destination.
    pub(super) kind: Option<&'static str>,
    pub(super) state: State,
    /// The text: the first line in short, further ones about it.
    pub(super) text: String,
    /// A stable name of what failed.
    pub(super) code: Option<&'static str>,
    /// What to do next.
    pub(super) hint: Option<String>,
    /// How long it took to find that out.
    pub(super) took: Duration,
    exit: Exit,
}

/// Why a destination does not work.
#[derive(Debug)]
pub(super) struct Failed {
    error: Error,
    exit: Exit,
}

impl From<Error> for Failed {
    /// It cannot be opened, and nothing else was asked: where its options are at fault, the configuration is.
    fn from(error: Error) -> Self {
        Self { exit: exit_of(&error), error }
    }
}

impl Failed {
    /// It could be opened, so the configuration holds, and what is there does not do.
    pub(super) const fn at_work(error: Error) -> Self {
        Self { error, exit: Exit::Refused }
    }
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It works.
    Ok,
    /// It works, and somebody should know something.
    Warning,
    /// It does not work.
    Failed,
}

impl State {
    /// The word for it, also in JSON.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

impl Finding {
    pub(super) fn ok(name: &str, text: impl Into<String>) -> Self {
        let name = name.to_owned();
        let (kind, code, hint, took) = (None, None, None, Duration::ZERO);
        Self { name, kind, state: State::Ok, text: text.into(), code, hint, took, exit: Exit::Success }
    }

    pub(super) fn warning(name: &str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { state: State::Warning, hint: Some(hint.into()), ..Self::ok(name, text) }
    }

    pub(super) fn failed(name: &str, error: &Error) -> Self {
        let (code, hint) = (Some(error.code()), error.hint().map(str::to_owned));
        Self { state: State::Failed, code, hint, exit: exit_of(error), ..Self::ok(name, error.to_string()) }
    }

    /// What a look at a destination has shown.
    pub(super) fn of(destination: &Configured, found: Result<String, Failed>, took: Duration) -> Self {
        let name = destination.name();
        let failed = |Failed { error, exit }| Self { exit, ..Self::failed(name, &error) };
        let finding = found.map_or_else(failed, |text| Self::ok(name, text));
        Self { kind: Some(destination.kind().name), took, ..finding }
    }
}

/// Everything that was found out, in the order in which it is shown.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The destinations of each table.
    pub(super) sections: Vec<(Section, Vec<Finding>)>,
    /// Whether alerts have somewhere to go.
    pub(super) alerting: Vec<Finding>,
    /// Where events wait on disk, and what does.
    pub(super) spool: Vec<Finding>,
    /// The file itself, and what the environment says.
    pub(super) environment: Vec<Finding>,
}

impl Report {
    /// Every finding.
    pub(super) fn all(&self) -> impl Iterator<Item = &Finding> {
        let sections = self.sections.iter().flat_map(|(_, findings)| findings);
        sections.chain(&self.alerting).chain(&self.spool).chain(&self.environment)
    }

    /// How many there are in this state.
    pub(super) fn count(&self, state: State) -> u64 {
        self.all().filter(|finding| finding.state == state).count() as u64
    }

    /// How the command ends: warnings are no failures.
    pub(super) fn exit(&self) -> Exit {
        self.all().map(|finding| finding.exit).max().unwrap_or(Exit::Success)
    }
}
