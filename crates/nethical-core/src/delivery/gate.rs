//! The pace of one endpoint: a rate limit of our own, and pauses that the endpoint asks for.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket with room for one second's tokens, that can also be closed for a while.
/// Every attempt takes a token, repeats too.
#[derive(Debug)]
pub(crate) struct Gate {
    per_second: Option<f64>,
    tokens: f64,
    filled: Instant,
    closed_until: Option<Instant>,
}

impl Gate {
    /// Let `per_second` attempts through, or any number.
    pub(crate) fn new(per_second: Option<f64>, now: Instant) -> Self {
        let per_second = per_second.filter(|rate| rate.is_finite() && *rate > 0.0);
        Self {
            per_second,
            tokens: per_second.map_or(0.0, |rate| rate.max(1.0)),
            filled: now,
            closed_until: None,
        }
    }

    /// Take a token. Otherwise: how long to wait before asking again.
    ///
    /// # Errors
    /// The wait.
    pub(crate) fn pass(&mut self, now: Instant) -> Result<(), Duration> {
        if let Some(until) = self.closed_until {
            if until > now {
                return Err(until - now);
            }
            self.closed_until = None;
        }
        let Some(rate) = self.per_second else { return Ok(()) };
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * rate;
        self.tokens = (self.tokens + gained).min(rate.max(1.0));
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.tokens) / rate).max(Duration::from_millis(1)))
    }

    /// From now on also keep this rate: of two, the lower one counts.
    pub(crate) fn limit(&mut self, per_second: Option<f64>, now: Instant) {
        let Some(rate) = per_second.filter(|rate| rate.is_finite() && *rate > 0.0) else { return };
        if self.per_second.is_none_or(|known| rate < known) {
            self.tokens =
                if self.per_second.is_none() { rate.max(1.0) } else { self.tokens.min(rate.max(1.0)) };
            self.per_second = Some(rate);
            self.filled = now;
        }
    }

    /// Whether it is closed until later than `now`.
    pub(crate) fn is_closed(&self, now: Instant) -> bool {
        self.closed_until.is_some_and(|until| until > now)
    }

    /// Let nothing through until `until`. Only ever made longer.
    pub(crate) fn close_until(&mut self, until: Instant) {
        self.closed_until = Some(self.closed_until.map_or(until, |now| now.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(gate: &mut Gate, from: Instant, wanted: usize) -> Duration {
        let mut now = from;
        for _ in 0..wanted {
            while let Err(wait) = gate.pass(now) {
                now += wait;
            }
        }
        now - from
    }

    #[test]
    fn keeps_the_rate() {
        let start = Instant::now();
        let mut gate = Gate::new(Some(2.0), start);
        let took = passed(&mut gate, start, 10).as_secs_f64();
        assert!((3.9..4.1).contains(&took), "10 attempts, 2 at once and 2 a second, took {took} s");
    }

    #[test]
    fn slower_than_one_a_second() {
        let start = Instant::now();
        let took = passed(&mut Gate::new(Some(0.5), start), start, 3).as_secs_f64();
        assert!((3.9..4.1).contains(&took), "took {took} s");
    }

    #[test]
    fn no_rate_no_wait_unless_closed() {
        let start = Instant::now();
        let mut gate = Gate::new(None, start);
        assert_eq!(passed(&mut gate, start, 1_000), Duration::ZERO);
        gate.close_until(start + Duration::from_secs(5));
        gate.close_until(start + Duration::from_secs(3));
        assert_eq!(gate.pass(start), Err(Duration::from_secs(5)));
        assert_eq!(gate.pass(start + Duration::from_secs(5)), Ok(()));
        assert_eq!(Gate::new(Some(f64::NAN), start).pass(start), Ok(()));
    }
}
