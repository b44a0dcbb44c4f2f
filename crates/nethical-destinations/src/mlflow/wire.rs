//! What goes to an MLflow server: updates put together into requests inside every limit of `runs/log-batch`.

use std::borrow::Cow;
use std::collections::HashSet;

use nethical_core::delivery::{Error, Refusal};
use nethical_core::event::{Event, RunArtifact, RunChange, RunMetrics, RunStart};
use nethical_core::tracking::{LOCAL_PREFIX, RunStatus};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::context::{RUN_NAME, USER};
use super::limits::{self, param_text, within};

/// The tag by which a run is found again whose creation was not answered.
pub(super) const RUN_KEY: &str = "nethical.run_key";

/// The tag by which MLflow shows a run below another: the other one's id.
pub(super) const PARENT: &str = "mlflow.parentRunId";

/// Metrics in one request.
const MOST_METRICS: usize = 1_000;
/// Parameters, or tags, in one request.
const MOST_OTHERS: usize = 100;
/// Bytes of one request; the documented limit is 1 MB.
const MOST_BYTES: usize = 900_000;

/// What one request carries: never parameters together with metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Metrics,
    Params,
    Tags,
}

impl Kind {
    const fn field(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Params => "params",
            Self::Tags => "tags",
        }
    }

    const fn most(self) -> usize {
        match self {
            Self::Metrics => MOST_METRICS,
            Self::Params | Self::Tags => MOST_OTHERS,
        }
    }
}

/// A point, parameter or tag, and the event that it comes from.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) event: usize,
    json: String,
}

impl Item {
    /// The id of ours that it names as the parent, if it is such a tag.
    pub(super) fn local_parent(&self) -> Option<String> {
        let named = self.json.contains(PARENT) && self.json.contains(LOCAL_PREFIX);
        let tag = named.then(|| serde_json::from_str::<Value>(&self.json).ok()).flatten()?;
        let text = |key| tag.get(key).and_then(Value::as_str);
        text("value")
            .filter(|id| text("key") == Some(PARENT) && id.starts_with(LOCAL_PREFIX))
            .map(str::to_owned)
    }

    /// Name this parent.
    pub(super) fn set_parent(&mut self, id: &str) {
        self.json = pair(PARENT, id);
    }
}

/// The items of one request.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) kind: Kind,
    pub(super) items: Vec<Item>,
}

impl Chunk {
    /// The body of `runs/log-batch`.
    pub(super) fn body(&self, run: &str) -> String {
        let size: usize = self.items.iter().map(|item| item.json.len() + 1).sum();
        let mut body = String::with_capacity(size + 64 + run.len());
        body.push_str("{\"run_id\":");
        body.push_str(&Value::from(run).to_string());
        body.push_str(",\"");
        body.push_str(self.kind.field());
        body.push_str("\":[");
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            body.push_str(&item.json);
        }
        body.push_str("]}");
        body
    }

    /// The first half and the rest; `None` of a single item.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        if self.items.len() < 2 {
            return None;
        }
        let (first, rest) = self.items.split_at(self.items.len() / 2);
        Some([first, rest].map(|items| Self { kind: self.kind, items: items.to_vec() }))
    }
}

/// One thing to do for a run, in order.
#[derive(Debug)]
pub(super) enum Step {
    Start { event: usize, start: RunStart, time: i64 },
    Resume { event: usize },
    Log(Chunk),
    Artifact { event: usize, artifact: RunArtifact },
    End { event: usize, status: RunStatus, time: i64 },
}

impl Step {
    /// The events that are done with it, or in part.
    pub(super) fn events(&self) -> Vec<usize> {
        match self {
            Self::Log(chunk) => chunk.items.iter().map(|item| item.event).collect(),
            Self::Start { event, .. }
            | Self::Resume { event }
            | Self::Artifact { event, .. }
            | Self::End { event, .. } => vec![*event],
        }
    }
}

/// Everything in a batch for one run.
#[derive(Debug)]
pub(super) struct RunPlan {
    pub(super) run: String,
    pub(super) steps: Vec<Step>,
}

/// Sort a batch by runs. What is between a start or resumption and an end goes out in as few requests as there can be.
pub(super) fn plan(events: &[Event]) -> (Vec<RunPlan>, Vec<Refusal>) {
    let (mut drafts, mut refused) = (Vec::<Draft>::new(), Vec::new());
    for (index, event) in events.iter().enumerate() {
        let update = match event.run() {
            Ok(update) => update,
            Err(error) => {
                let text = format!("this is no update of a run: {error}");
                refused.push(Refusal { index, error: Error::refused("mlflow.unreadable", text) });
                continue;
            }
        };
        let at = drafts.iter().position(|draft| draft.run == update.run).unwrap_or_else(|| {
            drafts.push(Draft::new(update.run.clone()));
            drafts.len() - 1
        });
        if let Some(draft) = drafts.get_mut(at) {
            draft.add(index, update.time, update.change);
        }
    }
    (drafts.into_iter().map(Draft::finish).collect(), refused)
}

/// A plan in the making.
struct Draft {
    run: String,
    steps: Vec<Step>,
    lanes: [Lane; 3],
    artifacts: Vec<Step>,
}

impl Draft {
    fn new(run: String) -> Self {
        let lanes = [Kind::Params, Kind::Tags, Kind::Metrics].map(Lane::new);
        Self { run, steps: Vec::new(), lanes, artifacts: Vec::new() }
    }

    fn lane(&mut self, wanted: Kind) -> &mut Lane {
        let [params, tags, metrics] = &mut self.lanes;
        match wanted {
            Kind::Params => params,
            Kind::Tags => tags,
            Kind::Metrics => metrics,
        }
    }

    fn add(&mut self, event: usize, time: i64, change: RunChange) {
        match change {
            RunChange::Metrics(metrics) => add_points(self.lane(Kind::Metrics), event, time, &metrics),
            RunChange::Params(params) => {
                for (key, value) in params.0 {
                    let text = within(&param_text(&value), limits::PARAM).into_owned();
                    self.lane(Kind::Params).add_pair(event, key, &text);
                }
            }
            RunChange::Tags(tags) => {
                for (key, value) in tags.0 {
                    let text = within(&value, limits::TAG).into_owned();
                    self.lane(Kind::Tags).add_pair(event, key, &text);
                }
            }
            RunChange::Artifact(artifact) => self.artifacts.push(Step::Artifact { event, artifact }),
            RunChange::Start(start) => self.turn(Step::Start { event, start, time }),
            RunChange::Resume {} => self.turn(Step::Resume { event }),
            RunChange::End { status } => self.turn(Step::End { event, status, time }),
            // One that a later version has written, and this one does not know.
            _ => {}
        }
    }

    /// What came before goes out first.
    fn turn(&mut self, step: Step) {
        self.flush();
        self.steps.push(step);
    }

    fn flush(&mut self) {
        let chunks = self.lanes.iter_mut().flat_map(Lane::take);
        self.steps.extend(chunks.map(Step::Log));
        self.steps.append(&mut self.artifacts);
    }

    fn finish(mut self) -> RunPlan {
        self.flush();
        RunPlan { run: self.run, steps: self.steps }
    }
}

/// Items of one kind on their way into requests.
struct Lane {
    kind: Kind,
    full: Vec<Chunk>,
    open: Vec<Item>,
    bytes: usize,
    /// Names in the open request, which must not hold one twice.
    names: HashSet<String>,
}

impl Lane {
    fn new(kind: Kind) -> Self {
        Self { kind, full: Vec::new(), open: Vec::new(), bytes: 0, names: HashSet::new() }
    }

    fn add_pair(&mut self, event: usize, key: String, value: &str) {
        let json = pair(&key, value);
        if self.names.contains(&key) {
            self.close();
        }
        self.add(event, json);
        self.names.insert(key);
    }

    fn add(&mut self, event: usize, json: String) {
        if self.open.len() >= self.kind.most() || self.bytes + json.len() > MOST_BYTES {
            self.close();
        }
        self.bytes += json.len() + 1;
        self.open.push(Item { event, json });
    }

    fn close(&mut self) {
        self.bytes = 0;
        self.names.clear();
        let items = std::mem::take(&mut self.open);
        if !items.is_empty() {
            self.full.push(Chunk { kind: self.kind, items });
        }
    }

    fn take(&mut self) -> Vec<Chunk> {
        self.close();
        std::mem::take(&mut self.full)
    }
}

fn pair(key: &str, value: &str) -> String {
    json!({ "key": key, "value": value }).to_string()
}

fn add_points(lane: &mut Lane, event: usize, time: i64, metrics: &RunMetrics) {
    let step = metrics.step.unwrap_or(0);
    // Before 1970 is nothing that MLflow can write down.
    let time = time.max(0);
    for (key, value) in &metrics.values.0 {
        let key = Value::from(key.as_str());
        let value = number(value);
        lane.add(event, format!(r#"{{"key":{key},"value":{value},"timestamp":{time},"step":{step}}}"#));
    }
}

/// A number as the server's parser reads it. It would take a number beyond a double for the end of the batch.
fn number(raw: &RawValue) -> Cow<'_, str> {
    match raw.get() {
        text @ ("\"NaN\"" | "\"Infinity\"" | "\"-Infinity\"") => text.into(),
        text if text.parse::<f64>().is_ok_and(f64::is_finite) => text.into(),
        _ => "\"NaN\"".into(),
    }
}

/// The body of `runs/create`.
pub(super) fn create_run(experiment: &str, key: &str, start: &RunStart, time: i64) -> Value {
    let mut tags: Vec<(&str, Cow<'_, str>)> = vec![(RUN_KEY, key.into())];
    // One that was tracked by us before, and is sent again from where it was, has the key of then.
    let others = start.tags.0.iter().filter(|(name, _)| name != RUN_KEY);
    tags.extend(others.map(|(name, value)| (name.as_str(), within(value, limits::TAG))));
    let user =
        start.tags.0.iter().find_map(|(name, value)| (name == USER).then(|| within(value, limits::USER)));
    let name = start.name.as_deref().map(|name| within(name, limits::RUN_NAME));
    if let Some(name) = &name {
        tags.retain(|(tag, _)| *tag != RUN_NAME);
        tags.push((RUN_NAME, name.clone()));
    }
    let tags: Vec<_> = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let mut body = json!({ "experiment_id": experiment, "start_time": time.max(0), "tags": tags });
    if let Some(object) = body.as_object_mut() {
        let more = [("run_name", name), ("user_id", user)];
        object
            .extend(more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), Value::from(value?)))));
    }
    body
}

/// The body of `runs/search` for the run with this key.
pub(super) fn search_run(experiments: &[String], key: &str) -> Value {
    json!({
        "experiment_ids": experiments,
        "filter": format!("tags.`{RUN_KEY}` = '{}'", key.replace('\'', "")),
        "run_view_type": "ALL",
        "max_results": 1,
    })
}

/// What MLflow calls a status.
pub(super) const fn status(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "RUNNING",
        RunStatus::Completed => "FINISHED",
        RunStatus::Failed => "FAILED",
        RunStatus::Killed => "KILLED",
    }
}

/// A part of an address with everything else than letters, digits and `-._~` in hexadecimal.
pub(super) fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
