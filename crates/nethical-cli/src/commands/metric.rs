//! `nethical metric`

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use nethical::Nethical;
use nethical::event::{IntoValue, Timestamp};
use nethical::monitors::{MonitorStatus, Standing};
use serde_json::json;

use super::alert::waiting::SYNCING;
use super::webhook::observed;
use super::{fields, load_config};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::{BAD, GOOD, styled};
use crate::units::seconds;

/// Log the value of a metric, and have the monitors of the configuration see it.
///
/// A breach raises an alert, and its end is told too. How far the monitors have come is kept between the calls. Every
/// call also looks for metrics of which there was no value for too long.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The name of the metric.
    name: String,
    /// Its value: a number, also `NaN` or `inf`.
    #[arg(allow_negative_numbers = true)]
    value: f64,
    /// What belongs to it in the log.
    #[arg(value_name = "KEY=VALUE")]
    fields: Vec<OsString>,
    /// Wait at most this long for everything to be delivered.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    wait: Duration,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  nethical metric model_accuracy 0.87 model=v2.0
  nethical metric queue_length $(ls queue | wc -l)";

pub(crate) fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let deadline = Instant::now() + args.wait;
    let metadata = fields::read(args.fields.iter().collect())?;
    let config = load_config(config)?;
    if config.monitors().is_empty() && config.destinations().is_empty() {
        let hint = "add `[[monitors]]` with a metric and a threshold, or a table such as `[logging.jsonl]`";
        return Err(Failure::usage(format!("{} does nothing with a metric", config.name()), hint));
    }
    let nethical = config.open_with(&observed)?;
    let monitoring = nethical.monitoring();
    monitoring.log_metric(&args.name, args.value, metadata);
    monitoring.tick_at(Timestamp::now());
    let standings: Vec<_> =
        monitoring.standings().into_iter().filter(|standing| standing.metric == args.name).collect();
    let is_delivered = finish(&nethical, deadline);
    report(args, &standings)?;
    Ok(if is_delivered { Exit::Success } else { Exit::Later })
}

/// Wait until everything came to its end, at a fallback too, or the deadline.
fn finish(nethical: &Nethical, deadline: Instant) -> bool {
    let left = || deadline.saturating_duration_since(Instant::now());
    let logged = nethical.logs().flush_all(left());
    let told = nethical.alerts().flush(left());
    nethical.alerts().look_after();
    let told = told && nethical.alerts().flush(left());
    nethical.alerts().keep(SYNCING);
    nethical.close(Duration::ZERO);
    logged && told
}

fn report(args: &Args, standings: &[Standing]) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    let Args { name, value, .. } = args;
    if args.json {
        let monitors: Vec<_> = standings
            .iter()
            .map(|standing| json!({ "monitor": standing.monitor, "status": standing.status.as_str() }))
            .collect();
        writeln!(out, "{:#}", json!({ "metric": name, "value": value.into_value(), "monitors": monitors }))?;
        return Ok(());
    }
    if standings.is_empty() {
        writeln!(out, "{name} = {value}, which no monitor watches")?;
    }
    for standing in standings {
        let style = if standing.status == MonitorStatus::Ok { GOOD } else { BAD };
        writeln!(out, "{name} = {value}  {}  {}", styled(style, standing.status.as_str()), standing.monitor)?;
    }
    Ok(())
}
