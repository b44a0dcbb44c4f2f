//! Telling people when the state of a destination changes, and not more often than they can read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::{DropReason, Error, Ledger};

/// What a destination's state changed to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Change {
    /// Deliveries fail because of the endpoint; events are held and tried again.
    Down(Error),
    /// Deliveries work again.
    Up,
    /// Events are given up by policy.
    Dropping {
        /// Which policy.
        reason: DropReason,
        /// How many since the destination was opened.
        total: u64,
    },
    /// An event was refused and is among the dead letters.
    DeadLetter(Error),
    /// The disk does not take events that are to wait on it.
    AtRisk {
        /// How many wait, on the disk or not.
        waiting: u64,
    },
}

/// One change of state of one destination.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The destination's name.
    pub destination: Arc<str>,
    /// What it changed to.
    pub change: Change,
}

impl Notice {
    /// What to do next, if that is known.
    pub fn hint(&self) -> Option<&str> {
        match &self.change {
            Change::Down(error) | Change::DeadLetter(error) => error.hint(),
            Change::Dropping { reason: DropReason::QueueFull | DropReason::Oldest, .. } => {
                Some("see whether the destination keeps up, or give its queue more room")
            }
            Change::AtRisk { .. } | Change::Dropping { reason: DropReason::Storage, .. } => {
                Some("see whether the disk with $NETHICAL_HOME is full or failing")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.destination;
        match &self.change {
            Change::Down(error) => write!(f, "{name} is down, its events are held: {error}"),
            Change::Up => write!(f, "{name} is up again"),
            Change::Dropping { reason, total } => write!(f, "{name} drops events ({reason}), {total} so far"),
            Change::AtRisk { waiting } => write!(
                f,
                "{name} has {waiting} events waiting, and the disk did not take all of them: those are lost if the process ends"
            ),
            Change::DeadLetter(error) => {
                write!(f, "{name} refused an event, it is a dead letter now: {error}")
            }
        }
    }
}

/// Somebody who wants to know.
pub type Observer = Arc<dyn Fn(&Notice) + Send + Sync>;

/// The observer that nobody else replaced: a `tracing` event of level WARN on target `nethical`.
pub fn warn_by_tracing(notice: &Notice) {
    let hint = notice.hint().unwrap_or_default();
    tracing::warn!(target: "nethical", destination = &*notice.destination, hint, "{notice}");
}

/// At most one notice of a kind in this time.
const PAUSE: Duration = Duration::from_secs(60);

/// What was last told about one destination.
#[derive(Debug, Default)]
pub(crate) struct Health {
    last_error: Option<Error>,
    down_since: Option<Instant>,
    down_told: Option<Instant>,
    /// Whether people think that it is down.
    thought_down: bool,
    dropping_told: Option<Instant>,
    dead_letter_told: Option<Instant>,
    risk_told: Option<Instant>,
    at_risk: bool,
    /// Drops that were seen, by reason.
    drops_seen: [u64; DropReason::ALL.len()],
}

impl Health {
    /// A delivery failed because of the endpoint.
    pub(crate) fn down(&mut self, error: &Error, now: Instant) -> Option<Change> {
        self.last_error = Some(error.clone());
        let was_up = self.down_since.is_none();
        self.down_since.get_or_insert(now);
        if !was_up || !is_time(&mut self.down_told, now) {
            return None;
        }
        self.thought_down = true;
        Some(Change::Down(error.clone()))
    }

    /// A delivery worked.
    pub(crate) fn up(&mut self) -> Option<Change> {
        self.down_since = None;
        std::mem::take(&mut self.thought_down).then_some(Change::Up)
    }

    /// An event was given up.
    pub(crate) fn dropped(&mut self, reason: DropReason, total: u64, now: Instant) -> Option<Change> {
        is_time(&mut self.dropping_told, now).then_some(Change::Dropping { reason, total })
    }

    /// How many events have been given up by now.
    pub(crate) fn drops(&mut self, ledger: &Ledger, now: Instant) -> Option<Change> {
        let mut grown = None;
        for (reason, seen) in DropReason::ALL.into_iter().zip(&mut self.drops_seen) {
            let total = ledger.dropped_because(reason);
            if std::mem::replace(seen, total) < total {
                grown = Some((reason, total));
            }
        }
        grown.and_then(|(reason, total)| self.dropped(reason, total, now))
    }

    /// The disk takes what waits, or does not.
    pub(crate) fn kept(&mut self, kept: bool, waiting: u64, now: Instant) -> Option<Change> {
        self.at_risk = !kept;
        (self.at_risk && is_time(&mut self.risk_told, now)).then_some(Change::AtRisk { waiting })
    }

    /// Whether the disk did not take all of what waits.
    pub(crate) const fn is_at_risk(&self) -> bool {
        self.at_risk
    }

    /// An event was refused.
    pub(crate) fn dead_letter(&mut self, error: &Error, now: Instant) -> Option<Change> {
        self.last_error = Some(error.clone());
        is_time(&mut self.dead_letter_told, now).then(|| Change::DeadLetter(error.clone()))
    }

    /// The last failure, also after it was overcome.
    pub(crate) const fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    /// Since when deliveries fail.
    pub(crate) const fn down_since(&self) -> Option<Instant> {
        self.down_since
    }
}

fn is_time(told: &mut Option<Instant>, now: Instant) -> bool {
    let due = told.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
    if due {
        *told = Some(now);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_for_each_outage_and_its_end() {
        let start = Instant::now();
        let error = Error::unavailable("test.refused", "connection refused");
        let mut health = Health::default();
        assert!(matches!(health.down(&error, start), Some(Change::Down(_))));
        assert!(health.down(&error, start + PAUSE).is_none(), "the same outage");
        assert!(health.down_since().is_some());
        assert!(matches!(health.up(), Some(Change::Up)));
        assert!(health.up().is_none());
        assert!(health.last_error().is_some());
    }

    #[test]
    fn flapping_is_quiet_and_never_leaves_people_thinking_it_is_down() {
        let start = Instant::now();
        let error = Error::unavailable("test.refused", "connection refused");
        let mut health = Health::default();
        assert!(health.down(&error, start).is_some());
        assert!(health.up().is_some());
        for second in 1..50 {
            assert!(health.down(&error, start + Duration::from_secs(second)).is_none());
            assert!(health.up().is_none());
        }
        assert!(health.down(&error, start + PAUSE).is_some());
    }

    #[test]
    fn drops_are_told_once_a_minute() {
        let start = Instant::now();
        let mut health = Health::default();
        let told = (0..120).filter(|second| {
            health.dropped(DropReason::QueueFull, *second, start + Duration::from_secs(*second)).is_some()
        });
        assert_eq!(told.count(), 2);
    }
}
