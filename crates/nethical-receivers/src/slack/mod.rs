//! Slack's incoming webhooks, stricter than the real ones: every limit of a message is kept, keys that Slack
//! would ignore are refused, and every refusal is noted.
//!
//! ```
//! use nethical_receivers::slack::{Slack, check};
//!
//! let slack = Slack::start()?;
//! assert!(slack.webhook_url().contains("/services/"));
//! let refused = check(&serde_json::json!({ "text": "" })).unwrap_err();
//! assert_eq!(refused.code, "no_text");
//! # Ok::<(), std::io::Error>(())
//! ```

mod attachments;
mod blocks;
mod message;
mod pace;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

pub use self::message::{Refused, check};
use self::pace::Pace;
use crate::Clock;
use crate::http::{Answer, Handler, Request, Script, Server};
use crate::kept::Kept;

/// A message that was taken.
#[derive(Debug, Clone)]
pub struct Message {
    /// The path of the webhook that it came to.
    pub path: String,
    /// The body.
    pub body: Value,
    /// When, in seconds on the receiver's clock.
    pub at: f64,
}

impl Message {
    /// What people would read, as plain text.
    pub fn shown(&self) -> String {
        shown::message(&self.body)
    }

    /// What Slack would not show as text but act on: `!channel`, `@U1`, `https://example.com|here`.
    pub fn controls(&self) -> Vec<String> {
        shown::controls(&self.body)
    }
}

/// What was counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests, whatever came of them.
    pub requests: u64,
    /// Messages that were refused for what they are.
    pub refused: u64,
    /// Requests over the rate.
    pub limited: u64,
    /// Of those, requests that came before the time was over that the one before was told to wait.
    pub impatient: u64,
}

/// A running receiver on the loopback interface. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Slack {
    service: Arc<Service>,
    server: Arc<Server>,
}

impl Slack {
    /// Start it on a free port.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn start() -> io::Result<Self> {
        Self::start_with(Clock::default())
    }

    /// Start it on a free port, with its rate on this clock.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn start_with(clock: Clock) -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), clock)
    }

    /// Start it at this address.
    ///
    /// # Errors
    /// If the address is taken.
    pub fn start_at(address: SocketAddr, clock: Clock) -> io::Result<Self> {
        let service = Arc::new(Service {
            clock,
            script: Script::default(),
            messages: Kept::default(),
            state: Mutex::default(),
        });
        let server = Arc::new(Server::start_at(address, Arc::clone(&service))?);
        Ok(Self { service, server })
    }

    /// The address of a webhook. Any other path below `/services/` is a webhook as well, with a rate of its own.
    pub fn webhook_url(&self) -> String {
        format!("{}/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", self.server.url())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Answer the next request that has no answer yet like this, instead of what it deserves.
    pub fn answer(&self, answer: Answer) {
        self.service.script.push(answer);
    }

    /// Answer every request like this, until `None`.
    pub fn always(&self, answer: impl Into<Option<Answer>>) {
        self.service.script.always(answer.into());
    }

    /// The messages that were taken so far, in their order.
    pub fn messages(&self) -> Vec<Message> {
        self.service.messages.all()
    }

    /// Wait until so many messages were taken, at most ten seconds; returns all that were.
    pub fn wait_for(&self, count: usize) -> Vec<Message> {
        self.service.messages.wait_for(count)
    }

    /// Why messages were refused, in words.
    pub fn violations(&self) -> Vec<String> {
        self.service.state().violations.clone()
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.service.state().counts
    }

    /// Close the port and every connection.
    pub fn stop(&self) {
        self.server.stop();
    }
}

/// Slack's answer with this error, at the status that goes with it.
pub fn error(code: &str) -> Answer {
    let status = match code {
        "channel_not_found" | "no_service" | "no_service_id" | "no_active_hooks" | "no_team"
        | "team_disabled" => 404,
        "action_prohibited" | "invalid_token" | "posting_to_general_channel_denied" => 403,
        "channel_is_archived" => 410,
        "rollup_error" => 500,
        _ => 400,
    };
    Answer::text(status, code)
}

/// Slack's answer to one message too many, with whole seconds to wait.
pub fn rate_limited(seconds: u64) -> Answer {
    let body = json!({ "retry_after": seconds, "ok": false, "error": "rate_limited" });
    Answer::json(429, &body).header("retry-after", seconds.to_string())
}

#[derive(Debug)]
struct Service {
    clock: Clock,
    script: Script,
    messages: Kept<Message>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    paces: BTreeMap<String, Pace>,
    violations: Vec<String>,
    counts: Counts,
}

impl Service {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What Slack would answer.
    fn usual(&self, request: &Request) -> Answer {
        let mut state = self.state();
        let (path, now) = (request.path(), self.clock.now());
        let pace = state.paces.entry(path.to_owned()).or_default();
        if let Some(left) = pace.refuses(now) {
            let impatient = pace.was_told(now);
            let wait = self.clock.outside(left).as_secs_f64().ceil().max(1.0);
            pace.tell(now + left);
            state.counts.limited += 1;
            state.counts.impatient += u64::from(impatient);
            return rate_limited(wait as u64);
        }
        match message::read(request) {
            Ok(body) => {
                drop(state);
                self.messages.push(Message { path: path.to_owned(), body, at: now });
                Answer::text(200, "ok")
            }
            Err(refused) => {
                state.counts.refused += 1;
                state.violations.push(format!("{}: {}", refused.code, refused.why));
                error(refused.code)
            }
        }
    }
}

impl Handler for Service {
    fn early(&self, _head: &Request) -> Option<Answer> {
        let answer = self.script.early()?;
        self.state().counts.requests += 1;
        Some(answer)
    }

    fn answer(&self, request: Request) -> Answer {
        self.state().counts.requests += 1;
        self.script.or(|| self.usual(&request))
    }
}
