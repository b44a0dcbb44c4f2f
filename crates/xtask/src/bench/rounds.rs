//! Interleaved rounds and what they amount to.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{Contest, Unit};

/// How much is measured.
pub(super) struct Plan {
    /// Operations of each contestant in each round.
    pub(super) size: u64,
    /// Measured rounds; odd, so that the median is one of them.
    pub(super) rounds: usize,
    /// Whether the numbers mean anything.
    pub(super) quick: bool,
}

impl Plan {
    pub(super) fn full(contest: &Contest) -> Self {
        Self { size: contest.size, rounds: 9, quick: false }
    }

    pub(super) fn quick(contest: &Contest) -> Self {
        Self { size: contest.quick, rounds: 3, quick: true }
    }
}

/// What one contestant came to.
#[derive(Serialize)]
pub(super) struct Outcome {
    pub(super) name: &'static str,
    /// Seconds of each round, in order.
    pub(super) seconds: Vec<f64>,
    /// The middle round, in the contest's unit.
    pub(super) median: f64,
    /// The worst and the best round, in the contest's unit.
    pub(super) worst: f64,
    pub(super) best: f64,
    /// Distance of worst and best as a share of the median.
    pub(super) spread: f64,
    /// How many times as fast as the first contestant: the median of the rounds' own ratios.
    pub(super) speed: f64,
}

/// Warms every contestant up with a tenth of the work, then lets them take turns.
pub(super) fn run(contest: &mut Contest, plan: &Plan) -> Result<Vec<Outcome>> {
    let mut seconds = vec![Vec::with_capacity(plan.rounds); contest.contestants.len()];
    take_turns(contest, (plan.size / 10).max(1), &mut vec![Vec::new(); seconds.len()])?;
    for _ in 0..plan.rounds {
        take_turns(contest, plan.size, &mut seconds)?;
    }
    let first = seconds.first().cloned().unwrap_or_default();
    let names = contest.contestants.iter().map(|contestant| contestant.name);
    Ok(names.zip(seconds).map(|(name, own)| outcome(name, own, &first, contest.unit, plan.size)).collect())
}

fn take_turns(contest: &mut Contest, size: u64, seconds: &mut [Vec<f64>]) -> Result<()> {
    for (contestant, seconds) in contest.contestants.iter_mut().zip(seconds) {
        let spent = (contestant.body)(size)
            .with_context(|| format!("contestant `{}` of `{}` failed", contestant.name, contest.name))?;
        seconds.push(spent.max(Duration::from_nanos(1)).as_secs_f64());
    }
    Ok(())
}

fn outcome(name: &'static str, seconds: Vec<f64>, first: &[f64], unit: Unit, size: u64) -> Outcome {
    let fastest = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let slowest = seconds.iter().copied().fold(0.0, f64::max);
    let middle = median(seconds.clone());
    let ratios = first.iter().zip(&seconds).map(|(first, own)| first / own).collect();
    Outcome {
        name,
        median: unit.of(middle, size),
        worst: unit.of(slowest, size),
        best: unit.of(fastest, size),
        spread: (slowest - fastest) / middle,
        speed: median(ratios),
        seconds,
    }
}

impl Unit {
    /// A round of `size` operations in this unit.
    fn of(self, seconds: f64, size: u64) -> f64 {
        match self {
            Self::PerSecond(_) => size as f64 / seconds,
            Self::NanosecondsPer(_) => seconds * 1e9 / size as f64,
        }
    }
}

/// The middle value; the lower of the two middle ones when their number is even, 0 when there is none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::super::{Contestant, Needs};
    use super::*;

    fn contest(contestants: Vec<Contestant>) -> Contest {
        let unit = Unit::PerSecond("lines");
        Contest { name: "t", about: "", unit, size: 100, quick: 10, needs: Needs::Nothing, contestants }
    }

    #[test]
    fn contestants_take_turns_after_a_warm_up() {
        let order = Rc::new(RefCell::new(Vec::new()));
        let player = |name: &'static str| {
            let order = Rc::clone(&order);
            Contestant::new(name, move |n| {
                order.borrow_mut().push((name, n));
                Ok(Duration::from_secs(1))
            })
        };
        let mut contest = contest(vec![player("a"), player("b")]);
        let plan = Plan { size: 100, rounds: 2, quick: false };
        run(&mut contest, &plan).unwrap();
        let expected = [("a", 10), ("b", 10), ("a", 100), ("b", 100), ("a", 100), ("b", 100)];
        assert_eq!(*order.borrow(), expected);
    }

    #[test]
    fn the_first_contestant_is_what_the_others_are_compared_with() {
        let takes = |name, seconds| Contestant::new(name, move |_| Ok(Duration::from_secs(seconds)));
        let mut contest = contest(vec![takes("ours", 4), takes("theirs", 2)]);
        let results = run(&mut contest, &Plan { size: 100, rounds: 3, quick: false }).unwrap();
        let figures: Vec<_> = results.iter().map(|r| (r.name, r.median, r.spread, r.speed)).collect();
        assert_eq!(figures, [("ours", 25.0, 0.0, 1.0), ("theirs", 50.0, 0.0, 2.0)]);
    }

    #[test]
    fn a_failure_names_contest_and_contestant() {
        let mut contest = contest(vec![Contestant::new("a", |_| anyhow::bail!("no luck"))]);
        let error = run(&mut contest, &Plan { size: 1, rounds: 1, quick: true }).err().unwrap();
        assert_eq!(format!("{error:#}"), "contestant `a` of `t` failed: no luck");
    }

    #[test]
    fn less_is_better_in_nanoseconds() {
        let outcome = outcome("a", vec![1e-6, 3e-6, 2e-6], &[2e-6; 3], Unit::NanosecondsPer("call"), 10);
        let rounded = [outcome.best, outcome.median, outcome.worst].map(|value| value.round() as u64);
        assert_eq!(rounded, [100, 200, 300]);
    }

    #[test]
    fn the_median_of_nothing_is_zero() {
        assert_eq!(median(Vec::new()), 0.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.0);
    }
}
