//! When the next request of a run may go.

use std::time::Duration;

use tokio::time::Instant;

/// W&B takes two requests a second of each run.
const AT_THE_END: Duration = Duration::from_millis(500);

/// How often the server of a run is spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// The shortest time between two requests while the run goes on.
    pub(crate) interval: Duration,
    /// A sign of life after so long without a request: W&B calls a run without any crashed.
    pub(crate) heartbeat: Duration,
}

/// What was sent when, and what the server wishes.
#[derive(Debug)]
pub(super) struct Pace {
    rhythm: Rhythm,
    last: Option<Instant>,
    /// A request went out since the run ended.
    ended: bool,
    /// The server wants none before.
    server: Option<Instant>,
    begun: Instant,
}

impl Pace {
    pub(super) const fn new(rhythm: Rhythm, begun: Instant) -> Self {
        Self { rhythm, last: None, ended: false, server: None, begun }
    }

    /// A request goes out.
    pub(super) const fn sent(&mut self, now: Instant, ended: bool) {
        (self.last, self.ended) = (Some(now), ended);
    }

    /// The server wants no request before.
    pub(super) fn hold(&mut self, until: Instant) {
        self.server = self.server.max(Some(until));
    }

    /// When the next one may go. What is left when the run has `ended` is waited for: the first request goes at once,
    /// the others as fast as W&B takes them.
    pub(super) fn next(&self, ended: bool) -> Instant {
        let pause = match (ended, self.ended) {
            (false, _) => self.rhythm.interval,
            (true, false) => Duration::ZERO,
            (true, true) => self.rhythm.interval.min(AT_THE_END),
        };
        let own = self.last.map_or(self.begun, |last| last + pause);
        self.server.map_or(own, |server| own.max(server))
    }

    /// When a sign of life is due.
    pub(super) fn heartbeat(&self) -> Instant {
        self.last.unwrap_or(self.begun) + self.rhythm.heartbeat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_run_does_not_wait_for_its_turn() {
        let [interval, heartbeat] = [2, 30].map(Duration::from_secs);
        let begun = Instant::now();
        let mut pace = Pace::new(Rhythm { interval, heartbeat }, begun);
        assert_eq!((pace.next(false), pace.heartbeat()), (begun, begun + heartbeat));
        let first = begun + Duration::from_secs(1);
        pace.sent(first, false);
        assert_eq!((pace.next(false), pace.next(true)), (first + interval, first));
        assert_eq!(pace.heartbeat(), first + heartbeat);
        pace.sent(first, true);
        assert_eq!(pace.next(true), first + AT_THE_END);
        pace.hold(first + heartbeat);
        pace.hold(first);
        assert_eq!(pace.next(true), first + heartbeat, "the server's wish goes before");
    }

    #[test]
    fn a_faster_rhythm_stays_fast_at_the_end() {
        let interval = Duration::from_millis(20);
        let begun = Instant::now();
        let mut pace = Pace::new(Rhythm { interval, heartbeat: interval }, begun);
        pace.sent(begun, true);
        assert_eq!(pace.next(true), begun + interval);
    }
}
