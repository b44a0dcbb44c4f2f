//! What the server had of a run when a log that goes on with it began.
//!
//! It is below what the log says: the summary and the tags stay unless the log sets them, time goes on, and no
//! row is sent whose step is not above those that are there.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use nethical_core::delivery::Error;
use serde::{Deserialize, Serialize};

use super::super::assembly::{Assembly, Line};
use super::super::graphql::{Existing, step_of};
use super::super::json;
use super::super::summary::{Metrics, parse};
use super::loose::{members, object};

/// In the run directory: later the server's answer has our own rows in it.
const FILE: &str = "nethical.before.json";

/// What the server had.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Before {
    /// The highest step there.
    pub(super) highest: Option<i64>,
    /// Seconds that the run had taken.
    runtime: f64,
    /// Rows that were not above that step, and stand among the dead letters.
    pub(super) letters: u64,
    #[serde(skip)]
    tags: Vec<String>,
    #[serde(skip)]
    summary: Vec<(String, String)>,
}

/// Rows that are not above what the server had.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// Those that nobody was told of.
    pub(super) rows: Vec<Line>,
    /// How many there were before them.
    pub(super) told: u64,
    /// Names that only such rows have: what the summary says of them is not ours to change.
    pub(super) names: BTreeSet<String>,
}

impl Before {
    /// What an answer says.
    pub(super) fn of(existing: &Existing) -> Self {
        let summary = existing.summary();
        Self {
            highest: existing.highest_step(),
            runtime: runtime_in(&summary),
            letters: 0,
            tags: existing.tags.clone().unwrap_or_default(),
            summary,
        }
    }

    /// What was written down in a run directory, with what an answer says now. Nothing, if the log is a run from
    /// its start.
    pub(super) fn read(directory: &Path, existing: &Existing) -> Option<Self> {
        let kept: Self = serde_json::from_slice(&fs::read(directory.join(FILE)).ok()?).ok()?;
        let Self { tags, summary, .. } = Self::of(existing);
        Some(Self { tags, summary, ..kept })
    }

    /// Writes it down, as a whole.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let fresh = directory.join(format!("{FILE}.tmp"));
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        fs::rename(fresh, directory.join(FILE))
    }

    /// The tags that are there and those of the log, which takes the place of one with the same name.
    pub(super) fn tags(&self, ours: &[String]) -> Vec<String> {
        let name = |tag: &str| tag.split(':').next().unwrap_or_default().to_owned();
        let set: HashSet<String> = ours.iter().map(|tag| name(tag)).collect();
        self.tags.iter().filter(|tag| !set.contains(&name(tag))).chain(ours).cloned().collect()
    }

    /// The summary of the log above what was there.
    pub(super) fn summary(&self, assembly: &Assembly, not_ours: &BTreeSet<String>) -> String {
        self.merged(&assembly.summary(), assembly.is_own().then_some(&assembly.metrics), not_ours)
    }

    /// Logs of others, which have no `metrics` of ours, tell of the whole run already.
    fn merged(&self, ours: &str, metrics: Option<&Metrics>, not_ours: &BTreeSet<String>) -> String {
        let ours: Vec<_> =
            members(ours).into_iter().filter(|(name, _)| !not_ours.contains(name.as_str())).collect();
        let set: HashSet<&str> = ours.iter().map(|(name, _)| name.as_str()).collect();
        let theirs = self.summary.iter().filter(|(name, _)| !set.contains(name.as_str()));
        let theirs = theirs.map(|(name, value)| (name.as_str(), value.clone()));
        let earlier =
            |name: &str| self.summary.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let value = |name: &str, value: &str| match (metrics, earlier(name)) {
            (None, _) => value.to_owned(),
            (Some(metrics), Some(earlier)) if metrics.sums_up(name) => together(earlier, value),
            _ => self.later(name, value),
        };
        object(theirs.chain(ours.iter().map(|(name, text)| (name.as_str(), value(name, text)))))
    }

    /// Looks at the rows that were read behind the first `seen`: those that are not above what was there are taken
    /// out, the others go on in time. Logs of others tell the time of the whole run already.
    pub(super) fn sift(&self, assembly: &mut Assembly, seen: usize, behind: &mut Behind) {
        let own = assembly.is_own();
        let seen = seen.min(assembly.lines.len());
        for line in assembly.lines.split_off(seen) {
            assembly.line_bytes -= line.text.len();
            let above =
                self.highest.is_none_or(|highest| step_of(&line.text).is_none_or(|step| step > highest));
            if !above {
                behind.take(line, own);
                continue;
            }
            let text = if own { self.go_on(&line.text, &mut behind.names) } else { line.text };
            assembly.line_bytes += text.len();
            assembly.lines.push_back(Line { text, ..line });
        }
    }

    fn go_on(&self, line: &str, names: &mut BTreeSet<String>) -> String {
        let members = members(line);
        if !names.is_empty() {
            names.retain(|known| members.iter().all(|(name, _)| name != known));
        }
        object(members.iter().map(|(name, value)| (name.as_str(), self.later(name, value))))
    }

    /// A value of the log, in the time of the whole run.
    fn later(&self, name: &str, value: &str) -> String {
        let later = match name {
            "_runtime" => value.parse::<f64>().ok().map(|seconds| shown(self.runtime + seconds)),
            "_wandb" => whole_seconds(value).map(|seconds| {
                let sum = seconds.saturating_add(self.runtime as i64);
                format!("{{\"runtime\":{sum}}}")
            }),
            _ => None,
        };
        later.unwrap_or_else(|| value.to_owned())
    }

    /// Why a row is refused.
    pub(super) fn refusal(&self, run: &str, line: &str) -> Error {
        let (step, highest) = (step_of(line).unwrap_or(0), self.highest.unwrap_or(0));
        let text = format!(
            "wandb: the run `{run}` had step {highest} when it was resumed, and W&B takes no step back to {step}"
        );
        Error::refused("wandb.step_back", text).with_hint(format!(
            "log it in a step above {highest}, or leave `step` out: such rows go behind those that are there"
        ))
    }
}

impl Behind {
    fn take(&mut self, line: Line, own: bool) {
        if own {
            self.names.extend(members(&line.text).into_iter().map(|(name, _)| name));
        }
        self.rows.push(line);
    }
}

/// What sums up a metric: minimum, maximum and first value of the whole run, the rest of the rows since.
fn together(earlier: &str, since: &str) -> String {
    let earlier = members(earlier);
    let number = |wanted: &str| parse(earlier.iter().find(|(name, _)| name == wanted)?.1);
    let text = |name: &str, value: &str| {
        let (Some(before), Some(now)) = (number(name), parse(value)) else { return value.to_owned() };
        match name {
            "min" => written(before.min(now)),
            "max" => written(before.max(now)),
            "first" => written(before),
            _ => value.to_owned(),
        }
    };
    object(members(since).iter().map(|(name, value)| (name.as_str(), text(name, value))))
}

fn written(number: f64) -> String {
    let mut out = Vec::new();
    json::number(number, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Seconds, to the microsecond as in rows.
fn shown(seconds: f64) -> String {
    written((seconds * 1e6).round() / 1e6)
}

/// How long a run took, as its summary says it.
fn runtime_in(summary: &[(String, String)]) -> f64 {
    let value = |wanted: &str| summary.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let whole = value("_wandb").and_then(|value| whole_seconds(value)).map_or(0.0, |seconds| seconds as f64);
    let exact = value("_runtime").and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0);
    Some(whole.max(exact)).filter(|seconds| seconds.is_finite()).unwrap_or(0.0)
}

/// `runtime` of `_wandb`.
fn whole_seconds(value: &str) -> Option<i64> {
    members(value).into_iter().find(|(name, _)| name == "runtime")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before() -> Before {
        let summary = [("acc", "0.5"), ("loss", "9"), ("_runtime", "2.25"), ("_wandb", r#"{"runtime":2}"#)];
        let summary: Vec<_> =
            summary.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Before {
            highest: Some(9),
            runtime: runtime_in(&summary),
            tags: ["team:x", "plain", "b"].map(str::to_owned).to_vec(),
            summary,
            letters: 3,
        }
    }

    #[test]
    fn what_was_there_is_below_what_the_log_says() {
        let ours = r#"{"loss":NaN,"new":{"_runtime":1},"only":7,"_runtime":0.5,"_wandb":{"runtime":1}}"#;
        let not_ours = BTreeSet::from(["only".to_owned()]);
        let merged = before().merged(ours, Some(&Metrics::default()), &not_ours);
        let wanted = r#"{"acc":0.5,"loss":NaN,"new":{"_runtime":1},"_runtime":2.75,"_wandb":{"runtime":3}}"#;
        assert_eq!(merged, wanted);
        let theirs = before().merged(r#"{"_runtime":3.5}"#, None, &BTreeSet::new());
        assert!(theirs.contains(r#""_runtime":3.5"#), "a log of others knows: {theirs}");
    }

    #[test]
    fn a_metric_is_summed_up_over_the_whole_run() {
        let earlier = r#"{"min":2.0,"max":4.0,"mean":3.0,"last":3.0,"first":NaN}"#;
        let since = r#"{"min":1.0,"max":NaN,"mean":1.0,"last":1.0,"first":1.0}"#;
        let wanted = r#"{"min":1.0,"max":4.0,"mean":1.0,"last":1.0,"first":NaN}"#;
        assert_eq!(together(earlier, since), wanted);
        assert_eq!(together("3.5", since), since, "it was not summed up before");
    }

    #[test]
    fn the_highest_step_counts_and_the_longest_time() {
        let tail = serde_json::json!([r#"{"_step":9}"#, r#"{"_step":1,"loss":NaN}"#]).to_string();
        let existing = |summary: &str| {
            let answer = serde_json::json!({ "historyTail": tail, "summaryMetrics": summary });
            Before::of(&serde_json::from_value::<Existing>(answer).unwrap())
        };
        assert_eq!(existing("{}").highest, Some(9));
        let told = existing(r#"{"_step": 11, "_runtime": 2.5, "_wandb": {"runtime": 4}}"#);
        assert_eq!((told.highest, told.runtime), (Some(11), 4.0));
        assert_eq!(Before::of(&Existing::default()), Before::default());
    }

    #[test]
    fn a_tag_gives_way_to_one_of_the_same_name() {
        let ours = ["team:y", "b:1", "new"].map(str::to_owned);
        assert_eq!(before().tags(&ours), ["plain", "team:y", "b:1", "new"]);
    }

    #[test]
    fn what_was_there_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Before::read(folder.path(), &Existing::default()), None);
        before().write(folder.path()).unwrap();
        let read = Before::read(folder.path(), &Existing::default()).unwrap();
        assert_eq!(read, Before { tags: Vec::new(), summary: Vec::new(), ..before() });
    }
}
