//! How far a monitor has come: pure steps, one for each value and each look at the clock.

use std::time::Duration;

use nethical_core::event::Timestamp;
use serde::{Deserialize, Serialize};

use super::rule::{Monitor, NanRule};
use crate::alerts::elapsed;

/// How far a monitor has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Since when values are breaches.
    pub(crate) breach_since: Option<Timestamp>,
    /// Whether there is an alert about it.
    pub(crate) fires: bool,
    /// Until when there is no new one.
    pub(crate) quiet_until: Option<Timestamp>,
    /// Whether there is an alert about missing values.
    pub(crate) misses: bool,
    /// The last value; `None` too if it was NaN.
    pub(crate) last_value: Option<f64>,
    /// When it came, or when was first waited for it.
    pub(crate) last_seen: Option<Timestamp>,
}

/// How a monitor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MonitorStatus {
    /// There is nothing to tell.
    Ok,
    /// There is a breach that has not held for long enough, or comes in the time in which nothing is told.
    Pending,
    /// There is an alert about a breach.
    Firing,
    /// There is an alert about missing values.
    Missing,
}

impl MonitorStatus {
    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Missing => "missing",
        }
    }
}

/// What an alert of a monitor is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Breach,
    Missing,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is something new to tell.
    Raise(Subject),
    /// A breach in the time in which nothing is told.
    Mute,
    /// It still lasts.
    Remind(Subject),
    /// It is over.
    Resolve(Subject),
}

impl Progress {
    /// What counts if a process is killed: all but when the last value came.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.breach_since, one.fires, one.quiet_until, one.misses);
        key(self) != key(other)
    }

    pub(crate) const fn status(&self) -> MonitorStatus {
        match self {
            Self { misses: true, .. } => MonitorStatus::Missing,
            Self { fires: true, .. } => MonitorStatus::Firing,
            Self { breach_since: Some(_), .. } => MonitorStatus::Pending,
            _ => MonitorStatus::Ok,
        }
    }

    /// A value came.
    pub(crate) fn observe(&mut self, monitor: &Monitor, value: f64, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        self.last_seen = Some(now);
        self.last_value = Some(value).filter(|value| !value.is_nan());
        if std::mem::take(&mut self.misses) {
            steps.push(Step::Resolve(Subject::Missing));
        }
        let Some(limit) = &monitor.limit else { return steps };
        let is_breached = match (value.is_nan(), monitor.nan) {
            (false, _) => limit.is_breached(value, self.fires),
            (true, NanRule::Breach) => true,
            (true, NanRule::Ok) => false,
            (true, NanRule::Ignore) => return steps,
        };
        if is_breached {
            self.breach_since.get_or_insert(now);
            steps.extend(self.breached(monitor, now));
        } else {
            self.breach_since = None;
            if std::mem::take(&mut self.fires) {
                self.quiet_until = now.checked_add(monitor.cooldown).ok();
                steps.push(Step::Resolve(Subject::Breach));
            }
        }
        steps
    }

    fn breached(&mut self, monitor: &Monitor, now: Timestamp) -> Option<Step> {
        if !self.fires {
            if !self.has_held(monitor, now) {
                return None;
            }
            if self.is_quiet(now) {
                return Some(Step::Mute);
            }
            self.fires = true;
        }
        Some(Step::Raise(Subject::Breach))
    }

    fn has_held(&self, monitor: &Monitor, now: Timestamp) -> bool {
        self.breach_since.is_some_and(|since| elapsed(since, now) >= monitor.hold)
    }

    fn is_quiet(&self, now: Timestamp) -> bool {
        self.quiet_until.is_some_and(|until| now < until)
    }

    /// Time passed without a value: the last one still counts.
    pub(crate) fn tick(&mut self, monitor: &Monitor, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.fires {
            steps.push(Step::Remind(Subject::Breach));
        } else if self.has_held(monitor, now) && !self.is_quiet(now) {
            self.fires = true;
            steps.push(Step::Raise(Subject::Breach));
        }
        let Some(missing) = monitor.missing else { return steps };
        let seen = *self.last_seen.get_or_insert(now);
        if self.misses {
            steps.push(Step::Remind(Subject::Missing));
        } else if elapsed(seen, now) >= missing.max(Duration::from_millis(1)) {
            self.misses = true;
            steps.push(Step::Raise(Subject::Missing));
        }
        steps
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
