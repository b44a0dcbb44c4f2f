//! `nethical runs show`

use std::io::Write;

use comfy_table::{Table, presets};
use serde_json::{Map, Value, json};

use super::list::{number, status, text};
use super::places::{Found, Place, metrics, one};
use super::{Form, chart, csv};
use crate::failure::Failure;
use crate::units::span;

/// Show a run, with a chart of a metric.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The id of the run, the start of it, or its name.
    #[arg(value_name = "RUN")]
    run: String,
    /// Draw this metric. May be given several times; without it the loss, or the first one.
    #[arg(long, short, value_name = "NAME")]
    metric: Vec<String>,
    #[command(flatten)]
    form: Form,
}

pub(super) fn run(args: &Args, places: &[Place]) -> Result<(), Failure> {
    let found = one(places, &args.run)?;
    let all = args.metric.is_empty() && (args.form.json || args.form.csv);
    let names = if all {
        found.run.metrics.iter().map(|(name, _)| name.clone()).collect()
    } else {
        metrics(&args.metric, &[&found.run])?
    };
    let mut out = anstream::stdout();
    if args.form.json {
        writeln!(out, "{:#}", as_json(&found, &names)?)?;
        return Ok(());
    }
    if args.form.csv {
        return as_csv(&mut out, &found, &names);
    }
    writeln!(out, "{}", about(&found))?;
    for name in &names {
        let points: Vec<_> = found.history(name)?.iter().map(|point| (point.step, point.value)).collect();
        writeln!(out, "\n{}", chart::draw(name, &[(found.label(), points)]))?;
    }
    Ok(())
}

fn about(found: &Found<'_>) -> String {
    let run = &found.run;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    row("run", run.run_id.clone());
    row("name", found.label());
    row("experiment", run.experiment_name.clone());
    row("status", status(run.status));
    row("started", run.start_time.to_string());
    row("took", span(run.duration()));
    row("in", found.place.path.display().to_string());
    run.parameters.iter().for_each(|(name, value)| row(&format!("param {name}"), text(value)));
    let tags = run.tags.iter().filter(|(name, _)| !name.starts_with("mlflow."));
    tags.for_each(|(name, value)| row(&format!("tag {name}"), text(value)));
    run.metrics.iter().for_each(|(name, value)| row(&format!("metric {name}"), number(*value)));
    run.artifacts.iter().for_each(|path| row("artifact", path.clone()));
    table.trim_fmt()
}

fn as_json(found: &Found<'_>, names: &[String]) -> Result<Value, Failure> {
    let mut history = Map::new();
    for name in names {
        let points = found.history(name)?;
        let point = |point: &nethical::destinations::stored::Point| {
            let value = serde_json::Number::from_f64(point.value)
                .map_or_else(|| point.value.to_string().into(), Value::from);
            json!({ "step": point.step, "value": value, "time": point.time.to_string() })
        };
        history.insert(name.clone(), points.iter().map(point).collect());
    }
    Ok(found.to_json_with([("history".to_owned(), Value::from(history))]))
}

fn as_csv(out: &mut impl Write, found: &Found<'_>, names: &[String]) -> Result<(), Failure> {
    csv::line(out, ["metric", "step", "time", "value"].map(str::to_owned))?;
    for name in names {
        for point in found.history(name)? {
            csv::line(
                out,
                [name.clone(), point.step.to_string(), point.time.to_string(), point.value.to_string()],
            )?;
        }
    }
    Ok(())
}
