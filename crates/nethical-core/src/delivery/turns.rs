//! When to try again, for deliveries that are not a [`Connector`](crate::delivery::Connector)'s.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::breaker::Breaker;
use crate::delivery::gate::Gate;
use crate::delivery::notice::Health;
use crate::delivery::schedule::luck;
use crate::delivery::{BreakerSettings, Change, Error, Schedule};

/// The gate, the breaker and the health of one endpoint, as every destination has them.
#[derive(Debug)]
pub struct Turns {
    schedule: Schedule,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    gate: Gate,
    breaker: Breaker,
    health: Health,
}

/// How an endpoint is.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    /// Since how long it fails.
    pub down_for: Option<Duration>,
    /// Whether it is being left alone.
    pub breaker_open: bool,
    /// The last failure, also after it was overcome.
    pub last_error: Option<Error>,
}

impl Turns {
    /// At most `per_second` attempts, with these pauses between failing ones.
    pub fn new(per_second: Option<f64>, breaker: BreakerSettings, schedule: Schedule) -> Self {
        let gate = Gate::new(per_second, Instant::now());
        let state = State { gate, breaker: Breaker::new(breaker), health: Health::default() };
        Self { schedule, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Take a turn. Otherwise: how long to wait before asking again.
    ///
    /// # Errors
    /// The wait.
    pub fn take(&self) -> Result<(), Duration> {
        let mut state = self.lock();
        let now = Instant::now();
        match state.breaker.pause(now) {
            Duration::ZERO => state.gate.pass(now),
            pause => Err(pause),
        }
    }

    /// Let nothing through for so long.
    pub fn pause(&self, time: Duration) {
        self.lock().gate.close_until(Instant::now() + time);
    }

    /// An attempt failed because of the endpoint. Says what to tell people.
    pub fn failed(&self, error: &Error) -> Option<Change> {
        let now = Instant::now();
        let mut state = self.lock();
        state.breaker.failed(now);
        let wait = self.schedule.wait(state.breaker.failures(), error.retry_after(), luck());
        state.gate.close_until(now + wait);
        state.health.down(error, now)
    }

    /// Something was refused. Says what to tell people.
    pub fn refused(&self, error: &Error) -> Option<Change> {
        self.lock().health.dead_letter(error, Instant::now())
    }

    /// An attempt worked. Says what to tell people.
    pub fn succeeded(&self) -> Option<Change> {
        let mut state = self.lock();
        state.breaker.succeeded();
        state.health.up()
    }

    /// How the endpoint is.
    pub fn condition(&self) -> Condition {
        let state = self.lock();
        Condition {
            down_for: state.health.down_since().map(|since| since.elapsed()),
            breaker_open: state.breaker.is_open(),
            last_error: state.health.last_error().cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_close_the_gate_and_success_opens_it() {
        let schedule = Schedule { first: Duration::from_secs(2), cap: Duration::from_secs(60) };
        let turns = Turns::new(Some(0.5), BreakerSettings::default(), schedule);
        assert_eq!(turns.take(), Ok(()));
        let wait = turns.take().unwrap_err();
        assert!(wait > Duration::from_millis(1_900), "one attempt each two seconds: {wait:?}");
        let error =
            Error::new(crate::delivery::Kind::RateLimited(Some(Duration::from_secs(30))), "t", "slow down");
        assert!(matches!(turns.failed(&error), Some(Change::Down(_))));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(turns.take().is_err());
        assert!(turns.condition().down_for.is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(turns.take(), Ok(()));
        assert!(matches!(turns.succeeded(), Some(Change::Up)));
        let condition = turns.condition();
        assert!(condition.down_for.is_none() && condition.last_error.is_some() && !condition.breaker_open);
    }
}
