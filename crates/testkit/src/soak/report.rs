//! What came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use nethical_core::event::Event;
use nethical_core::spool::{DeadLetterLog, Disk, Filter, Home, Retention};
use serde::{Deserialize, Serialize};

use super::Plan;
use super::oracle::Oracle;

/// How long before a kill an event was accepted that may be lost, in microseconds.
const MAY_BE_LOST: u64 = 20_000;

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// How durable it was to be.
    pub mode: String,
    /// Writers that each killed process had forked.
    pub writers: u64,
    /// Processes killed.
    pub kills: u32,
    /// Events accepted.
    pub accepted: usize,
    /// Of these promised.
    pub promised: usize,
    /// Events that arrived.
    pub delivered: usize,
    /// Arrivals beyond the first.
    pub twice: usize,
    /// Dead letters.
    pub dead: usize,
    /// Promised, and neither arrived nor among the dead letters.
    pub lost_promised: usize,
    /// The same of those not promised.
    pub lost_unpromised: usize,
    /// Processes that lost something unpromised.
    pub losers: usize,
    /// How long before the kill the oldest unpromised loss had been accepted, in microseconds: the middle
    /// one of the losers.
    pub loss_age_median: u64,
    /// The same: the worst of them.
    pub loss_age_worst: u64,
    /// Losers for which it was more than 20 ms.
    pub beyond_20_ms: usize,
    /// Those of them that got to run all the time, so that it is our doing.
    pub beyond_and_awake: usize,
    /// Arrivals that nobody had sent.
    pub invented: usize,
    /// Accounts that did not balance.
    pub out_of_balance: usize,
    /// Restarts after which fewer were confirmed than before.
    pub gone_down: usize,
}

impl Report {
    /// Whether everything is as it must be.
    pub const fn is_whole(&self) -> bool {
        self.lost_promised == 0 && self.invented == 0 && self.out_of_balance == 0 && self.gone_down == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} with {} writers, {} kills: {} accepted, {} promised, {} delivered, {} twice, {} dead letters; lost: {} \
             promised, {} not promised, the oldest {} us before the kill; invented: {}; accounts out of balance: {}; \
             confirmed went down: {}",
            self.mode,
            self.writers,
            self.kills,
            self.accepted,
            self.promised,
            self.delivered,
            self.twice,
            self.dead,
            self.lost_promised,
            self.lost_unpromised,
            self.loss_age_worst,
            self.invented,
            self.out_of_balance,
            self.gone_down,
        )
    }
}

/// Compares what was told with what arrived.
pub(super) fn compare(plan: &Plan, kills: u32, oracle: &Oracle, home: &Path, delivered: &str) -> Report {
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    for number in delivered.lines().filter_map(|line| line.parse().ok()) {
        *times.entry(number).or_default() += 1;
    }
    let dead = dead_numbers(home);
    let verdict = oracle.judge(&times.keys().copied().chain(dead.iter().copied()).collect());
    let ages = &verdict.loss_ages;
    Report {
        mode: plan.mode.clone(),
        writers: plan.writers,
        kills,
        accepted: verdict.accepted,
        promised: verdict.promised,
        delivered: times.len(),
        twice: times.values().map(|times| times - 1).sum(),
        dead: dead.len(),
        lost_promised: verdict.lost_promised,
        lost_unpromised: verdict.lost_unpromised,
        losers: ages.len(),
        loss_age_median: ages.get(ages.len() / 2).copied().unwrap_or_default(),
        loss_age_worst: ages.last().copied().unwrap_or_default(),
        beyond_20_ms: ages.iter().filter(|age| **age > MAY_BE_LOST).count(),
        beyond_and_awake: verdict.excess_ages.iter().filter(|age| **age > MAY_BE_LOST).count(),
        invented: verdict.invented,
        out_of_balance: oracle.out_of_balance,
        gone_down: oracle.gone_down,
    }
}

fn dead_numbers(home: &Path) -> BTreeSet<u64> {
    let home = Home::new(Arc::new(Disk), home);
    let Ok(log) = DeadLetterLog::open(Arc::new(Disk), &home.dead_letters(), Retention::default()) else {
        return BTreeSet::new();
    };
    let letters = log.list(&Filter::default(), usize::MAX).unwrap_or_default();
    letters.iter().filter_map(|letter| number(&Event::from_stored(&letter.payload)?)).collect()
}

/// The number that an event carries.
pub(super) fn number(event: &Event) -> Option<u64> {
    event.log().ok()?.message.parse().ok()
}
