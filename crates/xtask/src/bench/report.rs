//! Results as a table for people and as JSON for everything else.

use std::fs;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::json;

use super::rounds::{Outcome, Plan};
use super::{Contest, Unit};
use crate::terminal;
use crate::workspace::Workspace;

/// Prints one contest.
pub(super) fn print(contest: &Contest, plan: &Plan, results: &[Outcome]) {
    let rows = results.iter().map(row).collect();
    let unit = unit(contest.unit);
    let first = results.first().map_or("", |result| result.name);
    let speed = format!("speed / {first}");
    terminal::table(&["contestant", &unit, "worst", "best", "spread", &speed], rows, 1);
    let quick = if plan.quick { ", too few to say how fast anything is" } else { "" };
    terminal::result(&format!("{} rounds of {}, in turns{quick}", plan.rounds, group(plan.size)));
}

/// Writes `target/bench/<contest>.json`; a quick run does not replace a real one.
pub(super) fn write(
    workspace: &Workspace,
    contest: &Contest,
    plan: &Plan,
    results: &[Outcome],
) -> Result<()> {
    let suffix = if plan.quick { ".quick.json" } else { ".json" };
    let path = workspace.bench().join(format!("{}{suffix}", contest.name));
    let when = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let document = json!({
        "contest": contest.name,
        "about": contest.about,
        "unit": unit(contest.unit),
        "size": plan.size,
        "rounds": plan.rounds,
        "quick": plan.quick,
        "unix_time": when,
        "cores": thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "contestants": results,
    });
    let text = serde_json::to_string_pretty(&document).context("could not encode the results")?;
    fs::write(&path, text + "\n").with_context(|| format!("could not write `{}`", path.display()))
}

fn row(result: &Outcome) -> Vec<String> {
    let share = format!("{:.0} %", result.spread * 100.0);
    let figures = [result.median, result.worst, result.best].map(figure);
    let mut row = vec![result.name.to_owned()];
    row.extend(figures);
    row.extend([share, format!("{:.2}x", result.speed)]);
    row
}

fn unit(unit: Unit) -> String {
    match unit {
        Unit::PerSecond(what) => format!("{what}/s"),
        Unit::NanosecondsPer(what) => format!("ns/{what}"),
    }
}

/// Whole numbers in groups of three digits; one decimal below 100.
pub(super) fn figure(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { group(value.round() as u64) }
}

pub(super) fn group(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_in_threes() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(group(number), text);
        }
    }

    #[test]
    fn small_figures_keep_a_decimal() {
        assert_eq!(figure(42.25), "42.2");
        assert_eq!(figure(1499.6), "1,500");
    }
}
