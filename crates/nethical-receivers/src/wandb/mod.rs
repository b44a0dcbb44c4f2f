//! Weights & Biases, as strict as its own client believes it to be: every line has its place, every digest is
//! computed, and what breaks a rule is noted.
//!
//! It knows what a run needs: `UpsertBucket`, `RunResumeStatus`, `Viewer`, server features, run files, artifacts and
//! `file_stream`. Other operations get an empty answer, as the official client asks for many things.

mod api;
mod artifacts;
mod runs;
mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

pub use self::artifacts::Artifact;
pub use self::runs::Run;
use self::state::State;
use crate::http::Server;

/// How it treats what comes in. All of it may change while it runs.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// What goes wrong with the next calls of an operation, in order. `file_stream` and `put` are operations too.
    pub next: BTreeMap<String, VecDeque<Trouble>>,
    /// Every call fails like this, until it is taken back.
    pub always: Option<Trouble>,
    /// Of a thousand calls, how many fail with 429, 500 and 409, and how many are done and not answered.
    pub per_mille: Chances,
    /// The key that is known; none: every one of at least 40 characters.
    pub key: Option<String>,
    /// The entity of the key.
    pub entity: String,
    /// Features that the server lists.
    pub features: BTreeSet<String>,
    /// `RateLimit-Remaining` and `RateLimit-Reset` of every answer.
    pub rate_limit: Option<(u32, u32)>,
    /// Ids of runs that were deleted and can never be used again.
    pub deleted: BTreeSet<String>,
    /// A text in a line that makes its request invalid.
    pub poison: Option<String>,
    /// Runs that somebody wants to stop.
    pub stopped: BTreeSet<String>,
}

/// How often what goes wrong, of a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chances {
    /// 429 with `Retry-After: 0.01`.
    pub rate_limited: u32,
    /// 500.
    pub unavailable: u32,
    /// 409.
    pub conflict: u32,
    /// Done, and the connection closed without an answer.
    pub dropped: u32,
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trouble {
    /// This status, with nothing done.
    Status(u16),
    /// 429 with `Retry-After` in seconds.
    RateLimited(f64),
    /// Done, and the connection closed without an answer.
    DropAnswer,
    /// Not done, and the connection closed without an answer.
    DropRequest,
    /// Somebody else answers: 200 with a page.
    Page,
}

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Call {
    /// `UpsertBucket`, `file_stream`, `put`.
    pub operation: String,
    /// When.
    pub at: Instant,
    /// Its body, if it is JSON.
    pub body: Value,
    /// Whether it came compressed.
    pub zipped: bool,
    /// What went wrong on purpose.
    pub trouble: Option<Trouble>,
}

/// A running receiver on the loopback interface. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Wandb {
    server: Arc<Server>,
    state: Arc<Mutex<State>>,
}

impl Wandb {
    /// Start it on a free port.
    ///
    /// # Errors
    /// If the system gives no port or thread.
    pub fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Start it at this address.
    ///
    /// # Errors
    /// If the address is taken, or the system gives no thread.
    pub fn start_at(address: SocketAddr) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let server = Arc::new(Server::start_at(address, Arc::clone(&state))?);
        Ok(Self { server, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address for `WANDB_BASE_URL` and `base_url`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Close the port and every connection. What it holds stays.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Treat what comes in differently from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state().behaviour);
    }

    /// A run by its id.
    pub fn run(&self, id: &str) -> Option<Run> {
        self.state().runs.values().find(|run| run.id == id).cloned()
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> Vec<Run> {
        let state = self.state();
        let mut runs: Vec<_> = state.runs.values().cloned().collect();
        runs.sort_by_key(|run| run.number);
        runs
    }

    /// Remove a run, as somebody would in the browser.
    pub fn delete(&self, id: &str) {
        let mut state = self.state();
        state.runs.retain(|_, run| run.id != id);
        state.behaviour.deleted.insert(id.to_owned());
    }

    /// All artifacts, oldest first.
    pub fn artifacts(&self) -> Vec<Artifact> {
        self.state().artifacts.clone()
    }

    /// What came in, without the bodies of uploads.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Each rule that was broken, in words.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }
}
