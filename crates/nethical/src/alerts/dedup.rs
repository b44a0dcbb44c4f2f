//! What becomes of an alert whose key was heard of before: pure functions from a state to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use nethical_core::event::{Alert, AlertStatus, EventId, Severity, Timestamp};
use serde::{Deserialize, Serialize};

/// How often alerts of one key are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeats {
    /// An alert of which nothing was heard for this long is over, and the next one of its key is a new one.
    /// Default 1 h.
    pub window: Duration,
    /// While it lasts it is sent again after this time. Default 4 h.
    pub interval: Duration,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { window: Duration::from_secs(3_600), interval: Duration::from_secs(4 * 3_600) }
    }
}

/// What is known of the alerts of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertState {
    /// The key.
    pub key: String,
    /// Whether it lasts.
    pub status: AlertStatus,
    /// How severe it is.
    pub severity: Severity,
    /// What happened, on one line.
    pub title: String,
    /// More about it.
    pub message: String,
    /// What kind of thing happened.
    pub event_type: String,
    /// Which part of the system said so.
    pub source: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Since when it lasts.
    pub since: Timestamp,
    /// When it was last heard of.
    pub last_raised: Timestamp,
    /// When it was last sent.
    pub last_sent: Timestamp,
    /// When it ended.
    pub resolved: Option<Timestamp>,
    /// How often it was sent while it lasts, or lasted.
    pub sent: u64,
    /// How many were held back since it was sent last.
    pub suppressed: u64,
    /// How many alerts of this key there were in all, and how many of them were held back.
    pub raised_in_all: u64,
    /// See above.
    pub suppressed_in_all: u64,
    /// Where it went; its end goes there too.
    pub to: Vec<String>,
}

impl AlertState {
    /// Whether it lasts, as far as is known at this time. `lasting` is one whose end is always told.
    pub fn is_active(&self, now: Timestamp, window: Duration, lasting: bool) -> bool {
        self.status == AlertStatus::Firing && (lasting || elapsed(self.last_raised, now) <= window)
    }

    /// It went there too.
    pub(crate) fn also_to(&mut self, names: &[String]) {
        for name in names {
            if !self.to.contains(name) {
                self.to.push(name.clone());
            }
        }
    }
}

/// The time from one moment to another; none if they stand the other way round.
pub(crate) fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// A time span in its two largest units, as in `3h 20m`.
pub(crate) fn spoken(span: Duration) -> String {
    let mut left = span.as_secs();
    let mut parts = Vec::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if left >= seconds {
            parts.push(format!("{}{unit}", left / seconds));
            left %= seconds;
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// How somebody came to raise an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// By a call: it lasts as long as there are more of them.
    Called,
    /// By a monitor: it lasts until the monitor says that it is over.
    Watched,
    /// By a monitor that has nothing new to say: it is sent if it is time, and else not counted.
    Reminded,
    /// By a monitor that is not to be heard for now: it is counted, not sent.
    Muted,
}

/// What becomes of an alert.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Next {
    /// What is known now.
    pub(crate) state: AlertState,
    /// What is sent, if anything.
    pub(crate) alert: Option<Alert>,
}

/// An alert with this key was raised.
pub(crate) fn raise(
    known: Option<AlertState>,
    alert: &Alert,
    key: &str,
    rules: Repeats,
    manner: Manner,
) -> Next {
    let now = alert.timestamp;
    let is_lasting = manner != Manner::Called;
    let active = known.as_ref().filter(|state| state.is_active(now, rules.window, is_lasting));
    let is_due = active.is_none_or(|state| {
        alert.severity > state.severity || elapsed(state.last_sent, now) >= rules.interval
    });
    let is_sent = is_due && manner != Manner::Muted;
    let (repeats, held_back) = active.map_or((0, 0), |state| (state.sent, state.suppressed));
    let is_new = active.is_none() && is_sent;
    let mut state = known.unwrap_or_else(|| unheard(key, alert));
    if is_new {
        (state.since, state.sent, state.suppressed, state.resolved) = (now, 0, 0, None);
        state.status = AlertStatus::Firing;
        state.to.clear();
    }
    state.last_raised = state.last_raised.max(now);
    if is_sent {
        describe(&mut state, alert);
        (state.last_sent, state.suppressed) = (now, 0);
        state.sent += 1;
        state.raised_in_all += 1;
        let sent = Alert { key: Some(key.to_owned()), repeats, suppressed: held_back, ..alert.clone() };
        return Next { state, alert: Some(sent) };
    }
    if manner != Manner::Reminded {
        state.suppressed += 1;
        state.raised_in_all += 1;
        state.suppressed_in_all += 1;
    }
    Next { state, alert: None }
}

/// What the alerts of this key are about is over. `None` if it was not known to last.
pub(crate) fn resolve(known: AlertState, over: &Alert) -> Option<Next> {
    let now = over.timestamp;
    if known.status == AlertStatus::Resolved {
        return None;
    }
    let lasted = format!("over after {}", spoken(elapsed(known.since, now)));
    let of = |own: &str, known: &str| if own.is_empty() { known.to_owned() } else { own.to_owned() };
    let message = match (over.message.as_str(), known.message.as_str()) {
        ("", "") => lasted,
        ("", known) => format!("{lasted}: {known}"),
        (own, _) => own.to_owned(),
    };
    let alert = Alert {
        severity: known.severity,
        title: of(&over.title, &known.title),
        message,
        event_type: known.event_type.clone(),
        source: known.source.clone(),
        labels: known.labels.clone(),
        key: Some(known.key.clone()),
        status: AlertStatus::Resolved,
        suppressed: known.suppressed,
        ..over.clone()
    };
    let state = AlertState { status: AlertStatus::Resolved, resolved: Some(now), ..known };
    Some(Next { state, alert: Some(alert) })
}

/// A key that nothing was heard of yet.
fn unheard(key: &str, alert: &Alert) -> AlertState {
    AlertState {
        key: key.to_owned(),
        status: AlertStatus::Resolved,
        severity: alert.severity,
        title: alert.title.clone(),
        message: alert.message.clone(),
        event_type: alert.event_type.clone(),
        source: alert.source.clone(),
        labels: alert.labels.clone(),
        since: alert.timestamp,
        last_raised: alert.timestamp,
        last_sent: Timestamp::MIN,
        resolved: None,
        sent: 0,
        suppressed: 0,
        raised_in_all: 0,
        suppressed_in_all: 0,
        to: Vec::new(),
    }
}

fn describe(state: &mut AlertState, alert: &Alert) {
    state.severity = alert.severity;
    state.title.clone_from(&alert.title);
    state.message.clone_from(&alert.message);
    state.event_type.clone_from(&alert.event_type);
    state.source.clone_from(&alert.source);
    state.labels.clone_from(&alert.labels);
}

/// An alert that says of this key that it is over.
pub(crate) fn end_of(key: &str, now: Timestamp) -> Alert {
    Alert {
        key: Some(key.to_owned()),
        status: AlertStatus::Resolved,
        id: EventId::at(now),
        ..Alert::at(now, Severity::Info, "", "")
    }
}

#[cfg(test)]
#[path = "dedup_tests.rs"]
mod tests;
