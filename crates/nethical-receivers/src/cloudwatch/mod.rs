//! CloudWatch Logs, stricter than most emulators: every limit of the API is kept and every violation noted.
//!
//! It knows `PutLogEvents`, `CreateLogGroup`, `CreateLogStream` and `PutRetentionPolicy` of CloudWatch Logs, and
//! `GetCallerIdentity` of STS. Every signature is computed again.

mod api;
mod limits;
mod server;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::state::State;
pub use self::state::{LogEvent, LogGroup};
use crate::aws::Access;
use crate::http::Server;

/// How it treats what comes in. All of it may change while it runs.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// The next answers, in order: what is in here comes before everything else.
    pub next: std::collections::VecDeque<Trouble>,
    /// Of a thousand puts, how many are throttled.
    pub throttled_per_mille: u32,
    /// Of a thousand puts, how many are taken and not answered.
    pub dropped_per_mille: u32,
    /// Every call fails like this, until it is taken back.
    pub always: Option<Trouble>,
    /// Who may call, and what.
    pub access: Access,
    /// A text in a message that makes its request invalid.
    pub poison: Option<String>,
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// `ThrottlingException`.
    Throttle,
    /// HTTP status 503.
    Unavailable,
    /// Done, and the connection closed without an answer.
    DropAnswer,
    /// Not done, and the connection closed without an answer.
    DropRequest,
}

/// What was counted so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls by operation, whatever came of them.
    pub calls: BTreeMap<String, u64>,
    /// Calls by the access key that they were rightly signed with.
    pub keys: BTreeMap<String, u64>,
    /// Puts that were throttled.
    pub throttled: u64,
    /// Puts that were taken and not answered.
    pub dropped: u64,
    /// Events that were taken and not answered for.
    pub dropped_events: u64,
}

/// A running receiver on the loopback interface. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct CloudWatch {
    server: Arc<Server>,
    state: Arc<Mutex<State>>,
}

impl CloudWatch {
    /// Start it on a free port.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn start() -> io::Result<Self> {
        let state = Arc::<Mutex<State>>::default();
        let server = Arc::new(Server::start(Arc::clone(&state))?);
        Ok(Self { server, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address for `AWS_ENDPOINT_URL` and `endpoint_url`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Treat what comes in differently from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state().behaviour);
    }

    /// What it holds of a log stream, in the order in which it came; empty if there is no such stream.
    pub fn events(&self, group: &str, stream: &str) -> Vec<LogEvent> {
        let state = self.state();
        let found = state.groups.get(group).and_then(|group| group.streams.get(stream));
        found.cloned().unwrap_or_default()
    }

    /// Every log group, by name.
    pub fn groups(&self) -> BTreeMap<String, LogGroup> {
        self.state().groups.clone()
    }

    /// A log group as it was created.
    pub fn group(&self, name: &str) -> Option<LogGroup> {
        self.state().groups.get(name).cloned()
    }

    /// Create a log group and stream, as somebody else would.
    pub fn create(&self, group: &str, stream: &str) {
        self.state()
            .groups
            .entry(group.to_owned())
            .or_default()
            .streams
            .entry(stream.to_owned())
            .or_default();
    }

    /// Have a log group keep its entries for so many days.
    pub fn set_retention(&self, group: &str, days: u32) {
        self.state().groups.entry(group.to_owned()).or_default().retention_days = Some(days);
    }

    /// Each request that was outside a limit of the API, in words.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }
}
