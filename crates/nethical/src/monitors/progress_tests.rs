use super::*;
use crate::monitors::rule::{Condition, Limit};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn monitor() -> Monitor {
    let limit = Limit { condition: Condition::Below, threshold: 0.90, clear: Some(0.92) };
    Monitor { limit: Some(limit), ..Monitor::new("accuracy", "accuracy") }
}

const RAISE: Step = Step::Raise(Subject::Breach);
const OVER: Step = Step::Resolve(Subject::Breach);

/// What each value leads to, a second apart.
fn walk(monitor: &Monitor, values: &[f64]) -> Vec<Vec<Step>> {
    let mut progress = Progress::default();
    let step = |(second, value): (usize, &f64)| progress.observe(monitor, *value, at(second as i64));
    values.iter().enumerate().map(step).collect()
}

#[test]
fn a_breach_begins_at_the_threshold_and_ends_behind_clear() {
    let steps = walk(&monitor(), &[0.95, 0.90, 0.89, 0.91, 0.93, 0.91]);
    assert_eq!(steps, [vec![], vec![], vec![RAISE], vec![RAISE], vec![OVER], vec![]]);
}

#[test]
fn it_must_hold_and_a_good_value_begins_it_anew() {
    let monitor = Monitor { hold: secs(2), ..monitor() };
    let steps = walk(&monitor, &[0.8, 0.8, 0.91, 0.8, 0.8, 0.8, 0.8]);
    assert_eq!(steps[..5].concat(), []);
    assert_eq!(steps[5..].concat(), [RAISE, RAISE]);
}

#[test]
fn without_another_value_the_last_one_counts_when_it_has_held() {
    let monitor = Monitor { hold: secs(60), ..monitor() };
    let mut progress = Progress::default();
    assert_eq!(progress.observe(&monitor, 0.8, at(0)), []);
    assert_eq!(progress.tick(&monitor, at(59)), []);
    assert_eq!(progress.tick(&monitor, at(60)), [RAISE]);
    assert_eq!(progress.tick(&monitor, at(61)), [Step::Remind(Subject::Breach)]);
    assert_eq!(progress.observe(&monitor, 0.99, at(62)), [OVER]);
    assert_eq!(progress.tick(&monitor, at(300)), []);
}

#[test]
fn after_a_breach_it_is_quiet_for_a_while() {
    let monitor = Monitor { cooldown: secs(3), ..monitor() };
    let steps = walk(&monitor, &[0.8, 0.95, 0.8, 0.8, 0.8]);
    assert_eq!(steps, [vec![RAISE], vec![OVER], vec![Step::Mute], vec![Step::Mute], vec![RAISE]]);
}

#[test]
fn what_is_not_a_number_is_what_the_rule_says() {
    let with = |nan| walk(&Monitor { nan, ..monitor() }, &[f64::NAN, 0.8, f64::NAN]);
    assert_eq!(with(NanRule::Breach), [vec![RAISE], vec![RAISE], vec![RAISE]]);
    assert_eq!(with(NanRule::Ok), [vec![], vec![RAISE], vec![OVER]]);
    assert_eq!(with(NanRule::Ignore), [vec![], vec![RAISE], vec![]]);
    assert_eq!(walk(&monitor(), &[f64::INFINITY, f64::NEG_INFINITY]), [vec![], vec![RAISE]]);
}

#[test]
fn no_value_for_so_long_is_missing_until_there_is_one() {
    let monitor = Monitor { missing: Some(secs(600)), ..Monitor::new("beat", "beat") };
    let mut progress = Progress::default();
    assert_eq!(progress.tick(&monitor, at(0)), [], "from here on is waited");
    assert_eq!(progress.tick(&monitor, at(599)), []);
    assert_eq!(progress.tick(&monitor, at(600)), [Step::Raise(Subject::Missing)]);
    assert_eq!(progress.tick(&monitor, at(601)), [Step::Remind(Subject::Missing)]);
    assert_eq!(progress.observe(&monitor, 1.0, at(700)), [Step::Resolve(Subject::Missing)]);
    assert_eq!(progress.tick(&monitor, at(1_299)), []);
    assert_eq!(progress.tick(&monitor, at(1_300)), [Step::Raise(Subject::Missing)]);
}

#[test]
fn it_is_kept_as_json_whatever_the_value() {
    let mut progress = Progress::default();
    progress.observe(&monitor(), f64::NEG_INFINITY, at(0));
    let text = serde_json::to_string(&progress).unwrap();
    let back: Progress = serde_json::from_str(&text).unwrap();
    assert!(!back.differs(&progress) && back.fires);
}
