//! A trial component as it is to be: what was said of a run so far.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use nethical_core::tracking::RunStatus;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::limits;

/// Says which parameters or artifacts there was no room for.
const OVERFLOW: &str = "nethical.overflow";
/// Says which numbers there were that AWS does not take.
const NOT_FINITE: &str = "nethical.not_finite";

/// What is known of a trial component.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Component {
    pub(super) arn: String,
    /// What is shown as its name.
    pub(super) shown: String,
    /// The name of its experiment, if it is known.
    pub(super) experiment: Option<String>,
    pub(super) status: Option<String>,
    pub(super) message: Option<String>,
    pub(super) start: Option<Value>,
    pub(super) end: Option<Value>,
    pub(super) inputs: Map<String, Value>,
    /// The step of the next point of each metric, where the program counts none.
    pub(super) steps: HashMap<String, i64>,
    pub(super) parameters: Listed,
    pub(super) outputs: Listed,
    /// Numbers that could not be sent: by metric, how many of which kind.
    pub(super) not_finite: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Entries in their order, of which a component has room for so many.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Listed {
    entries: Map<String, Value>,
    /// How many more there were before this process, and what was said of them.
    more: usize,
    said: String,
}

impl Listed {
    /// What fits into `room`, the last of it being what did not fit.
    fn within(&self, room: usize, mark: impl Fn(String) -> Value) -> Map<String, Value> {
        if self.more == 0 && self.entries.len() <= room {
            return self.entries.clone();
        }
        let fit = room.saturating_sub(1);
        let mut shown: Map<_, _> =
            self.entries.iter().take(fit).map(|(name, value)| (name.clone(), value.clone())).collect();
        let left: Vec<_> = self.entries.iter().skip(fit).collect();
        let mut text = self.said.clone();
        for (name, value) in &left {
            let value = value.as_object().and_then(|object| object.values().next()).unwrap_or(&Value::Null);
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // What cannot be written is not shown: a string takes everything.
            let _ = write!(text, "{}{name}={value}", if text.is_empty() { "" } else { ", " });
        }
        shown.insert(OVERFLOW.to_owned(), mark(format!("{} more: {text}", self.more + left.len())));
        shown
    }

    /// Take over what a component had.
    fn read(&mut self, mut entries: Map<String, Value>) {
        if let Some(overflow) = entries.shift_remove(OVERFLOW) {
            let text = overflow
                .as_object()
                .and_then(|object| object.values().next())
                .and_then(Value::as_str)
                .unwrap_or_default();
            let (count, said) = text.split_once(" more: ").unwrap_or_default();
            (self.more, self.said) = (count.parse().unwrap_or(0), said.to_owned());
        }
        self.entries = entries;
    }
}

impl Component {
    /// Set a parameter.
    pub(super) fn set(&mut self, name: &str, value: &Value) {
        self.parameters.entries.insert(name.to_owned(), limits::parameter(value));
    }

    /// Add an output, as SageMaker writes it.
    pub(super) fn add_output(&mut self, name: String, artifact: Value) {
        self.outputs.entries.insert(name, artifact);
    }

    /// Whether this output is there.
    pub(super) fn has_output(&self, name: &str) -> bool {
        self.outputs.entries.contains_key(name)
    }

    /// A number that could not be sent.
    pub(super) fn count_not_finite(&mut self, metric: &str, value: f64) {
        let kind = match value {
            _ if value.is_nan() => "NaN",
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ => "beyond 2^360",
        };
        *self.not_finite.entry(metric.to_owned()).or_default().entry(kind.to_owned()).or_default() += 1;
    }

    /// How many parameters there is no room for.
    pub(super) fn overflow(&self) -> usize {
        (self.parameters.entries.len() + usize::from(!self.not_finite.is_empty()))
            .saturating_sub(limits::PARAMETERS)
    }

    /// The parameters as they are sent: at most 300.
    pub(super) fn parameters(&self) -> Map<String, Value> {
        let own = usize::from(!self.not_finite.is_empty());
        let mark = |text: String| json!({ "StringValue": limits::within(&text, limits::PARAMETER_TEXT) });
        let mut shown = self.parameters.within(limits::PARAMETERS - own, mark);
        if own > 0 {
            let text = json!(self.not_finite).to_string();
            shown.insert(
                NOT_FINITE.to_owned(),
                json!({ "StringValue": limits::within(&text, limits::PARAMETER_TEXT) }),
            );
        }
        shown
    }

    /// The artifacts as they are sent: at most 60.
    pub(super) fn outputs(&self) -> Map<String, Value> {
        let mark = |text: String| json!({ "Value": limits::within(&text, limits::ARTIFACT_VALUE) });
        self.outputs.within(limits::ARTIFACTS, mark)
    }

    /// Take over the parameters that the component has.
    pub(super) fn read_parameters(&mut self, mut entries: Map<String, Value>) {
        if let Some(counted) = entries.shift_remove(NOT_FINITE) {
            let text = counted.get("StringValue").and_then(Value::as_str).unwrap_or_default();
            self.not_finite = serde_json::from_str(text).unwrap_or_default();
        }
        self.parameters.read(entries);
    }

    /// Take over the artifacts that the component has.
    pub(super) fn read_outputs(&mut self, entries: Map<String, Value>) {
        self.outputs.read(entries);
    }

    /// The step of a point: what the program says, or one more than that of the point before.
    pub(super) fn step(&mut self, metric: &str, said: Option<i64>) -> i64 {
        let next = self.steps.entry(metric.to_owned()).or_default();
        let step = said.unwrap_or(*next).min(limits::STEP);
        *next = (*next).max(step + 1).min(limits::STEP);
        step
    }

    /// Take over how the run stands.
    pub(super) fn set_status(&mut self, status: RunStatus) {
        self.status = Some(primary_status(status).to_owned());
        self.message = None;
    }
}

/// "PrimaryStatus: InProgress | Completed | Failed | Stopping | Stopped"
const fn primary_status(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "InProgress",
        RunStatus::Completed => "Completed",
        RunStatus::Failed => "Failed",
        RunStatus::Killed => "Stopped",
    }
}

/// A name of an artifact that is not too long: the end of it, after a part of its hash.
pub(super) fn short_name(path: &str) -> String {
    let name = limits::within(path, usize::MAX);
    let length = name.chars().count();
    if length <= limits::ARTIFACT_NAME {
        return name.into_owned();
    }
    let hash: String =
        Sha256::digest(path.as_bytes()).iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    let end: String = name.chars().skip(length - (limits::ARTIFACT_NAME - 8)).collect();
    format!("{hash}…/{}", end.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::super::wire;
    use super::*;

    fn with(count: usize) -> Component {
        let mut component = Component::default();
        (0..count).for_each(|number| component.set(&format!("p{number}"), &json!(number)));
        component
    }

    #[test]
    fn three_hundred_parameters_fit_and_more_are_told() {
        assert_eq!(with(300).parameters().len(), 300);
        assert!(!with(300).parameters().contains_key(OVERFLOW));
        let shown = with(310).parameters();
        assert_eq!(shown.len(), 300);
        let text = shown[OVERFLOW]["StringValue"].as_str().unwrap();
        assert!(text.starts_with("11 more: p299=299.0, p300=300.0"), "{text}");
        assert_eq!((with(300).overflow(), with(310).overflow()), (0, 10));
        let long = with(3_000).parameters();
        assert!(long[OVERFLOW]["StringValue"].as_str().unwrap().chars().count() <= limits::PARAMETER_TEXT);
    }

    #[test]
    fn what_has_to_make_room_is_removed_from_the_server() {
        let before = with(300);
        let mut after = before.clone();
        after.set("late", &json!("x"));
        after.count_not_finite("loss", f64::NAN);
        let body = wire::update_component("r", &after, Some(&before));
        assert_eq!(body["Parameters"].as_object().unwrap().len(), 300);
        assert_eq!(body["ParametersToRemove"], json!(["p298", "p299"]));
        assert_eq!(body["Parameters"][NOT_FINITE]["StringValue"], r#"{"loss":{"NaN":1}}"#);
        assert!(wire::update_component("r", &before, Some(&before)).get("ParametersToRemove").is_none());
    }

    #[test]
    fn a_later_process_goes_on_where_this_one_ended() {
        let mut first = with(305);
        first.count_not_finite("loss", f64::INFINITY);
        let answer = json!({ "Parameters": first.parameters(), "Status": { "PrimaryStatus": "InProgress" },
            "Metrics": [{ "MetricName": "loss", "Count": 7 }], "StartTime": 1.5 });
        let mut second = wire::read_component(&answer);
        assert_eq!(second.parameters(), first.parameters());
        assert_eq!(
            (second.step("loss", None), second.step("loss", Some(20)), second.step("loss", None)),
            (7, 20, 21)
        );
        second.count_not_finite("loss", f64::INFINITY);
        second.set("another", &json!(1));
        let shown = second.parameters();
        assert_eq!(shown[NOT_FINITE]["StringValue"], r#"{"loss":{"Infinity":2}}"#);
        assert!(shown[OVERFLOW]["StringValue"].as_str().unwrap().starts_with("8 more: "), "{shown:?}");
        assert!(shown[OVERFLOW]["StringValue"].as_str().unwrap().ends_with(", another=1.0"));
    }

    #[test]
    fn sixty_artifacts_fit_and_more_are_told() {
        let with = |count: usize| {
            let mut component = Component::default();
            (0..count).for_each(|number| {
                component.add_output(format!("a{number}"), wire::artifact(&format!("s3://b/{number}")));
            });
            component
        };
        assert_eq!(with(60).outputs().len(), 60);
        let shown = with(61).outputs();
        assert_eq!(
            (shown.len(), &shown[OVERFLOW]["Value"]),
            (60, &json!("2 more: a59=s3://b/59, a60=s3://b/60"))
        );
    }

    #[test]
    fn names_of_artifacts_keep_their_ends() {
        assert_eq!(short_name(&"a".repeat(128)), "a".repeat(128));
        let long = format!("{}/model.bin", "x".repeat(200));
        let short = short_name(&long);
        assert!(short.ends_with("/model.bin") && short.chars().count() <= 128, "{short}");
        assert_ne!(short, short_name(&format!("y{long}")));
    }
}
