//! How long to wait between attempts.

use std::time::Duration;

/// Exponential waits with full jitter: before attempt `n` anything from zero to
/// `first * 2^n`, at most `cap`. Jitter keeps a thousand clients from coming back at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

/// An endpoint's own wish is honoured up to this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

impl Schedule {
    /// The wait after `failures` failures in a row. `luck` is in `0.0..1.0`. A wait that the endpoint
    /// asked for is honoured, and never shortened.
    pub fn wait(&self, failures: u32, asked: Option<Duration>, luck: f64) -> Duration {
        let step = self.ceiling(failures).mul_f64(luck.clamp(0.0, 1.0));
        asked.map_or(step, |asked| asked.min(MAX_RETRY_AFTER).max(step))
    }

    fn ceiling(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.cap)
    }
}

/// A number in `0.0..1.0`, for jitter.
pub(crate) fn luck() -> f64 {
    let bits = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule { first: Duration::from_millis(200), cap: Duration::from_secs(30) };

    #[test]
    fn doubles_up_to_the_cap() {
        let waits: Vec<_> = (1..=10).map(|n| SCHEDULE.wait(n, None, 1.0).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(SCHEDULE.wait(u32::MAX, None, 1.0), SCHEDULE.cap);
    }

    #[test]
    fn jitter_goes_down_to_zero() {
        assert_eq!(SCHEDULE.wait(3, None, 0.0), Duration::ZERO);
        assert!((0..1_000).map(|_| luck()).all(|luck| (0.0..1.0).contains(&luck)));
    }

    #[test]
    fn the_endpoints_wish_is_honoured_and_bounded() {
        let asked = |secs| Some(Duration::from_secs(secs));
        assert_eq!(SCHEDULE.wait(1, asked(7), 1.0), Duration::from_secs(7));
        assert_eq!(SCHEDULE.wait(9, asked(7), 1.0), Duration::from_secs(30));
        assert_eq!(SCHEDULE.wait(1, asked(86_400), 1.0), MAX_RETRY_AFTER);
    }
}
