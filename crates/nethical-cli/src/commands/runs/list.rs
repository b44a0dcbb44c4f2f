//! `nethical runs list`

use std::collections::BTreeSet;
use std::io::Write;

use comfy_table::{Table, presets};
use nethical::RunStatus;
use serde_json::Value;

use super::places::{Found, Place, all, short};
use super::{Form, csv};
use crate::failure::Failure;
use crate::render::{BAD, GOOD, say, styled};
use crate::units::{since, span};

/// List runs, the newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those of this experiment.
    #[arg(long, short, value_name = "NAME")]
    experiment: Option<String>,
    /// Only those that stand so: running, completed, failed or killed.
    #[arg(long, value_name = "STATUS")]
    status: Option<RunStatus>,
    /// Most runs to show; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    form: Form,
}

/// Metrics that are shown of each run.
const SHOWN: usize = 3;

pub(super) fn run(args: &Args, places: &[Place]) -> Result<(), Failure> {
    let mut found = all(places)?;
    found.retain(|found| {
        args.experiment.as_ref().is_none_or(|wanted| *wanted == found.run.experiment_name)
            && args.status.is_none_or(|wanted| wanted == found.run.status)
    });
    let count = found.len();
    if args.limit > 0 {
        found.truncate(args.limit);
    }
    let mut out = anstream::stdout();
    if args.form.json {
        let runs: Vec<_> = found.iter().map(Found::to_json).collect();
        writeln!(out, "{:#}", Value::from(runs))?;
    } else if args.form.csv {
        as_csv(&mut out, &found)?;
    } else if found.is_empty() {
        writeln!(out, "there are no such runs")?;
    } else {
        writeln!(out, "{}", table(&found).trim_fmt())?;
        if count > found.len() {
            say(&format!("{} more; `--limit 0` shows all", count - found.len()));
        }
    }
    Ok(())
}

fn table(found: &[Found<'_>]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["run", "name", "experiment", "status", "started", "took", "metrics", "in"]);
    for Found { run, .. } in found {
        let metrics: Vec<_> = run
            .metrics
            .iter()
            .take(SHOWN)
            .map(|(name, value)| format!("{name}={}", number(*value)))
            .collect();
        let more = if run.metrics.len() > SHOWN { " …" } else { "" };
        table.add_row([
            short(&run.run_id).to_owned(),
            run.run_name.clone().unwrap_or_default(),
            run.experiment_name.clone(),
            status(run.status),
            format!("{} ago", span(since(run.start_time))),
            if run.status.is_end() && run.end_time.is_none() { String::new() } else { span(run.duration()) },
            metrics.join(" ") + more,
            run.platform.to_owned(),
        ]);
    }
    table
}

/// The word for it, in colour on a terminal.
pub(super) fn status(status: RunStatus) -> String {
    match status {
        RunStatus::Completed => styled(GOOD, status.as_str()),
        RunStatus::Failed | RunStatus::Killed => styled(BAD, status.as_str()),
        RunStatus::Running => status.to_string(),
    }
}

/// A number in few letters.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() || value.fract() == 0.0 && size < 1e9 {
        return value.to_string();
    }
    if (1e-4..1e6).contains(&size) {
        let digits = (4 - size.log10().floor() as i32).clamp(0, 9).unsigned_abs() as usize;
        let text = format!("{value:.digits$}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    format!("{value:.4e}")
}

fn as_csv(out: &mut impl Write, found: &[Found<'_>]) -> Result<(), Failure> {
    let names = |of: fn(&Found<'_>) -> Vec<String>| -> Vec<String> {
        found.iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let parameters = names(|found| found.run.parameters.keys().cloned().collect());
    let metrics = names(|found| found.run.metrics.iter().map(|(name, _)| name.clone()).collect());
    let fixed = [
        "platform",
        "run_id",
        "run_name",
        "experiment",
        "status",
        "start_time",
        "end_time",
        "duration_seconds",
    ];
    let header = fixed.iter().map(|name| (*name).to_owned());
    let header = header.chain(parameters.iter().map(|name| format!("param.{name}")));
    csv::line(out, header.chain(metrics.iter().map(|name| format!("metric.{name}"))))?;
    for Found { run, .. } in found {
        let start = [
            run.platform.to_owned(),
            run.run_id.clone(),
            run.run_name.clone().unwrap_or_default(),
            run.experiment_name.clone(),
            run.status.to_string(),
            run.start_time.to_string(),
            run.end_time.map(|time| time.to_string()).unwrap_or_default(),
            run.duration_seconds().to_string(),
        ];
        let params = parameters.iter().map(|name| run.parameters.get(name).map(text).unwrap_or_default());
        let metric = |name: &String| run.metrics.iter().find(|(known, _)| known == name);
        let values =
            metrics.iter().map(|name| metric(name).map(|(_, value)| value.to_string()).unwrap_or_default());
        csv::line(out, start.into_iter().chain(params).chain(values))?;
    }
    Ok(())
}

/// A value without the quotes of JSON.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (3.0, "3"),
            (0.412_345_6, "0.41235"),
            (12.5, "12.5"),
            (-1_234.567_89, "-1234.6"),
            (1.5e-7, "1.5000e-7"),
            (1e12, "1.0000e12"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
