//! What the alerts of a monitor say.

use nethical_core::event::{Alert, IntoValue, Timestamp};

use super::progress::{Progress, Subject};
use super::rule::Monitor;
use crate::alerts::spoken;

/// The key of its alerts.
pub(super) fn key(monitor: &Monitor, subject: Subject) -> String {
    match subject {
        Subject::Breach => format!("monitor:{}", monitor.name),
        Subject::Missing => format!("monitor:{}:missing", monitor.name),
    }
}

/// The alert about it.
pub(super) fn alert(monitor: &Monitor, progress: &Progress, subject: Subject, now: Timestamp) -> Alert {
    let mut alert = match subject {
        Subject::Breach => breach(monitor, progress, now),
        Subject::Missing => missing(monitor, progress, now),
    };
    alert.source.clone_from(&monitor.source);
    alert.labels.clone_from(&monitor.labels);
    alert
}

fn breach(monitor: &Monitor, progress: &Progress, now: Timestamp) -> Alert {
    let Monitor { metric, limit, hold, .. } = monitor;
    let value = shown(progress);
    let (condition, threshold) =
        limit.map_or_else(Default::default, |limit| (limit.condition.as_str(), limit.threshold.to_string()));
    let held = if hold.is_zero() { String::new() } else { format!(" for {}", spoken(*hold)) };
    let fill = |text: &String| {
        let all = [
            ("{metric}", metric.as_str()),
            ("{value}", &value),
            ("{condition}", condition),
            ("{threshold}", &threshold),
        ];
        all.iter().fold(text.clone(), |text, (name, value)| text.replace(name, value))
    };
    let title = monitor.title.as_ref().map_or_else(|| format!("Threshold breach: {metric}"), fill);
    let usual = || format!("{metric} is {value}, and should not be {condition} {threshold}{held}");
    let message = monitor.message.as_ref().map_or_else(usual, fill);
    let mut alert = Alert::at(now, monitor.severity, title, message);
    alert.event_type = "threshold_breach".to_owned();
    let data = [
        ("metric", metric.as_str().into_value()),
        ("value", progress.last_value.unwrap_or(f64::NAN).into_value()),
        ("threshold", limit.map(|limit| limit.threshold).into_value()),
        ("condition", condition.into_value()),
    ];
    alert.data = data.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    alert
}

fn missing(monitor: &Monitor, progress: &Progress, now: Timestamp) -> Alert {
    let metric = &monitor.metric;
    let most = spoken(monitor.missing.unwrap_or_default());
    let mut alert = Alert::at(
        now,
        monitor.severity,
        format!("No data: {metric}"),
        format!("no value of {metric} for {most}"),
    );
    alert.event_type = "missing_data".to_owned();
    alert.data.insert("metric".to_owned(), metric.as_str().into());
    alert.data.insert("last_value".to_owned(), progress.last_value.into_value());
    alert
}

/// What is said when it is over.
pub(super) fn over(monitor: &Monitor, progress: &Progress, subject: Subject) -> String {
    match subject {
        Subject::Breach => format!("{} is {} again", monitor.metric, shown(progress)),
        Subject::Missing => format!("{} has values again", monitor.metric),
    }
}

fn shown(progress: &Progress) -> String {
    progress.last_value.map_or_else(|| "NaN".to_owned(), |value| value.to_string())
}
