//! The summary of a run: the last value of each metric, or what `define_metric` asks for.

use std::collections::HashMap;

use serde_json::Value;

use super::json;
use super::log::record::{Item, Metric, MetricOptions, MetricSummary};
use super::tree::Tree;

/// How metrics are drawn and summed up, in the order in which they were defined.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(Vec<Metric>);

impl Metrics {
    /// Defines a metric, or defines it anew.
    pub(crate) fn define(&mut self, metric: Metric) {
        let same = |other: &&mut Metric| other.name == metric.name && other.glob_name == metric.glob_name;
        match self.0.iter_mut().find(same) {
            Some(known) => *known = metric,
            None => self.0.push(metric),
        }
    }

    /// As `_wandb.value.m` of a configuration has them.
    pub(crate) fn read(list: &[Value]) -> Self {
        let name = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let metric = |entry: &Value| {
            let step =
                entry["5"].as_u64().and_then(|place| list.get(usize::try_from(place).ok()?.checked_sub(1)?));
            let [step_sync, hidden, defined] = set(&entry["6"]);
            let [min, max, mean, best, last, none, copy, first] = set(&entry["7"]);
            Metric {
                name: name(entry, "1"),
                glob_name: name(entry, "2"),
                step_metric: step.map(|step| name(step, "1")).unwrap_or_default(),
                options: Some(MetricOptions { step_sync, hidden, defined }),
                summary: Some(MetricSummary { min, max, mean, best, last, none, copy, first }),
                ..Metric::default()
            }
        };
        let named = |metric: &Metric| !metric.name.is_empty() || !metric.glob_name.is_empty();
        Self(list.iter().map(metric).filter(named).collect())
    }

    /// Puts these below its own.
    pub(crate) fn add_below(&mut self, earlier: Self) {
        let own = std::mem::replace(self, earlier);
        own.0.into_iter().for_each(|metric| self.define(metric));
    }

    /// Whether the summary has an object for a metric of this name.
    pub(crate) fn sums_up(&self, name: &str) -> bool {
        self.summary_of(name).is_some_and(is_more)
    }

    /// Whether any was defined.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a metric of exactly this name was defined.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.iter().any(|metric| metric.name == name)
    }

    /// What of it sums up a metric of this name.
    fn summary_of(&self, name: &str) -> Option<MetricSummary> {
        let exact = self.0.iter().find(|metric| metric.name == name);
        let found = exact.or_else(|| self.0.iter().find(|metric| matches(&metric.glob_name, name)));
        found.and_then(|metric| metric.summary)
    }

    /// `_wandb.value.m` of the configuration: objects by protobuf field number.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, metric) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let (field, name) =
                if metric.name.is_empty() { ("2", &metric.glob_name) } else { ("1", &metric.name) };
            out.extend_from_slice(format!("{{\"{field}\":").as_bytes());
            json::text(name, out);
            let step = self.0.iter().position(|other| other.name == metric.step_metric);
            if let Some(step) = step.filter(|_| !metric.step_metric.is_empty()) {
                out.extend_from_slice(format!(",\"5\":{}", step + 1).as_bytes());
            }
            let options = metric.options.unwrap_or_default();
            let options = [options.step_sync, options.hidden, options.defined];
            let summary = metric.summary.unwrap_or_default();
            let MetricSummary { min, max, mean, best, last, none, copy, first } = summary;
            let summary = [min, max, mean, best, last, none, copy, first];
            let text = format!(",\"6\":[{}],\"7\":[{}]}}", numbers(&options), numbers(&summary));
            out.extend_from_slice(text.as_bytes());
        }
        out.push(b']');
    }
}

/// The places of those that are set, counted from 1.
fn numbers(set: &[bool]) -> String {
    let chosen = (1_usize..).zip(set).filter(|(_, set)| **set).map(|(number, _)| number.to_string());
    chosen.collect::<Vec<_>>().join(",")
}

/// Which of so many are set, as [`numbers`] has them.
fn set<const N: usize>(numbers: &Value) -> [bool; N] {
    let listed = numbers.as_array().map(Vec::as_slice).unwrap_or_default();
    std::array::from_fn(|index| listed.iter().any(|number| number.as_u64() == Some(index as u64 + 1)))
}

/// Whether a name is what a pattern with `*` at its end means.
fn matches(glob: &str, name: &str) -> bool {
    !glob.is_empty() && glob.strip_suffix('*').map_or(glob == name, |start| name.starts_with(start))
}

/// The numbers of one metric so far.
#[derive(Debug, Clone, Copy)]
struct Sums {
    first: f64,
    last: f64,
    min: f64,
    max: f64,
    total: f64,
    count: u64,
}

impl Sums {
    const fn new(value: f64) -> Self {
        Self { first: value, last: value, min: value, max: value, total: value, count: 1 }
    }

    fn add(&mut self, value: f64) {
        self.last = value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.total += value;
        self.count += 1;
    }

    /// The object that stands for the metric in the summary.
    fn write(&self, wanted: MetricSummary) -> String {
        let mean = self.total / self.count as f64;
        let all = [
            (wanted.min || wanted.best, "min", self.min),
            (wanted.max, "max", self.max),
            (wanted.mean, "mean", mean),
            (wanted.last, "last", self.last),
            (wanted.first, "first", self.first),
        ];
        let mut out = vec![b'{'];
        for (_, name, value) in all.into_iter().filter(|(wanted, ..)| *wanted) {
            if out.len() > 1 {
                out.push(b',');
            }
            json::text(name, &mut out);
            out.push(b':');
            json::number(value, &mut out);
        }
        out.push(b'}');
        String::from_utf8(out).unwrap_or_default()
    }
}

/// A summary that follows the rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    values: HashMap<String, usize>,
    order: Vec<(String, String)>,
    /// Where in `order` the next name most likely stands: rows have the same names in the same order.
    next: usize,
    sums: HashMap<String, Sums>,
    /// What was set by itself.
    set: Tree,
}

impl Summary {
    /// A value of a row.
    pub(crate) fn note(&mut self, metrics: &Metrics, name: &str, value: &str) {
        let wanted = if metrics.is_empty() { None } else { metrics.summary_of(name) };
        match wanted {
            Some(wanted) if wanted.none => {}
            Some(wanted) if is_more(wanted) => {
                let Some(number) = parse(value) else { return };
                let sums = self.sums.entry(name.to_owned());
                let sums = sums.and_modify(|sums| sums.add(number)).or_insert_with(|| Sums::new(number));
                let text = sums.write(wanted);
                self.put(name, &text);
            }
            _ => self.put(name, value),
        }
    }

    /// A value as it is.
    pub(crate) fn put(&mut self, name: &str, value: &str) {
        let guess = self.order.get(self.next).filter(|(known, _)| known == name).map(|_| self.next);
        let index = guess.or_else(|| self.values.get(name).copied());
        self.next = index.map_or(0, |index| index + 1);
        match index.and_then(|index| self.order.get_mut(index)) {
            Some((_, known)) => {
                known.clear();
                known.push_str(value);
            }
            None => {
                self.values.insert(name.to_owned(), self.order.len());
                self.order.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// A value that was set by itself.
    pub(crate) fn set(&mut self, item: &Item) {
        self.set.set(item.path(), item.value());
    }

    /// A value that was removed.
    pub(crate) fn remove(&mut self, item: &Item) {
        self.set.remove(item.path());
        if let [name] = item.path()
            && let Some(index) = self.values.remove(name)
            && let Some(removed) = self.order.get_mut(index)
        {
            removed.0.clear();
        }
    }

    /// All of it. What was set by itself stands before what rows say.
    pub(crate) fn entries(&self) -> Vec<(String, String)> {
        let own: Vec<(String, String)> =
            self.set.entries().map(|(name, value)| (name.to_owned(), value)).collect();
        let rest = self.order.iter().filter(|(name, _)| !name.is_empty());
        let rest = rest.filter(|(name, _)| !own.iter().any(|(known, _)| known == name)).cloned();
        let mut all: Vec<_> = rest.collect();
        all.extend(own);
        all
    }
}

/// Whether anything but the last value, as it is, was asked for.
const fn is_more(wanted: MetricSummary) -> bool {
    let MetricSummary { min, max, mean, best, last, first, .. } = wanted;
    min || max || mean || best || last || first
}

/// A number as rows have it.
pub(crate) fn parse(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined(name: &str, step: &str, summary: MetricSummary) -> Metric {
        let options = Some(MetricOptions { defined: true, ..MetricOptions::default() });
        let (name, glob_name) = if name.ends_with('*') {
            (String::new(), name.to_owned())
        } else {
            (name.to_owned(), String::new())
        };
        Metric {
            name,
            glob_name,
            step_metric: step.to_owned(),
            options,
            summary: Some(summary),
            ..Metric::default()
        }
    }

    #[test]
    fn metrics_are_written_as_the_official_client_writes_them() {
        let mut metrics = Metrics::default();
        metrics.define(defined("epoch", "", MetricSummary::default()));
        metrics.define(defined(
            "acc",
            "",
            MetricSummary { max: true, last: true, ..MetricSummary::default() },
        ));
        metrics.define(defined("val/*", "epoch", MetricSummary { min: true, ..MetricSummary::default() }));
        let mut out = Vec::new();
        metrics.write(&mut out);
        let expected = r#"[{"1":"epoch","6":[3],"7":[]},{"1":"acc","6":[3],"7":[2,5]},{"2":"val/*","5":1,"6":[3],"7":[1]}]"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let read = Metrics::read(&serde_json::from_str::<Vec<Value>>(expected).unwrap());
        assert_eq!(read.0, metrics.0);
        let mut later = Metrics::default();
        later.define(defined("acc", "epoch", MetricSummary::default()));
        later.add_below(read);
        assert_eq!((later.0.len(), later.sums_up("acc"), later.sums_up("val/loss")), (3, false, true));
        assert!(Metrics::read(&[Value::Null, serde_json::json!({ "5": 9 })]).is_empty());
    }

    #[test]
    fn each_metric_is_summed_up_as_it_was_defined() {
        let mut metrics = Metrics::default();
        let all = MetricSummary {
            min: true,
            max: true,
            mean: true,
            last: true,
            first: true,
            ..MetricSummary::default()
        };
        metrics.define(defined("acc", "", all));
        metrics.define(defined("val/*", "", MetricSummary { min: true, ..MetricSummary::default() }));
        metrics.define(defined("hidden", "", MetricSummary { none: true, ..MetricSummary::default() }));
        let mut summary = Summary::default();
        for (acc, loss) in [("2", "9"), ("4", "NaN"), ("3", "7")] {
            for (name, value) in [("acc", acc), ("val/loss", loss), ("hidden", "1"), ("plain", loss)] {
                summary.note(&metrics, name, value);
            }
        }
        summary.set(&Item::new("best", "\"yes\""));
        summary.set(&Item::new("gone", "1"));
        summary.remove(&Item::new("gone", ""));
        let shown: Vec<_> =
            summary.entries().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let acc = r#"acc={"min":2.0,"max":4.0,"mean":3.0,"last":3.0,"first":2.0}"#;
        assert_eq!(shown, [acc, r#"val/loss={"min":7.0}"#, "plain=7", "best=\"yes\""]);
    }
}
