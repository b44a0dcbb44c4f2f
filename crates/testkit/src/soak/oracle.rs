//! What the parent remembers, to compare with what arrives.
//!
//! Every process that accepts events has a *lane* of numbers of its own, so each promise is about the events
//! of the one process that gave it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use nethical_core::delivery::Ledger;

use super::control;

/// Numbers of one lane.
pub(super) const LANE: u64 = 10_000_000;

/// The last line of a killed process may be cut off, so it may have accepted a little more than it told.
const UNTOLD: u64 = 2;

/// Microseconds since 1970, on the clock that parent and children share.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// What one process told.
#[derive(Default)]
struct Lane {
    /// Accepted numbers, and when.
    accepted: BTreeMap<u64, u64>,
    promised_before: u64,
    /// Its last word about its accounts.
    ledger: Ledger,
    died: Option<u64>,
    /// When its control thread woke.
    woke: Vec<u64>,
}

/// Everything that was told.
#[derive(Default)]
pub(super) struct Oracle {
    lanes: BTreeMap<u64, Lane>,
    pub(super) out_of_balance: usize,
    /// Times that a restart showed fewer confirmed than were known.
    pub(super) gone_down: usize,
    /// What was confirmed by processes that are no more.
    confirmed: u64,
    /// Process numbers that were told.
    pub(super) writers: BTreeMap<u64, i32>,
}

impl Oracle {
    /// Takes in one line: `LANE WHAT ...`.
    pub(super) fn hear(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (Some(lane), Some(what), Some(rest)) = (words.next(), words.next(), words.next()) else { return };
        let Ok(lane) = lane.parse() else { return };
        match what {
            "l" => self.hear_ledger(lane, rest),
            "w" => self.writers.extend(rest.parse().map(|pid| (lane, pid))),
            _ => self.hear_number(lane, what == "p", rest),
        }
    }

    fn hear_number(&mut self, lane: u64, promised: bool, rest: &str) {
        let Some((number, at)) = rest.split_once(' ') else { return };
        let (Ok(number), Ok(at)) = (number.parse(), at.parse()) else { return };
        let lane = self.lanes.entry(lane).or_default();
        lane.accepted.insert(number, at);
        if promised {
            lane.promised_before = number + 1;
        }
    }

    fn hear_ledger(&mut self, lane: u64, json: &str) {
        // A line that the kill has cut off.
        let Ok(ledger) = serde_json::from_str::<Ledger>(json) else { return };
        self.out_of_balance += usize::from(!ledger.balances());
        let known = self.lanes.entry(lane).or_default();
        let before = known.ledger.confirmed.max(if lane_is_first(lane) { self.confirmed } else { 0 });
        self.gone_down += usize::from(ledger.confirmed < before);
        known.ledger = ledger;
    }

    /// A process of this lane was killed just now.
    pub(super) fn killed(&mut self, lane: u64) {
        self.lanes.entry(lane).or_default().died = Some(now());
    }

    /// What the control thread of a killed process wrote down.
    pub(super) fn woke(&mut self, lane: u64, times: Vec<u64>) {
        self.lanes.entry(lane).or_default().woke = times;
    }

    /// Every process of the round is gone; what they confirmed is known to the next one from the start.
    pub(super) fn end_of_round(&mut self, round: u64) {
        let lanes = self.lanes.range(round * ROUND..(round + 1) * ROUND);
        let (mut first, mut others) = (0, 0);
        for (lane, known) in lanes {
            if lane_is_first(*lane) {
                first = known.ledger.confirmed;
            } else {
                others += known.ledger.confirmed;
            }
        }
        self.confirmed = first.max(self.confirmed) + others;
        self.writers.clear();
    }

    /// Takes in what the last process told, which nobody killed.
    pub(super) fn hear_last(&mut self, lines: &[String]) {
        let ledger =
            lines.last().and_then(|line| line.split(' ').nth(2).map(serde_json::from_str::<Ledger>)?.ok());
        self.out_of_balance += usize::from(!ledger.is_some_and(|ledger| ledger.balances()));
        self.gone_down += usize::from(ledger.is_none_or(|ledger| ledger.confirmed < self.confirmed));
    }

    /// Compares with what came out.
    pub(super) fn judge(&self, out: &BTreeSet<u64>) -> Verdict {
        let mut verdict = Verdict::default();
        for (lane, known) in &self.lanes {
            verdict.accepted += known.accepted.len();
            verdict.promised += known.accepted.range(..known.promised_before).count();
            let lost = known.accepted.iter().filter(|(number, _)| !out.contains(number));
            let (kept, open): (Vec<_>, Vec<_>) =
                lost.partition(|(number, _)| **number < known.promised_before);
            verdict.lost_promised += kept.len();
            verdict.lost_unpromised += open.len();
            if let (Some((_, at)), Some(died)) = (open.first(), known.died) {
                let age = died.saturating_sub(**at);
                verdict.loss_ages.push(age);
                verdict.excess_ages.push(age.saturating_sub(control::delay(&known.woke, **at, died)));
            }
            let told = known.accepted.last_key_value().map_or(lane * LANE, |(last, _)| last + 1);
            verdict.invented += out.range(told + UNTOLD..(lane + 1) * LANE).count();
        }
        let strange = |number: &&u64| !self.lanes.contains_key(&(**number / LANE));
        verdict.invented += out.iter().filter(strange).count();
        verdict.loss_ages.sort_unstable();
        verdict
    }
}

/// Lanes of one round: the process that is started, and those it forks.
pub(super) const ROUND: u64 = 100;

const fn lane_is_first(lane: u64) -> bool {
    lane.is_multiple_of(ROUND)
}

/// What the comparison came to.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) accepted: usize,
    pub(super) promised: usize,
    pub(super) lost_promised: usize,
    pub(super) lost_unpromised: usize,
    pub(super) invented: usize,
    /// For each killed process that lost something: how long before the kill the oldest of it was accepted,
    /// in microseconds, ascending.
    pub(super) loss_ages: Vec<u64>,
    /// The same without the time for which the machine did not let the process run.
    pub(super) excess_ages: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Oracle {
        let mut oracle = Oracle::default();
        lines.iter().for_each(|line| oracle.hear(line));
        oracle
    }

    #[test]
    fn a_promise_is_about_one_process() {
        let mut oracle = told(&["0 a 0 10", "0 p 1 11", "0 a 2 12", "1 a 10000000 12"]);
        oracle.lanes.get_mut(&0).unwrap().died = Some(32);
        let verdict = oracle.judge(&BTreeSet::from([0]));
        assert_eq!((verdict.accepted, verdict.promised), (4, 2));
        assert_eq!((verdict.lost_promised, verdict.lost_unpromised, verdict.invented), (1, 2, 0));
        assert_eq!((verdict.loss_ages, verdict.excess_ages), (vec![20], vec![20]));
        oracle.woke(0, vec![0, 10, 11_000]);
        oracle.lanes.get_mut(&0).unwrap().died = Some(12_032);
        let verdict = oracle.judge(&BTreeSet::from([0]));
        assert_eq!((verdict.loss_ages, verdict.excess_ages), (vec![12_020], vec![12_020 - 5_990]));
    }

    #[test]
    fn what_nobody_sent_is_invented() {
        let oracle = told(&["0 a 0 10"]);
        assert_eq!(oracle.judge(&BTreeSet::from([0, 1, 2, 3, LANE * 7])).invented, 2);
    }

    #[test]
    fn fewer_confirmed_than_before_are_noticed() {
        let ledger = |confirmed: u64| {
            format!(
                r#"{{"accepted":{confirmed},"confirmed":{confirmed},"sent":0,"dead_lettered":0,"waiting":0}}"#
            )
        };
        let mut oracle = told(&[&format!("0 l {}", ledger(5)), &format!("1 l {}", ledger(3))]);
        oracle.end_of_round(0);
        oracle.hear(&format!("100 l {}", ledger(7)));
        assert_eq!((oracle.gone_down, oracle.out_of_balance), (1, 0));
        oracle.hear(&format!("100 l {}", ledger(8)));
        assert_eq!(oracle.gone_down, 1);
    }
}
