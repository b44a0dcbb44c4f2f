//! Time as a receiver has it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clock that a receiver's limits run on: the machine's, or one that runs faster, so that a minute's
/// limit can be tried in a moment. What a receiver tells others about time is in their seconds.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    factor: f64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::sped_up(1.0)
    }
}

impl Clock {
    /// A clock that runs so many times as fast as the machine's.
    pub fn sped_up(factor: f64) -> Self {
        Self { started: Instant::now(), factor }
    }

    /// Seconds on this clock since it was made.
    pub fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * self.factor
    }

    /// How long a time on this clock takes on the machine's.
    pub(crate) fn outside(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds.max(0.0) / self.factor)
    }

    /// When that will be, in seconds since 1970 on the machine's clock.
    pub(crate) fn outside_epoch(&self, seconds_from_now: f64) -> f64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (now + self.outside(seconds_from_now)).as_secs_f64()
    }
}
