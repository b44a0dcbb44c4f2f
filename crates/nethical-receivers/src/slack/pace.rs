//! "1 per second", with a short burst.

/// Messages that may come at once.
const BURST: f64 = 3.0;

/// The pace of one webhook, in seconds on the receiver's clock.
#[derive(Debug)]
pub(super) struct Pace {
    tokens: f64,
    at: f64,
    told: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { tokens: BURST, at: 0.0, told: 0.0 }
    }
}

impl Pace {
    /// Take one message; or say how long it has to wait.
    pub(super) fn refuses(&mut self, now: f64) -> Option<f64> {
        self.tokens = (self.tokens + now - self.at).min(BURST);
        self.at = now;
        if self.tokens < 1.0 {
            return Some(1.0 - self.tokens);
        }
        self.tokens -= 1.0;
        None
    }

    /// Somebody was told to wait until then.
    pub(super) const fn tell(&mut self, until: f64) {
        self.told = until;
    }

    /// Whether somebody was told to be still waiting.
    pub(super) fn was_told(&self, now: f64) -> bool {
        now < self.told
    }
}
