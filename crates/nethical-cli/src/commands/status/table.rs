//! The view for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;

use comfy_table::{CellAlignment, Table, presets};
use nethical::delivery::{DestinationReport, DropReason, ErrorReport, ProcessReport};
use nethical::spool::Filter;

use super::View;
use super::view::Left;
use crate::commands::dead::open;
use crate::render::{BAD, GOOD, count, styled, thousands};
use crate::units::{bytes, since, span};

const HEADER: [&str; 11] = [
    "process",
    "destination",
    "waiting",
    "size",
    "oldest",
    "accepted",
    "confirmed",
    "sent",
    "dead",
    "dropped",
    "state",
];

/// Columns of numbers.
const NUMBERS: std::ops::Range<usize> = 2..10;

/// All of it.
pub(super) fn whole(view: &View) -> String {
    let mut out = String::new();
    let home = view.home.display();
    if view.processes.is_empty() && view.left.is_empty() {
        return format!("nothing was ever kept in {home}");
    }
    // To write to a text cannot fail.
    let _ = writeln!(out, "{}", destinations(view).trim_fmt());
    let reports = view.processes.iter().flat_map(|process| &process.destinations);
    let (letters, mut told) = (letters(view), Vec::<String>::new());
    for trouble in reports.flat_map(|report| troubles(report, &letters)) {
        if !told.contains(&trouble) {
            let _ = writeln!(out, "\n{trouble}");
            told.push(trouble);
        }
    }
    for left in &view.left {
        out += &left_behind(left);
    }
    let _ = write!(out, "\n{}", total(view));
    out
}

fn destinations(view: &View) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    for process in &view.processes {
        for report in &process.destinations {
            table.add_row(row(process, report));
        }
    }
    for left in view.left.iter().filter(|left| left.runs.is_some()) {
        table.add_row(row_of_runs(left));
    }
    let numbers = table.column_iter_mut().skip(NUMBERS.start).take(NUMBERS.len());
    numbers.for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn row(process: &ProcessReport, report: &DestinationReport) -> [String; HEADER.len()] {
    let ledger = &report.ledger;
    let waits = ledger.waiting > 0;
    let oldest = report.oldest.filter(|_| waits).map(|at| span(since(at)));
    [
        if process.running { process.pid.to_string() } else { "ended".to_owned() },
        report.key.clone(),
        thousands(ledger.waiting),
        if waits { bytes(report.waiting_bytes) } else { String::new() },
        oldest.unwrap_or_default(),
        thousands(ledger.accepted),
        thousands(ledger.confirmed),
        thousands(ledger.sent),
        thousands(ledger.dead_lettered),
        thousands(ledger.dropped()),
        state(process, report),
    ]
}

/// Runs of ended processes, which have no report of these.
fn row_of_runs(left: &Left) -> [String; HEADER.len()] {
    let process = ProcessReport {
        directory: std::path::PathBuf::new(),
        running: false,
        pid: 0,
        written: nethical::event::Timestamp::UNIX_EPOCH,
        destinations: Vec::new(),
    };
    let report = DestinationReport {
        key: left.key.clone(),
        ledger: left.ledger(),
        waiting_bytes: left.bytes,
        oldest: left.oldest,
        ..DestinationReport::default()
    };
    row(&process, &report)
}

fn state(process: &ProcessReport, report: &DestinationReport) -> String {
    let attended = process.running && report.open;
    match report.down_since.filter(|_| attended) {
        Some(at) => {
            let breaker = if report.breaker_open { ", breaker open" } else { "" };
            format!("retrying since {}{breaker}", span(since(at)))
        }
        None if attended => "well".to_owned(),
        None if report.ledger.waiting > 0 => "left".to_owned(),
        None => String::new(),
    }
}

/// How many dead letters there still are, by destination: those that were sent again or dropped are counted on.
fn letters(view: &View) -> BTreeMap<String, u64> {
    let mut letters = BTreeMap::new();
    if view.total.ledger.dead_lettered > 0
        && let Ok(Some(log)) = open(&view.home)
    {
        let _ = log.visit(&Filter::default(), |letter| {
            *letters.entry(letter.destination).or_default() += 1;
            ControlFlow::Continue(())
        });
    }
    letters
}

/// What went wrong last, and what was given up.
fn troubles(report: &DestinationReport, letters: &BTreeMap<String, u64>) -> Vec<String> {
    let (mut troubles, name, ledger) = (Vec::new(), &report.key, &report.ledger);
    let known_as = if report.name.is_empty() { name } else { &report.name };
    let letters = letters.get(known_as).copied().unwrap_or_default();
    if let Some(error) = report.last_error.as_ref().filter(|_| ledger.waiting + letters > 0) {
        let ErrorReport { code, message, hint } = error;
        let hint = hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        troubles.push(format!("{name}: {}: {message} ({code}){hint}", styled(BAD, "last error")));
    }
    let dropped = DropReason::ALL.into_iter().filter(|reason| ledger.dropped_because(*reason) > 0);
    let dropped: Vec<_> =
        dropped.map(|reason| format!("{} {reason}", thousands(ledger.dropped_because(reason)))).collect();
    if !dropped.is_empty() {
        troubles.push(format!("{name}: dropped: {}", dropped.join(", ")));
    }
    if letters > 0 {
        let letters = count(letters, "dead letter");
        troubles.push(format!("{name}: {letters}: `nethical dead list --destination {known_as}`"));
    }
    troubles
}

fn left_behind(left: &Left) -> String {
    let (events, size) = (count(left.events, "event"), bytes(left.bytes));
    let what = if left.is_orphan() && left.runs.is_none() { "orphans" } else { "left" };
    let of = left.runs.as_ref().map(|runs| format!(" in {}", count(runs.paths.len() as u64, "run")));
    let of = of.unwrap_or_default();
    format!("\n{}: {what}: {events}{of} ({size}) of processes that ended: {}\n", left.key, left.remedy())
}

fn total(view: &View) -> String {
    let (total, ledger) = (&view.total, &view.total.ledger);
    let waiting = count(ledger.waiting, "event");
    let waiting = match total.oldest.filter(|_| ledger.waiting > 0) {
        Some(oldest) => {
            format!("{waiting} waiting ({}), the oldest {}", bytes(total.bytes), span(since(oldest)))
        }
        None if ledger.waiting > 0 => format!("{waiting} waiting ({})", bytes(total.bytes)),
        None => styled(GOOD, "nothing waiting"),
    };
    format!(
        "total: {waiting}; {} accepted, {} confirmed, {} sent, {} dead, {} dropped",
        thousands(ledger.accepted),
        thousands(ledger.confirmed),
        thousands(ledger.sent),
        thousands(ledger.dead_lettered),
        thousands(ledger.dropped()),
    )
}
