//! The account of every event.

use std::fmt;

/// Why an event was given up by a stated policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// It still waited in memory when its destination was closed.
    Closed,
    /// It was the oldest one waiting, and the queue was full (`drop_oldest`).
    Oldest,
    /// It was new, and the queue was full (`drop_newest`, or `block` after its deadline).
    QueueFull,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Oldest, Self::QueueFull];

    /// A stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Oldest => "oldest",
            Self::QueueFull => "queue_full",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it and said so.
    Confirmed,
    /// It was sent; the protocol knows no receipt.
    Sent,
    /// It was refused, and is kept among the dead letters.
    DeadLettered,
    /// It was given up.
    Dropped(DropReason),
}

/// Counts of one destination. Always `accepted = settled() + waiting`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Taken from the caller, or offered and dropped at the door.
    pub accepted: u64,
    /// The receiver has them and said so.
    pub confirmed: u64,
    /// Sent, in a protocol without receipts.
    pub sent: u64,
    /// Refused, and kept among the dead letters.
    pub dead_lettered: u64,
    /// Still to be delivered: counted in the queue and in flight, not computed from the others.
    pub waiting: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl Ledger {
    /// Count `events` that ended as `outcome`.
    pub fn settle(&mut self, events: u64, outcome: Outcome) {
        let count = match outcome {
            Outcome::Confirmed => &mut self.confirmed,
            Outcome::Sent => &mut self.sent,
            Outcome::DeadLettered => &mut self.dead_lettered,
            Outcome::Dropped(reason) => match self.dropped.get_mut(reason as usize) {
                Some(count) => count,
                None => return,
            },
        };
        *count += events;
    }

    /// Given up for this reason.
    pub fn dropped_because(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or_default()
    }

    /// Given up, for any reason.
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// All that is no longer waiting.
    pub fn settled(&self) -> u64 {
        self.confirmed + self.sent + self.dead_lettered + self.dropped()
    }

    /// Whether every accepted event is accounted for.
    pub fn balances(&self) -> bool {
        self.accepted == self.settled() + self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted() {
        let mut ledger = Ledger { accepted: 10, waiting: 1, ..Ledger::default() };
        ledger.settle(2, Outcome::Confirmed);
        ledger.settle(1, Outcome::Sent);
        ledger.settle(3, Outcome::DeadLettered);
        for reason in DropReason::ALL {
            ledger.settle(1, Outcome::Dropped(reason));
            assert_eq!(ledger.dropped_because(reason), 1);
        }
        assert_eq!((ledger.settled(), ledger.dropped()), (9, 3));
        assert!(ledger.balances());
        ledger.accepted += 1;
        assert!(!ledger.balances());
    }
}
