//! What W&B knows of runs and metrics beyond what every platform does.

use nethical_core::delivery::Error;

use super::limits;
use super::log::record::{Metric, MetricOptions, MetricSummary};

/// How a run is to begin, beyond what every platform knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct WandbStart<'a> {
    /// Its id; without it eight random letters and digits.
    pub id: Option<&'a str>,
    /// Whether it goes on with a run of the same id.
    pub resume: Option<Resume>,
    /// What kind of job it is, for grouping.
    pub job_type: Option<&'a str>,
    /// A longer text about it.
    pub notes: Option<&'a str>,
    /// Tags as W&B has them, beside those with names and values.
    pub tags: &'a [&'a str],
}

/// Whether a run goes on with one of the same id. It is looked after when the server is reached; `start` does not wait
/// for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// It does, and there must be one.
    Must,
    /// It does if there is one.
    Allow,
    /// There must be none.
    Never,
}

impl Resume {
    /// As the log and the official client say it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Allow => "allow",
            Self::Never => "never",
        }
    }
}

/// How a metric is drawn and summed up.
#[derive(Debug, Clone, Copy, Default)]
pub struct MetricDefinition<'a> {
    /// Its name; `*` at the end stands for all that begin so.
    pub name: &'a str,
    /// The metric that is its x-axis.
    pub step_metric: Option<&'a str>,
    /// What the summary has of it: any of `min max mean best last none copy first`.
    pub summary: &'a [&'a str],
    /// Whether it is not drawn.
    pub hidden: bool,
}

impl MetricDefinition<'_> {
    /// As the log has it.
    ///
    /// # Errors
    /// If it cannot be meant so.
    pub(super) fn metric(&self) -> Result<Metric, Error> {
        let MetricDefinition { name, step_metric, summary, hidden } = *self;
        limits::metric(name)?;
        if step_metric.is_some_and(|step| step.contains('*')) || name.trim_end_matches('*').contains('*') {
            let text = "wandb: `*` can only stand at the end of the name that is defined".to_owned();
            return Err(Error::refused("wandb.metric", text).with_hint("use `val/*`"));
        }
        let mut wanted = MetricSummary::default();
        for word in summary {
            let set = match *word {
                "min" => &mut wanted.min,
                "max" => &mut wanted.max,
                "mean" => &mut wanted.mean,
                "best" => &mut wanted.best,
                "last" => &mut wanted.last,
                "none" => &mut wanted.none,
                "copy" => &mut wanted.copy,
                "first" => &mut wanted.first,
                other => {
                    let text = format!("wandb: `{other}` is no way to sum up a metric");
                    return Err(Error::refused("wandb.metric", text)
                        .with_hint("use any of min, max, mean, best, last, none, copy and first"));
                }
            };
            *set = true;
        }
        let is_glob = name.ends_with('*');
        Ok(Metric {
            name: if is_glob { String::new() } else { name.to_owned() },
            glob_name: if is_glob { name.to_owned() } else { String::new() },
            step_metric: step_metric.unwrap_or_default().to_owned(),
            options: Some(MetricOptions { step_sync: step_metric.is_some(), hidden, defined: !is_glob }),
            summary: Some(wanted),
            ..Metric::default()
        })
    }
}
