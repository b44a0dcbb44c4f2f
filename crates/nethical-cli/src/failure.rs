use std::io;

use nethical::ConfigError;
use nethical::delivery::{Error, Kind};

use crate::exit::Exit;

/// Why the command could not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration is wrong.
    Config(ConfigError),
    /// Anything else.
    Message { exit: Exit, message: String, hint: Option<String> },
    /// Whoever reads the output has gone, which concerns nobody.
    BrokenPipe,
}

impl Failure {
    /// The command is used in a wrong way.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Message { exit: Exit::Usage, message: message.into(), hint: Some(hint.into()) }
    }

    /// The system did not do its part.
    pub(crate) fn io(action: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::BrokenPipe;
        }
        Self::Message { exit: Exit::Refused, message: format!("cannot {action}: {error}"), hint: None }
    }

    /// The exit code that goes with it.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Config(_) => Exit::Usage,
            Self::Message { exit, .. } => *exit,
            Self::BrokenPipe => Exit::Success,
        }
    }
}

/// What the failure of a destination means for the command.
pub(crate) const fn exit_of(error: &Error) -> Exit {
    match error.kind() {
        Kind::Config => Exit::Usage,
        _ => Exit::Refused,
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<Error> for Failure {
    /// A failure of a destination that the command cannot go on without.
    fn from(error: Error) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self::Message { exit: exit_of(&error), message: error.to_string(), hint }
    }
}

impl From<io::Error> for Failure {
    /// A failure to write to standard output.
    fn from(error: io::Error) -> Self {
        Self::io("write to standard output", &error)
    }
}
