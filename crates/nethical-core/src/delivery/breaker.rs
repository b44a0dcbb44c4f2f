//! Leaving an endpoint alone that keeps failing.
//!
//! After some failures in a row the breaker opens: nothing is sent until a pause is over. Then one
//! attempt is let through; its failure doubles the pause, its success closes the breaker. It does
//! not measure error rates, and it never decides what becomes of an event.

use std::time::Duration;

use tokio::time::Instant;

/// When to open, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct BreakerSettings {
    /// Failures in a row that open it. Default 5.
    pub failures: u32,
    /// The first pause. Default 1 s.
    pub first_pause: Duration,
    /// The longest pause. Default 60 s.
    pub max_pause: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, first_pause: Duration::from_secs(1), max_pause: Duration::from_secs(60) }
    }
}

/// Counts failures in a row.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Closed.
    pub(crate) const fn new(settings: BreakerSettings) -> Self {
        Self { settings, failures: 0, open_until: None }
    }

    /// How long to leave the endpoint alone, from `now` on.
    pub(crate) fn pause(&self, now: Instant) -> Duration {
        self.open_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Whether it is open: the next attempt decides.
    pub(crate) const fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// Failures in a row so far.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    /// An attempt failed because of the endpoint.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.settings.failures {
            let doublings = (self.failures - self.settings.failures).min(31);
            let pause = self.settings.first_pause.saturating_mul(1 << doublings).min(self.settings.max_pause);
            self.open_until = Some(now + pause);
        }
    }

    /// The endpoint answered.
    pub(crate) const fn succeeded(&mut self) {
        self.failures = 0;
        self.open_until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_doubles_and_closes() {
        let start = Instant::now();
        let mut breaker = Breaker::new(BreakerSettings::default());
        for _ in 0..4 {
            breaker.failed(start);
        }
        assert!(!breaker.is_open());
        let mut pauses = Vec::new();
        for _ in 0..8 {
            breaker.failed(start);
            pauses.push(breaker.pause(start).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(breaker.pause(start + Duration::from_secs(59)), Duration::from_secs(1));
        assert_eq!(breaker.pause(start + Duration::from_secs(61)), Duration::ZERO);
        breaker.succeeded();
        assert!(!breaker.is_open());
        assert_eq!(breaker.failures(), 0);
    }
}
