//! An alert that is being put together.

use nethical_core::event::{Alert, IntoValue, Severity};

use super::{Alerts, Outcome};

/// An alert that is being put together. Nothing happens before it is sent.
#[derive(Debug)]
#[must_use = "an alert does nothing before it is sent"]
pub struct Draft<'a> {
    alerts: &'a Alerts,
    alert: Alert,
    only: Vec<String>,
}

impl Alerts {
    /// Begin a critical alert.
    pub fn critical(&self, title: impl Into<String>, message: impl Into<String>) -> Draft<'_> {
        self.alert(Alert::new(Severity::Critical, title, message))
    }

    /// Begin an alert about an error.
    pub fn error(&self, title: impl Into<String>, message: impl Into<String>) -> Draft<'_> {
        self.alert(Alert::new(Severity::Error, title, message))
    }

    /// Begin a warning.
    pub fn warning(&self, title: impl Into<String>, message: impl Into<String>) -> Draft<'_> {
        self.alert(Alert::new(Severity::Warning, title, message))
    }

    /// Begin an alert that is good to know.
    pub fn info(&self, title: impl Into<String>, message: impl Into<String>) -> Draft<'_> {
        self.alert(Alert::new(Severity::Info, title, message))
    }
}

impl<'a> Draft<'a> {
    pub(super) const fn new(alerts: &'a Alerts, alert: Alert) -> Self {
        Self { alerts, alert, only: Vec::new() }
    }

    /// With a field for people.
    pub fn field(mut self, name: impl Into<String>, value: impl IntoValue) -> Self {
        self.alert = self.alert.with_field(name, value);
        self
    }

    /// With a value for programs.
    pub fn data(mut self, name: impl Into<String>, value: impl IntoValue) -> Self {
        self.alert.data.insert(name.into(), value.into_value());
        self
    }

    /// With a label, which routes may ask for.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.alert = self.alert.with_label(name, value);
        self
    }

    /// From this part of the system.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.alert.source = source.into();
        self
    }

    /// Of this event type, in the place of `alert`.
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.alert.event_type = event_type.into();
        self
    }

    /// About the same thing as all alerts of this key: one is sent while it lasts.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.alert.key = Some(key.into());
        self
    }

    /// To this destination, whatever the routes say. May be called several times.
    pub fn to(mut self, name: impl Into<String>) -> Self {
        self.only.push(name.into());
        self
    }

    /// The alert so far.
    pub const fn alert(&self) -> &Alert {
        &self.alert
    }

    /// Raise it. Returns at once: it is delivered in the background.
    pub fn send(self) -> Outcome {
        self.alerts.send_to(&self.alert, &self.only)
    }
}
