//! Discord's webhooks, stricter than the real ones: every documented limit of a message is kept, keys that
//! Discord would ignore are refused, and every refusal is noted.
//!
//! ```
//! use nethical_receivers::discord::{Discord, check};
//!
//! let discord = Discord::start()?;
//! assert!(discord.webhook_url().contains("/api/webhooks/"));
//! let errors = check(&serde_json::json!({ "content": "x".repeat(2_001) })).unwrap_err();
//! assert!(errors.to_string().contains("BASE_TYPE_MAX_LENGTH"));
//! # Ok::<(), std::io::Error>(())
//! ```

mod answers;
mod body;
mod buckets;
mod embeds;
mod faults;
mod hooks;
mod service;
mod shown;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;

pub use self::answers::{error, rate_limited};
pub use self::body::check;
pub use self::service::Counts;
use self::service::Service;
use crate::Clock;
use crate::http::{Answer, Server};

/// A message that was taken.
#[derive(Debug, Clone)]
pub struct Message {
    /// The id of the webhook that it came to.
    pub webhook: String,
    /// The body.
    pub body: Value,
    /// Whether the sender asked to be told that it was saved.
    pub waited: bool,
    /// When, in seconds on the receiver's clock.
    pub at: f64,
}

impl Message {
    /// What people would read, as plain text.
    pub fn shown(&self) -> String {
        shown::message(&self.body)
    }

    /// Who would be notified: `everyone`, `here`, `@1234`, `&1234`.
    pub fn notified(&self) -> Vec<String> {
        shown::notified(&self.body)
    }
}

/// A running receiver on the loopback interface. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Discord {
    service: Arc<Service>,
    server: Arc<Server>,
}

impl Discord {
    /// Start it on a free port.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn start() -> io::Result<Self> {
        Self::start_with(Clock::default())
    }

    /// Start it on a free port, with its rates on this clock.
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
        let service = Arc::new(Service::new(clock));
        let server = Arc::new(Server::start_at(address, Arc::clone(&service))?);
        Ok(Self { service, server })
    }

    /// The address of the webhook that is always there.
    pub fn webhook_url(&self) -> String {
        self.url_of(hooks::FIRST)
    }

    /// Add a webhook of a text channel, with limits of its own; returns its address.
    pub fn add_webhook(&self) -> String {
        self.url_of(&self.service.add_hook(false))
    }

    /// Add a webhook of a forum, where every message belongs to a thread; returns its address.
    pub fn add_forum_webhook(&self) -> String {
        self.url_of(&self.service.add_hook(true))
    }

    /// Delete the webhook with this address, as its owner may at any time.
    pub fn delete_webhook(&self, url: &str) {
        self.service.delete_hook(url);
    }

    fn url_of(&self, id: &str) -> String {
        format!("{}/api/webhooks/{id}/{}", self.server.url(), hooks::TOKEN)
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

    /// Have messages that nobody waits for answered with 204 and not saved.
    pub fn lose_unwaited(&self, lose: bool) {
        self.service.lose_unwaited(lose);
    }

    /// The messages that were taken so far, in their order.
    pub fn messages(&self) -> Vec<Message> {
        self.service.messages.all()
    }

    /// How many messages were taken so far.
    pub fn taken(&self) -> usize {
        self.service.messages.len()
    }

    /// Wait until so many messages were taken, at most ten seconds; returns all that were.
    pub fn wait_for(&self, count: usize) -> Vec<Message> {
        self.service.messages.wait_for(count)
    }

    /// Why messages were refused, in Discord's words.
    pub fn violations(&self) -> Vec<String> {
        self.service.violations()
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.service.counts()
    }

    /// Close the port and every connection.
    pub fn stop(&self) {
        self.server.stop();
    }
}
