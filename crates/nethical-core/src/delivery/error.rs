//! What can go wrong in a delivery, sorted once by the destination that saw it.

use std::fmt;
use std::time::Duration;

use crate::delivery::Answer;

/// What a failure means for the events that were to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The configuration cannot work. Events are held until it changes.
    Config,
    /// The endpoint has gone for good (HTTP 410). Events are held until the configuration changes.
    Gone,
    /// The endpoint asks for a pause, of this length if it said so.
    RateLimited(Option<Duration>),
    /// The endpoint refuses this very content. The event is dead-lettered.
    Refused,
    /// Credentials are missing, wrong or not sufficient. Events are held.
    Unauthorized,
    /// The endpoint cannot be reached or is not well: refused, DNS, timeout, 5xx, disk full. Events are held.
    Unavailable,
}

/// A failed delivery, probe or construction. One pointer wide.
///
/// Never holds a secret: what goes in is chosen by the destination's `errors.rs`. What peers say ends up in texts,
/// so control characters become spaces: an error is one line, and does nothing to a terminal.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    code: &'static str,
    message: String,
    hint: Option<String>,
    in_doubt: bool,
    pause: Option<Duration>,
    answer: Option<Answer>,
}

impl Error {
    /// A failure of `kind`. `code` is stable and for programs, `message` is for people: what failed, and where.
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            code,
            message: plain(message.into()),
            hint: None,
            in_doubt: false,
            pause: None,
            answer: None,
        }))
    }

    /// [`Kind::Config`].
    pub fn config(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Config, code, message)
    }

    /// [`Kind::Refused`].
    pub fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, code, message)
    }

    /// [`Kind::Unavailable`].
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, code, message)
    }

    /// Say what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(plain(hint.into()));
        self
    }

    /// Say that the request was sent and not answered: it may have been applied.
    #[must_use]
    pub fn in_doubt(mut self) -> Self {
        self.0.in_doubt = true;
        self
    }

    /// Say that the endpoint asks for a pause before the next attempt, whatever else is wrong.
    #[must_use]
    pub fn with_pause(mut self, pause: Option<Duration>) -> Self {
        self.0.pause = pause;
        self
    }

    /// Keep what the receiver answered, for the record of the delivery.
    #[must_use]
    pub fn with_answer(mut self, answer: Answer) -> Self {
        self.0.answer = Some(answer);
        self
    }

    /// What the receiver answered, if it was kept.
    pub const fn answer(&self) -> Option<&Answer> {
        self.0.answer.as_ref()
    }

    /// What it means for the events.
    pub const fn kind(&self) -> Kind {
        self.0.kind
    }

    /// A stable name, such as `jsonl.disk_full`.
    pub const fn code(&self) -> &'static str {
        self.0.code
    }

    /// What failed, and where.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the request may have been applied although this error came back.
    pub const fn is_in_doubt(&self) -> bool {
        self.0.in_doubt
    }

    /// Whether the endpoint, not the event, is at fault: events are held and tried again.
    pub const fn is_endpoint_fault(&self) -> bool {
        !matches!(self.0.kind, Kind::Refused)
    }

    /// The pause that the endpoint asked for.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.0.kind {
            Kind::RateLimited(Some(after)) => Some(after),
            _ => self.0.pause,
        }
    }
}

fn plain(text: String) -> String {
    if text.contains(char::is_control) { text.replace(char::is_control, " ") } else { text }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, code, message, hint, in_doubt, .. } = &*self.0;
        let doubt = if *in_doubt { ", in doubt" } else { "" };
        write!(f, "{code} ({kind:?}{doubt}): {message}")?;
        hint.iter().try_for_each(|hint| write!(f, "; hint: {hint}"))
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_stays_on_one_line() {
        let error = Error::refused("x.y", "said\n\u{1b}[2J").with_hint("see\r\u{7}that");
        assert_eq!((error.message(), error.hint()), ("said  [2J", Some("see  that")));
    }
}
