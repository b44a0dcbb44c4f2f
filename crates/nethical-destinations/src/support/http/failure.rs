//! What keeps a request from being answered.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

/// How far an exchange had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The request itself cannot be written down.
    Request,
    /// The name of the host has no address.
    Lookup,
    /// No connection came about.
    Connect,
    /// TLS did not agree with the other side, or does not trust it.
    Tls,
    /// The request was under way, and no head of an answer came.
    Head,
    /// The answer broke off.
    Body,
}

/// A request that was not answered. Holds no address and no header: those may be secret.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    phase: Phase,
    cause: String,
}

impl Failure {
    /// Sort an error of the client, seen in `phase` or in one before it.
    pub(super) fn new(error: reqwest::Error, phase: Phase) -> Self {
        let error = error.without_url();
        let cause = innermost(&error);
        let phase = if error.is_builder() {
            Phase::Request
        } else if error.is_connect() {
            connect_phase(&error)
        } else {
            phase
        };
        let cause =
            if error.is_connect() && error.is_timeout() { "no connection in time".into() } else { cause };
        Self { phase, cause }
    }

    /// Nothing in time.
    pub(super) fn late(phase: Phase, limit: Duration) -> Self {
        Self { phase, cause: format!("no answer within {} s", limit.as_secs_f32()) }
    }

    /// One that happened in this phase.
    #[cfg(test)]
    pub(crate) fn at(phase: Phase) -> Self {
        Self { phase, cause: "as a test says".to_owned() }
    }

    /// How far the exchange had come.
    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the server may have acted upon the request.
    pub(crate) const fn is_in_doubt(&self) -> bool {
        matches!(self.phase, Phase::Head | Phase::Body)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

/// Which step of connecting failed.
fn connect_phase(error: &reqwest::Error) -> Phase {
    let mut cause = error.source();
    while let Some(error) = cause {
        // The client's own text for a failed lookup; the type behind it is the system resolver's.
        if error.to_string() == "dns error" {
            return Phase::Lookup;
        }
        if is_tls(error) {
            return Phase::Tls;
        }
        cause = error.source();
    }
    Phase::Connect
}

/// Whether the handshake failed. What a verifier says may stand inside errors of the connection.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let inside = |error: &io::Error| {
        error.kind() == io::ErrorKind::InvalidData || error.get_ref().is_some_and(|inner| is_tls(inner))
    };
    error.is::<rustls::Error>() || error.downcast_ref::<io::Error>().is_some_and(inside)
}

/// The text of the first cause, which is the one that says something.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
