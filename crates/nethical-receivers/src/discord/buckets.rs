//! How often may be posted: so many in a window that begins with the first of them.

/// One limit.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    name: &'static str,
    limit: u32,
    window: f64,
    used: u32,
    /// When the window ends, in seconds on the receiver's clock.
    ends: f64,
}

/// What the headers say of a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    pub(super) name: &'static str,
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// Seconds on the receiver's clock until it starts anew.
    pub(super) reset_after: f64,
}

impl Bucket {
    pub(super) const fn new(name: &'static str, limit: u32, window: f64) -> Self {
        Self { name, limit, window, used: 0, ends: 0.0 }
    }

    /// How long the next request would have to wait.
    pub(super) fn wait(&self, now: f64) -> Option<f64> {
        (now < self.ends && self.used >= self.limit).then_some(self.ends - now)
    }

    /// One request counts.
    pub(super) fn take(&mut self, now: f64) {
        if now >= self.ends {
            (self.used, self.ends) = (0, now + self.window);
        }
        self.used += 1;
    }

    pub(super) fn standing(&self, now: f64) -> Standing {
        let running = now < self.ends;
        Standing {
            name: self.name,
            limit: self.limit,
            remaining: self.limit.saturating_sub(if running { self.used } else { 0 }),
            reset_after: if running { self.ends - now } else { 0.0 },
        }
    }
}

/// The limits of one webhook.
#[derive(Debug, Clone)]
pub(super) struct Buckets([Bucket; 2]);

impl Default for Buckets {
    fn default() -> Self {
        Self([Bucket::new("5b0a3e8f4c1d2a96", 5, 2.0), Bucket::new("c7d41f60be2985a3", 30, 60.0)])
    }
}

impl Buckets {
    pub(super) fn wait(&self, now: f64) -> Option<f64> {
        self.0.iter().filter_map(|bucket| bucket.wait(now)).reduce(f64::max)
    }

    pub(super) fn take(&mut self, now: f64) {
        self.0.iter_mut().for_each(|bucket| bucket.take(now));
    }

    /// The limit that is nearest; of two, the one that lasts longer.
    pub(super) fn standing(&self, now: f64) -> Standing {
        let [short, long] = self.0.each_ref().map(|bucket| bucket.standing(now));
        if long.remaining <= short.remaining { long } else { short }
    }
}
