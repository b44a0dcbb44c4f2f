//! `nethical runs compare`

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::list::{number, status, text};
use super::places::{Found, Place, metrics, one};
use super::{Form, chart, csv};
use crate::failure::Failure;
use crate::units::span;

/// Compare runs: what they were given, what came out, and a chart of a metric.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The ids of the runs, the starts of them, or their names.
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    runs: Vec<String>,
    /// Draw this metric. May be given several times; without it the loss, or the first one.
    #[arg(long, short, value_name = "NAME")]
    metric: Vec<String>,
    /// Also parameters that are the same in all of them.
    #[arg(long, short)]
    all: bool,
    #[command(flatten)]
    form: Form,
}

/// A line of the comparison: a name, and what each run has there.
struct Line {
    kind: &'static str,
    name: String,
    values: Vec<String>,
}

pub(super) fn run(args: &Args, places: &[Place]) -> Result<(), Failure> {
    let found = args.runs.iter().map(|word| one(places, word)).collect::<Result<Vec<_>, _>>()?;
    let names = metrics(&args.metric, &found.iter().map(|found| &found.run).collect::<Vec<_>>())?;
    let lines = lines(&found, args.all);
    let mut out = anstream::stdout();
    if args.form.json {
        writeln!(out, "{:#}", as_json(&found, &lines))?;
        return Ok(());
    }
    if args.form.csv {
        let header = ["kind".to_owned(), "name".to_owned()];
        csv::line(&mut out, header.into_iter().chain(found.iter().map(|found| found.run.run_id.clone())))?;
        for line in lines {
            csv::line(&mut out, [line.kind.to_owned(), line.name].into_iter().chain(line.values))?;
        }
        return Ok(());
    }
    writeln!(out, "{}", table(&found, &lines).trim_fmt())?;
    for name in &names {
        let mut series = Vec::new();
        for found in &found {
            let points = found.history(name)?;
            series.push((found.label(), points.iter().map(|point| (point.step, point.value)).collect()));
        }
        writeln!(out, "\n{}", chart::draw(name, &series))?;
    }
    Ok(())
}

fn lines(found: &[Found<'_>], all: bool) -> Vec<Line> {
    let mut names: Vec<(&'static str, String)> = Vec::new();
    let mut note = |kind, name: &String| {
        if !names.iter().any(|(known, other)| (*known, other) == (kind, name)) {
            names.push((kind, name.clone()));
        }
    };
    for found in found {
        found.run.parameters.keys().for_each(|name| note("param", name));
    }
    for found in found {
        found.run.metrics.iter().for_each(|(name, _)| note("metric", name));
    }
    let line = |(kind, name): (&'static str, String)| {
        let value = |found: &Found<'_>| match kind {
            "param" => found.run.parameters.get(&name).map(text),
            _ => {
                found.run.metrics.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
            }
        };
        let values: Vec<_> = found.iter().map(|found| value(found).unwrap_or_default()).collect();
        Line { kind, name, values }
    };
    let differs = |line: &Line| line.values.windows(2).any(|pair| pair.first() != pair.last());
    names.into_iter().map(line).filter(|line| all || line.kind == "metric" || differs(line)).collect()
}

fn table(found: &[Found<'_>], lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([String::new()].into_iter().chain(found.iter().map(Found::label)));
    let mut row = |name: String, values: Vec<String>| {
        table.add_row([name].into_iter().chain(values));
    };
    row("status".to_owned(), found.iter().map(|found| status(found.run.status)).collect());
    row("took".to_owned(), found.iter().map(|found| span(found.run.duration())).collect());
    for line in lines {
        let short = |value: &String| match value.parse::<f64>() {
            Ok(float) if line.kind == "metric" => number(float),
            _ => value.clone(),
        };
        row(format!("{} {}", line.kind, line.name), line.values.iter().map(short).collect());
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn as_json(found: &[Found<'_>], lines: &[Line]) -> Value {
    let ids: Vec<_> = found.iter().map(|found| found.run.run_id.as_str()).collect();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| json!({ "kind": line.kind, "name": line.name, "values": line.values }))
        .collect();
    json!({ "runs": found.iter().map(Found::to_json).collect::<Vec<_>>(), "run_ids": ids, "compared": lines })
}
