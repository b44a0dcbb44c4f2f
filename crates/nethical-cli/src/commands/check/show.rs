//! A report for people, and for programs.

use std::io::{self, Write};

use anstyle::Style;
use nethical::config::Section;
use serde_json::{Value, json};

use super::finding::{Finding, Report, State};
use crate::render::{BAD, GOOD, WARNING, count, styled};

/// One screen: a group each, a line for each thing, what to do below it.
pub(super) fn text(out: &mut impl Write, name: &str, report: &Report) -> io::Result<()> {
    writeln!(out, "{name}")?;
    if report.sections.is_empty() {
        writeln!(out, "\nnothing is configured: `nethical init` writes an example")?;
    }
    let width = report.all().map(|finding| finding.name.chars().count()).max().unwrap_or(0);
    for (title, findings) in groups(report).filter(|(_, findings)| !findings.is_empty()) {
        writeln!(out, "\n{title}")?;
        findings.iter().try_for_each(|finding| line(out, finding, width))?;
    }
    writeln!(out, "\n{}", sum(report))
}

fn groups(report: &Report) -> impl Iterator<Item = (&'static str, &[Finding])> {
    let sections = report.sections.iter().map(|(section, findings)| (section.name(), findings.as_slice()));
    let alerting = ("routes and monitors", report.alerting.as_slice());
    sections.chain([
        alerting,
        ("spool", report.spool.as_slice()),
        ("environment", report.environment.as_slice()),
    ])
}

fn line(out: &mut impl Write, finding: &Finding, width: usize) -> io::Result<()> {
    let (style, word) = mark(finding.state);
    let mut lines = finding.text.lines();
    let (name, first) = (&finding.name, lines.next().unwrap_or_default());
    let gap = 6 - word.len();
    writeln!(out, "  {name:width$}  {}{:gap$}  {first}", styled(style, word), "")?;
    let indent = width + 12;
    for line in lines {
        writeln!(out, "{:indent$}{line}", "")?;
    }
    match &finding.hint {
        Some(hint) => writeln!(out, "{:indent$}hint: {hint}", ""),
        None => Ok(()),
    }
}

const fn mark(state: State) -> (Style, &'static str) {
    match state {
        State::Ok => (GOOD, "ok"),
        State::Warning => (WARNING, "warn"),
        State::Failed => (BAD, "failed"),
    }
}

fn sum(report: &Report) -> String {
    let (failed, warnings) = (report.count(State::Failed), report.count(State::Warning));
    let all = report.sections.iter().map(|(_, findings)| findings.len() as u64).sum();
    let what =
        if failed == 0 { styled(GOOD, "all is well") } else { styled(BAD, &format!("{failed} failed")) };
    let warnings = if warnings == 0 { String::new() } else { format!(", {}", count(warnings, "warning")) };
    format!("{}: {what}{warnings}", count(all, "destination"))
}

/// The same as JSON.
pub(super) fn json(name: &str, report: &Report) -> Value {
    let in_section = |(section, findings): &(Section, Vec<Finding>)| {
        findings.iter().map(|finding| of_destination(*section, finding)).collect::<Vec<_>>()
    };
    let others = |findings: &[Finding]| findings.iter().map(described).collect::<Value>();
    json!({
        "config": name,
        "ok": report.count(State::Failed) == 0,
        "problems": [],
        "destinations": report.sections.iter().flat_map(in_section).collect::<Vec<_>>(),
        "alerting": others(&report.alerting),
        "spool": others(&report.spool),
        "environment": others(&report.environment),
        "failed": report.count(State::Failed),
        "warnings": report.count(State::Warning),
    })
}

fn of_destination(section: Section, finding: &Finding) -> Value {
    let mut described = described(finding);
    if let Some(members) = described.as_object_mut() {
        members.insert("section".to_owned(), section.name().into());
        members.insert("type".to_owned(), finding.kind.into());
        members.insert("seconds".to_owned(), finding.took.as_secs_f64().into());
    }
    described
}

fn described(finding: &Finding) -> Value {
    let failed = finding.state == State::Failed;
    json!({
        "name": finding.name,
        "ok": !failed,
        "state": finding.state.as_str(),
        "found": (!failed).then_some(&finding.text),
        "error": failed.then_some(&finding.text),
        "code": finding.code,
        "hint": finding.hint,
    })
}
