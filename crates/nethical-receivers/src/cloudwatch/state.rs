//! What the receiver holds, and the chances that it takes.

use std::collections::BTreeMap;

use super::{Behaviour, Counts, Trouble};

/// One log event as it was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The text.
    pub message: String,
}

/// A log group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogGroup {
    /// Its streams, with their events in the order in which they came.
    pub streams: BTreeMap<String, Vec<LogEvent>>,
    /// Days that it keeps events; none: for ever.
    pub retention_days: Option<u32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its class: `STANDARD`.
    pub class: String,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) behaviour: Behaviour,
    pub(super) groups: BTreeMap<String, LogGroup>,
    pub(super) violations: Vec<String>,
    pub(super) counts: Counts,
    /// Events that were taken, in all.
    pub(super) taken: u64,
    chance: u64,
}

impl State {
    /// What goes wrong with this call.
    pub(super) fn trouble(&mut self, operation: &str) -> Option<Trouble> {
        *self.counts.calls.entry(operation.to_owned()).or_default() += 1;
        let planned = self.behaviour.always.or_else(|| self.behaviour.next.pop_front());
        let trouble = planned.or_else(|| self.chance().filter(|_| operation == "PutLogEvents"));
        match trouble {
            Some(Trouble::Throttle) => self.counts.throttled += 1,
            Some(Trouble::DropAnswer) => self.counts.dropped += 1,
            _ => {}
        }
        trouble
    }

    /// The same in every run: SplitMix64 from zero.
    fn chance(&mut self) -> Option<Trouble> {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let draw = ((mixed ^ (mixed >> 31)) % 1_000) as u32;
        let Behaviour { throttled_per_mille, dropped_per_mille, .. } = self.behaviour;
        match draw {
            _ if draw < throttled_per_mille => Some(Trouble::Throttle),
            _ if draw < throttled_per_mille + dropped_per_mille => Some(Trouble::DropAnswer),
            _ => None,
        }
    }
}
