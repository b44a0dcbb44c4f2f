//! The view for people.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};
use nethical::delivery::{DestinationReport, DropReason, ErrorReport, ProcessReport};

use super::View;
use super::view::Left;
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
    let mut told: Vec<String> = Vec::new();
    for trouble in reports.flat_map(troubles) {
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

/// What went wrong last, and what was given up.
fn troubles(report: &DestinationReport) -> Vec<String> {
    let (mut troubles, name, ledger) = (Vec::new(), &report.key, &report.ledger);
    if let Some(error) = report.last_error.as_ref().filter(|_| ledger.waiting + ledger.dead_lettered > 0) {
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
    if ledger.dead_lettered > 0 {
        let letters = count(ledger.dead_lettered, "event");
        let more = format!("`nethical dead list --destination {name}`");
        troubles.push(format!("{name}: {letters} refused so far: {more}"));
    }
    troubles
}

fn left_behind(left: &Left) -> String {
    let (events, size) = (count(left.events, "event"), bytes(left.bytes));
    let what = if left.is_orphan() { "orphans" } else { "left" };
    format!("\n{}: {what}: {events} ({size}) of processes that ended: {}\n", left.key, left.remedy())
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
