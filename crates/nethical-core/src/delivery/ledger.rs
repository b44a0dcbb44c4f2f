//! The account of every event.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why an event was given up by a stated policy. The order is that of the counts on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// It still waited in memory when its destination was closed, or came after that.
    Closed,
    /// It was on disk, and damage took it.
    Damaged,
    /// It was the oldest one waiting, and the queue was full (`drop_oldest`).
    Oldest,
    /// It was new, and the queue was full (`drop_newest`, or `block` after its deadline).
    QueueFull,
    /// The disk did not take it.
    Storage,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 5] = [Self::Closed, Self::Damaged, Self::Oldest, Self::QueueFull, Self::Storage];

    /// A stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Closed => "closed",
            Self::Oldest => "oldest",
            Self::QueueFull => "queue_full",
            Self::Storage => "storage",
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

    /// Add the counts of another one.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.confirmed += other.confirmed;
        self.sent += other.sent;
        self.dead_lettered += other.dead_lettered;
        self.waiting += other.waiting;
        self.dropped.iter_mut().zip(other.dropped).for_each(|(count, more)| *count += more);
    }

    /// What these counts have beyond those of an earlier moment. What waits now is taken as it is.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut dropped = self.dropped;
        dropped.iter_mut().zip(earlier.dropped).for_each(|(count, less)| *count = count.saturating_sub(less));
        Self {
            accepted: self.accepted.saturating_sub(earlier.accepted),
            confirmed: self.confirmed.saturating_sub(earlier.confirmed),
            sent: self.sent.saturating_sub(earlier.sent),
            dead_lettered: self.dead_lettered.saturating_sub(earlier.dead_lettered),
            waiting: self.waiting,
            dropped,
        }
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

/// The settled counts as they are kept on disk: 64-bit little-endian numbers in a fixed order.
impl Ledger {
    /// The settled counts as bytes.
    pub(crate) fn to_stored(self) -> Vec<u8> {
        let counts = [self.confirmed, self.sent, self.dead_lettered].into_iter().chain(self.dropped);
        counts.flat_map(u64::to_le_bytes).collect()
    }

    /// The settled counts in these bytes, all of them also as accepted. Counts that are missing are zero.
    pub(crate) fn from_stored(bytes: &[u8]) -> Self {
        let mut counts = bytes.chunks_exact(8).map(|bytes| bytes.try_into().map_or(0, u64::from_le_bytes));
        let mut next = || counts.next().unwrap_or_default();
        let (confirmed, sent, dead_lettered) = (next(), next(), next());
        let dropped = [(); DropReason::ALL.len()].map(|()| next());
        let mut ledger = Self { confirmed, sent, dead_lettered, dropped, ..Self::default() };
        ledger.accepted = ledger.settled();
        ledger
    }
}

/// The counts by name, as people and programs read them.
#[derive(Serialize, Deserialize)]
struct Named {
    accepted: u64,
    confirmed: u64,
    sent: u64,
    dead_lettered: u64,
    waiting: u64,
    #[serde(default)]
    dropped: BTreeMap<String, u64>,
}

impl Serialize for Ledger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { accepted, confirmed, sent, dead_lettered, waiting, .. } = *self;
        let counted = DropReason::ALL.iter().filter(|reason| self.dropped_because(**reason) > 0);
        let dropped = counted.map(|reason| (reason.to_string(), self.dropped_because(*reason))).collect();
        Named { accepted, confirmed, sent, dead_lettered, waiting, dropped }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Ledger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = Named::deserialize(deserializer)?;
        let Named { accepted, confirmed, sent, dead_lettered, waiting, .. } = named;
        let dropped =
            DropReason::ALL.map(|reason| named.dropped.get(reason.as_str()).copied().unwrap_or_default());
        Ok(Self { accepted, confirmed, sent, dead_lettered, waiting, dropped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted() {
        let mut ledger = Ledger { accepted: 12, waiting: 1, ..Ledger::default() };
        ledger.settle(2, Outcome::Confirmed);
        ledger.settle(1, Outcome::Sent);
        ledger.settle(3, Outcome::DeadLettered);
        for reason in DropReason::ALL {
            ledger.settle(1, Outcome::Dropped(reason));
            assert_eq!(ledger.dropped_because(reason), 1);
        }
        assert_eq!((ledger.settled(), ledger.dropped()), (11, 5));
        assert!(ledger.balances());
        let earlier = Ledger { accepted: 5, confirmed: 2, waiting: 3, ..Ledger::default() };
        let since = ledger.since(&earlier);
        assert_eq!((since.accepted, since.confirmed, since.sent, since.dropped()), (7, 0, 1, 5));
        assert_eq!(
            since.accepted + earlier.waiting,
            since.settled() + since.waiting,
            "what waited is settled too"
        );
        assert_eq!(Ledger { accepted: 12, waiting: 1, ..Ledger::from_stored(&ledger.to_stored()) }, ledger);
        let json = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&json).unwrap(), ledger, "{json}");
        ledger.accepted += 1;
        assert!(!ledger.balances());
    }
}
