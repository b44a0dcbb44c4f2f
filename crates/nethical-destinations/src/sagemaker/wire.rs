//! What goes out and what comes back, as pure functions (API reference of SageMaker, CloudWatch, and its metrics service).

use std::collections::BTreeMap;

use nethical_core::event::RunStart;
use serde_json::{Map, Value, json};

use super::component::{self, Component};
use super::config::SageMakerConfig;
use super::limits;
use super::names;

/// Tags as AWS writes them.
pub(super) fn tags<'t>(tags: impl IntoIterator<Item = (&'t String, &'t String)>) -> Value {
    tags.into_iter().map(|(name, value)| json!({ "Key": name, "Value": value })).collect()
}

/// Seconds since 1970 of a time in milliseconds.
pub(super) fn seconds(ms: i64) -> Value {
    // Exact: times of this millennium have fewer digits than a float.
    json!(ms as f64 / 1_000.0)
}

/// The body of `CreateExperiment`. The own name stands in the description, as what is shown may not hold every character.
pub(super) fn create_experiment(config: &SageMakerConfig, given: &str) -> Value {
    let mut body = json!({
        "ExperimentName": names::experiment(given),
        "DisplayName": names::shown(given),
        "Description": limits::within(given, limits::DESCRIPTION),
    });
    add_tags(&mut body, &config.tags);
    body
}

/// The body of `CreateTrial`.
pub(super) fn create_trial(config: &SageMakerConfig, run: &str, start: &RunStart) -> Value {
    let mut body = json!({
        "TrialName": run,
        "DisplayName": names::shown(called(start)),
        "ExperimentName": names::experiment(&start.experiment),
    });
    add_tags(&mut body, &config.tags);
    body
}

/// What the run is called: by its name, or by its experiment.
pub(super) fn called(start: &RunStart) -> &str {
    start.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&start.experiment)
}

/// The body of `CreateTrialComponent`. A tag says what the run is called in its own words.
pub(super) fn create_component(
    config: &SageMakerConfig,
    run: &str,
    start: &RunStart,
    component: &Component,
) -> Value {
    let mut body = update_component(run, component, None);
    let mut tags = config.tags.clone();
    tags.extend(start.tags.0.iter().cloned());
    tags.insert("nethical:experiment".to_owned(), limits::tag_value(&start.experiment));
    tags.insert("nethical:name".to_owned(), limits::tag_value(called(start)));
    while tags.len() > limits::TAGS {
        tags.pop_last();
    }
    add_tags(&mut body, &tags);
    body
}

fn add_tags(body: &mut Value, some: &BTreeMap<String, String>) {
    if let Some(object) = body.as_object_mut().filter(|_| !some.is_empty()) {
        object.insert("Tags".to_owned(), tags(some));
    }
}

/// The body of `UpdateTrialComponent`: all that is known, so that nothing is lost where a server replaces instead of
/// merging; and what was there `before` and is not any more.
pub(super) fn update_component(run: &str, component: &Component, before: Option<&Component>) -> Value {
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    set("TrialComponentName", run.into());
    if !component.shown.is_empty() {
        set("DisplayName", component.shown.as_str().into());
    }
    if let Some(status) = &component.status {
        let mut shown = json!({ "PrimaryStatus": status });
        if let (Some(message), Some(object)) = (&component.message, shown.as_object_mut()) {
            object.insert("Message".to_owned(), limits::within(message, limits::MESSAGE).into());
        }
        set("Status", shown);
    }
    component.start.iter().for_each(|start| set("StartTime", start.clone()));
    component.end.iter().for_each(|end| set("EndTime", end.clone()));
    let (parameters, outputs) = (component.parameters(), component.outputs());
    if let Some(before) = before {
        let gone = |now: &Map<String, Value>, before: Map<String, Value>| -> Vec<Value> {
            before
                .into_iter()
                .map(|(name, _)| name)
                .filter(|name| !now.contains_key(name))
                .map(Value::from)
                .collect()
        };
        for (key, gone) in [
            ("ParametersToRemove", gone(&parameters, before.parameters())),
            ("OutputArtifactsToRemove", gone(&outputs, before.outputs())),
        ] {
            if !gone.is_empty() {
                set(key, gone.into());
            }
        }
    }
    for (key, map) in [
        ("Parameters", parameters),
        ("InputArtifacts", component.inputs.clone()),
        ("OutputArtifacts", outputs),
    ] {
        if !map.is_empty() {
            set(key, map.into());
        }
    }
    body.into()
}

/// The component in an answer to `DescribeTrialComponent`.
pub(super) fn read_component(answer: &Value) -> Component {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let map = |name: &str| answer.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let status = |name: &str| answer.get("Status")?.get(name)?.as_str().map(str::to_owned);
    let counts = answer.get("Metrics").and_then(Value::as_array).into_iter().flatten();
    let count = |metric: &Value| {
        Some((metric.get("MetricName")?.as_str()?.to_owned(), metric.get("Count")?.as_i64()?))
    };
    let mut component = Component {
        arn: text("TrialComponentArn"),
        shown: text("DisplayName"),
        status: status("PrimaryStatus"),
        message: status("Message"),
        start: answer.get("StartTime").filter(|time| time.is_number()).cloned(),
        end: answer.get("EndTime").filter(|time| time.is_number()).cloned(),
        inputs: map("InputArtifacts"),
        steps: counts.filter_map(count).collect(),
        ..Component::default()
    };
    component.read_parameters(map("Parameters"));
    component.read_outputs(map("OutputArtifacts"));
    component
}

/// A point of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) step: i64,
    /// Milliseconds since 1970.
    pub(super) time: i64,
}

/// The body of `BatchPutMetrics`.
pub(super) fn put_points<'p>(run: &str, points: impl Iterator<Item = &'p Point>) -> Value {
    let point = |point: &Point| json!({ "MetricName": point.name, "Timestamp": seconds(point.time), "Step": point.step, "Value": point.value });
    json!({ "TrialComponentName": run, "MetricData": points.map(point).collect::<Vec<_>>() })
}

/// The points that an answer to `BatchPutMetrics` says were not taken: their places, and why. `None`: it is no answer.
pub(super) fn point_errors(answer: &[u8]) -> Option<Vec<(usize, String)>> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let errors = answer.as_object()?.get("Errors").and_then(Value::as_array).into_iter().flatten();
    let error = |error: &Value| {
        let index = usize::try_from(error.get("MetricIndex")?.as_u64()?).ok()?;
        Some((index, error.get("Code").and_then(Value::as_str).unwrap_or("UNKNOWN").to_owned()))
    };
    errors.map(error).collect()
}

/// One datum of `PutMetricData`.
pub(super) fn datum(point: &Point, dimensions: &Value) -> Value {
    json!({
        "MetricName": point.name,
        "Dimensions": dimensions,
        "Timestamp": seconds(point.time),
        "Value": point.value,
    })
}

/// The dimensions of the points of a run.
pub(super) fn dimensions(config: &SageMakerConfig, run: &str, experiment: Option<&str>) -> Value {
    use super::config::Dimension;
    let value = |dimension: &Dimension| match dimension {
        Dimension::ExperimentName => experiment,
        Dimension::TrialName | Dimension::TrialComponentName => Some(run),
    };
    let own = config.dimensions.iter().filter_map(|dimension| Some((dimension.as_str(), value(dimension)?)));
    let extra = config.extra_dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    own.chain(extra).map(|(name, value)| json!({ "Name": name, "Value": value })).collect()
}

/// An artifact as SageMaker writes it.
pub(super) fn artifact(address: &str) -> Value {
    json!({ "Value": limits::within(address, limits::ARTIFACT_VALUE) })
}

/// The name of an artifact: its path in the run, its end if that is too long.
pub(super) fn artifact_name(path: &str) -> String {
    component::short_name(path)
}
