//! Who gets alerts, and what raises them: the keys of `[alerts]` that are no destinations, `[[routes]]` and
//! `[[monitors]]`.

use std::collections::BTreeMap;
use std::str::FromStr;

use nethical_core::event::Severity;
use nethical_destinations::support::options::{Node, Options, OptionsError, Span, Value, nearest, one_of};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};

use super::feeding::Seconds;
use super::reading::{Context, read};
use crate::alerts::{Repeats, Route};
use crate::monitors::{Condition, Limit, Monitor, NanRule};

/// How often alerts of one key are sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RepeatsTable {
    /// Seconds: an alert of which nothing was heard for so long is over, and the next one of its key is a new one.
    dedup_window: Seconds,
    /// Seconds after which an alert that lasts is sent again.
    repeat_interval: Seconds,
}

/// The keys of [`RepeatsTable`].
pub(super) const KEYS: [&str; 2] = ["dedup_window", "repeat_interval"];

impl Default for RepeatsTable {
    fn default() -> Self {
        let Repeats { window, interval } = Repeats::default();
        Self { dedup_window: window.into(), repeat_interval: interval.into() }
    }
}

impl From<RepeatsTable> for Repeats {
    fn from(table: RepeatsTable) -> Self {
        Self { window: table.dedup_window.get(), interval: table.repeat_interval.get() }
    }
}

/// A rule of who gets which alerts. The first that takes an alert says where it goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteTable {
    /// Of these severities. Without it of any.
    #[serde(default)]
    severity: OneOrMore,
    /// From this source; `*` stands for any text.
    source: Option<String>,
    /// Of this event type; `*` stands for any text.
    event_type: Option<String>,
    /// With all of these labels; in their values `*` stands for any text.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// To the destinations of `[alerts]` with these names.
    to: Vec<String>,
    /// Also to these, if one of the former is down, switched off or refuses it.
    #[serde(default)]
    fallback: Vec<String>,
    /// Whether the routes after this one are asked too.
    #[serde(default, rename = "continue")]
    and_continue: bool,
}

/// A severity, or several.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected info, warning, error or critical, or a list of these")]
enum OneOrMore {
    #[default]
    Any,
    One(SeverityName),
    More(Vec<SeverityName>),
}

#[derive(Debug, Clone, Copy)]
struct SeverityName(Severity);

#[derive(Debug, Clone, Copy)]
struct ConditionSign(Condition);

macro_rules! from_text {
    ($type:ident, $what:ty, $name:literal, $values:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                <$what>::from_str(&text).map(Self).map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": $values.map(|value| value.as_str()) })
            }
        }
    };
}
from_text!(SeverityName, Severity, "Severity", Severity::ALL);
from_text!(ConditionSign, Condition, "Condition", Condition::ALL);

impl From<RouteTable> for Route {
    fn from(table: RouteTable) -> Self {
        let severity = match table.severity {
            OneOrMore::Any => Vec::new(),
            OneOrMore::One(one) => vec![one.0],
            OneOrMore::More(all) => all.iter().map(|one| one.0).collect(),
        };
        let RouteTable { source, event_type, labels, to, fallback, and_continue, .. } = table;
        Self { severity, source, event_type, labels, to, fallback, and_continue }
    }
}

/// What is watched, and when that is worth an alert.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MonitorTable {
    /// Its name. Without it the metric and the condition.
    name: Option<String>,
    /// The metric.
    metric: String,
    /// A value is a breach if it is such: `<`, `<=`, `>`, `>=`, `==` or `!=` ...
    condition: Option<ConditionSign>,
    /// ... than this.
    threshold: Option<f64>,
    /// A breach is over only when a value is here or better.
    clear: Option<f64>,
    /// Seconds that a breach must last before there is an alert.
    hold: Option<Seconds>,
    /// Seconds after the end of a breach in which there is no new alert.
    cooldown: Option<Seconds>,
    /// Seconds without a value after which there is an alert.
    missing: Option<Seconds>,
    /// What a value that is not a number is.
    #[serde(default)]
    nan: Nan,
    /// How severe it is.
    #[serde(default = "warning")]
    severity: SeverityName,
    /// The title of its alerts, with `{metric}`, `{value}`, `{condition}` and `{threshold}`.
    title: Option<String>,
    /// The text of its alerts, with the same.
    message: Option<String>,
    /// The source of its alerts.
    source: Option<String>,
    /// The labels of its alerts.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Nan {
    /// A breach.
    #[default]
    Breach,
    /// As good as a value that is no breach.
    Ok,
    /// Not looked at.
    Ignore,
}

const fn warning() -> SeverityName {
    SeverityName(Severity::Warning)
}

impl MonitorTable {
    /// What does not go together: the key and why.
    fn fault(&self) -> Option<(&'static str, &'static str)> {
        match (self.condition, self.threshold) {
            (Some(_), None) => {
                return Some(("condition", "there is a condition and no threshold: add `threshold`"));
            }
            (None, Some(_)) => {
                return Some((
                    "threshold",
                    "there is a threshold and no condition: add `condition`, such as `\"<\"`",
                ));
            }
            (None, None) if self.missing.is_none() => {
                return Some((
                    "metric",
                    "nothing is asked of it: add `condition` and `threshold`, or `missing`",
                ));
            }
            (None, None) if self.clear.is_some() => {
                return Some(("clear", "there is no threshold to be cleared"));
            }
            _ => {}
        }
        let (ConditionSign(condition), clear, threshold) = (self.condition?, self.clear?, self.threshold?);
        match condition {
            Condition::Below | Condition::AtMost if clear < threshold => {
                Some(("clear", "below the threshold nothing is cleared: use a value that is not smaller"))
            }
            Condition::Above | Condition::AtLeast if clear > threshold => {
                Some(("clear", "above the threshold nothing is cleared: use a value that is not larger"))
            }
            Condition::Equal | Condition::NotEqual => {
                Some(("clear", "`==` and `!=` have no better side: leave it out"))
            }
            _ => None,
        }
    }
}

impl From<MonitorTable> for Monitor {
    fn from(table: MonitorTable) -> Self {
        let limit = table.condition.zip(table.threshold);
        let limit = limit.map(|(ConditionSign(condition), threshold)| Limit {
            condition,
            threshold,
            clear: table.clear,
        });
        let usual_name = || match &limit {
            Some(limit) => format!("{} {limit}", table.metric),
            None => format!("{} missing", table.metric),
        };
        let usual = Self::new(table.name.clone().unwrap_or_else(usual_name), table.metric.as_str());
        Self {
            limit,
            hold: table.hold.map_or(usual.hold, Seconds::get),
            cooldown: table.cooldown.map_or(usual.cooldown, Seconds::get),
            missing: table.missing.map(Seconds::get),
            nan: match table.nan {
                Nan::Breach => NanRule::Breach,
                Nan::Ok => NanRule::Ok,
                Nan::Ignore => NanRule::Ignore,
            },
            severity: table.severity.0,
            title: table.title,
            message: table.message,
            source: table.source.unwrap_or(usual.source),
            labels: table.labels,
            ..usual
        }
    }
}

/// Every `[[routes]]`. `known` are the names of the destinations of `[alerts]`, those too that are switched off.
pub(super) fn read_routes(
    options: &mut Options,
    known: Option<&[String]>,
    context: &mut Context<'_>,
) -> Vec<Route> {
    let mut routes = Vec::new();
    for (index, table) in tables(options, "routes", context) {
        let Some(route) = read_item::<RouteTable>(&table, "routes", index, context) else { continue };
        for key in ["to", "fallback"] {
            let names = if key == "to" { &route.to } else { &route.fallback };
            if let Some(known) = known
                && let Some(at) = names.iter().position(|name| !known.contains(name))
            {
                context.fail(
                    unknown_name(&table, key, at, names, known).within_item(index).within_key("routes"),
                );
            }
        }
        if route.to.is_empty() {
            let error = table.error_at("to", "it leads nowhere: name at least one destination of `[alerts]`");
            context.fail(error.within_item(index).within_key("routes"));
        }
        routes.push(route.into());
    }
    routes
}

fn unknown_name(table: &Options, key: &str, at: usize, names: &[String], known: &[String]) -> OptionsError {
    let name = names.get(at).map_or("", String::as_str);
    let all = || known.iter().map(String::as_str);
    let hint = match nearest(name, all()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "add a table such as `[alerts.slack]`".to_owned(),
        None => format!("use {}", one_of(all(), "or")),
    };
    let item = table.get(key).and_then(|entry| match &entry.node.value {
        Value::Array(items) => items.get(at)?.span.clone(),
        _ => None,
    });
    let error =
        OptionsError::invalid(format!("there is no destination `{name}` in `[alerts]`")).with_hint(hint);
    error.or_span(item.as_ref()).within_key(key)
}

/// Every `[[monitors]]`.
pub(super) fn read_monitors(options: &mut Options, context: &mut Context<'_>) -> Vec<Monitor> {
    let mut monitors: Vec<Monitor> = Vec::new();
    for (index, table) in tables(options, "monitors", context) {
        let Some(read) = read_item::<MonitorTable>(&table, "monitors", index, context) else { continue };
        if let Some((key, why)) = read.fault() {
            context.fail(table.error_at(key, why).within_item(index).within_key("monitors"));
            continue;
        }
        let monitor = Monitor::from(read);
        if monitors.iter().any(|other| other.name == monitor.name) {
            let key = if table.get("name").is_some() { "name" } else { "metric" };
            let error = table.error_at(key, format!("there is another monitor `{}`", monitor.name));
            context.fail(
                error.with_hint("give it a `name` of its own").within_item(index).within_key("monitors"),
            );
            continue;
        }
        monitors.push(monitor);
    }
    monitors
}

fn read_item<T: DeserializeOwned + JsonSchema>(
    table: &Options,
    list: &str,
    index: usize,
    context: &mut Context<'_>,
) -> Option<T> {
    read(table.clone(), &[list, &format!("[{index}]")], context)
}

/// The tables of a list.
fn tables(options: &mut Options, name: &str, context: &mut Context<'_>) -> Vec<(usize, Options)> {
    let Some(entry) = options.take(name) else { return Vec::new() };
    let not_tables = |span: Option<Span>| {
        let hint = format!("write `[[{name}]]`");
        OptionsError::invalid("expected a list of tables")
            .with_hint(hint)
            .or_span(span.as_ref())
            .within_key(name)
    };
    let Value::Array(items) = entry.node.value else {
        context.fail(not_tables(entry.node.span.or(entry.key.span)));
        return Vec::new();
    };
    let mut found = Vec::new();
    for (index, Node { value, span, .. }) in items.into_iter().enumerate() {
        match value {
            Value::Table(table) => found.push((index, table)),
            _ => context.fail(not_tables(span.or_else(|| entry.key.span.clone()))),
        }
    }
    found
}
