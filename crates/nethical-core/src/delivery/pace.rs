//! The pace of an endpoint, which everybody in the process who delivers to it keeps together.
//!
//! A program may open the same webhook many times, even anew for each alert. What the endpoint was promised,
//! and what it asked for, must hold for all of them, so it is kept by endpoint for as long as it may matter.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::Settings;
use crate::delivery::breaker::Breaker;
use crate::delivery::gate::Gate;
use crate::fork::PerProcess;

/// Endpoints that nobody has open are forgotten when there are more than this.
const KEPT: usize = 256;

/// The pace of one endpoint.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<State>,
    /// Held during an attempt where only one may be under way.
    pub(crate) lane: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) gate: Gate,
    pub(crate) breaker: Breaker,
}

static SHARED: PerProcess<Mutex<HashMap<String, Arc<Pace>>>> = PerProcess::new();

impl Pace {
    fn new(settings: &Settings, now: Instant) -> Self {
        let gate = Gate::new(settings.rate_limit_per_sec, now);
        let state = State { gate, breaker: Breaker::new(settings.breaker) };
        Self { state: Mutex::new(state), lane: tokio::sync::Mutex::new(()) }
    }

    /// The pace of this endpoint; one of its own for an endpoint without a name.
    pub(crate) fn of(endpoint: Option<&str>, settings: &Settings) -> Arc<Self> {
        let now = Instant::now();
        let Some(endpoint) = endpoint else { return Arc::new(Self::new(settings, now)) };
        let mut shared = SHARED.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if shared.len() >= KEPT {
            shared.retain(|_, pace| Arc::strong_count(pace) > 1 || pace.lock().gate.is_closed(now));
        }
        let pace = shared.entry(endpoint.to_owned()).or_insert_with(|| Arc::new(Self::new(settings, now)));
        let mut state = pace.lock();
        state.gate.limit(settings.rate_limit_per_sec, now);
        if Arc::strong_count(pace) == 1 {
            // Whoever opens it now wants to know anew.
            state.breaker = Breaker::new(settings.breaker);
        }
        drop(state);
        Arc::clone(pace)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Take a turn. Otherwise: how long to wait before asking again, and for what.
    ///
    /// # Errors
    /// The wait.
    pub(crate) fn turn(&self, now: Instant) -> Result<(), Wait> {
        let mut state = self.lock();
        match state.breaker.pause(now) {
            Duration::ZERO => state.gate.pass(now).map_err(Wait::Gate),
            pause => Err(Wait::Breaker(pause)),
        }
    }
}

/// Why nothing may be sent now, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The endpoint keeps failing and is left alone.
    Breaker(Duration),
    /// The rate, or a pause that the endpoint asked for.
    Gate(Duration),
}

impl Wait {
    /// How long.
    pub(crate) const fn get(self) -> Duration {
        match self {
            Self::Breaker(wait) | Self::Gate(wait) => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_open_an_endpoint_share_its_pace_also_later() {
        let settings = Settings { rate_limit_per_sec: Some(1.0), ..Settings::default() };
        let now = Instant::now();
        let first = Pace::of(Some("https://pace.test/1"), &settings);
        assert_eq!(first.turn(now), Ok(()));
        assert!(first.turn(now).is_err());
        drop(first);
        let again = Pace::of(Some("https://pace.test/1"), &Settings::default());
        assert!(again.turn(now).is_err(), "the token is spent");
        assert_eq!(Pace::of(Some("https://pace.test/2"), &settings).turn(now), Ok(()));
        assert_eq!(Pace::of(None, &settings).turn(now), Ok(()));
    }
}
