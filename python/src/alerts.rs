//! Alerts and monitors.

use std::collections::BTreeMap;
use std::sync::Arc;

use nethical::Config as CoreConfig;
use nethical::alerts::{AlertSettings, AlertState, Outcome};
use nethical::event::{Alert, AlertStatus, Level, Severity, Timestamp};
use nethical::monitors::{Condition, Monitor, Standing, UnknownCondition};
use nethical::{MonitoringSystem, Webhook, WebhookManager};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::aggregator::Aggregator;
use crate::config::{self, Config};
use crate::connector::Connector;
use crate::shapes::{Dict, shape};
use crate::spool::SpoolOptions;
use crate::{errors, process, report, values, wait};

/// Routes alerts, and holds back what was sent: what `AlertManager` is made of.
#[pyclass(frozen, module = "nethical._core")]
pub(crate) struct Alerts {
    /// Only empty while it is dropped.
    held: Option<Held>,
}

#[derive(Clone)]
struct Held {
    alerts: nethical::Alerts,
    webhooks: Arc<WebhookManager>,
    monitors: Vec<Monitor>,
}

shape! {
    /// What an alert is made of, as Python says it.
    struct Parts as "Alert" {
        severity: String,
        title: String,
        message: String,
        source: String,
        event_type: String,
        key: Option<String>,
        fields: Py<PyDict>,
        data: Py<PyDict>,
        labels: BTreeMap<String, String>,
        to: Vec<String>,
    }
}

impl Parts {
    fn alert(self, py: Python<'_>) -> PyResult<(Alert, Vec<String>)> {
        let wrong = |error: &dyn std::fmt::Display| PyValueError::new_err(error.to_string());
        let severity: Severity = self.severity.parse().map_err(|error| wrong(&error))?;
        let alert = Alert {
            fields: values::map(self.fields.bind(py))?,
            data: values::map(self.data.bind(py))?,
            labels: self.labels,
            source: self.source,
            event_type: self.event_type,
            key: self.key,
            ..Alert::new(severity, self.title, self.message)
        };
        Ok((alert, self.to))
    }
}

#[pymethods]
impl Alerts {
    /// With settings in JSON, `{"dedup_window": 1, "repeat_interval": 1, "routes": [], "monitors": []}`.
    #[new]
    fn new(py: Python<'_>, settings: &str, spool: SpoolOptions) -> PyResult<Self> {
        let read =
            CoreConfig::alerting("settings", settings).map_err(|error| config::exception(py, &error))?;
        let spool = spool.settings()?;
        Ok(Self::open(Arc::default(), AlertSettings { spool, ..read.alert_settings() }, &read))
    }

    /// With what a configuration says of alerts, its destinations aside.
    #[staticmethod]
    fn from_config(config: &Config) -> Self {
        let core = config.core();
        Self::open(Arc::default(), core.alert_settings(), core)
    }

    /// The names of the destinations.
    fn destinations(&self) -> Vec<String> {
        self.held.iter().flat_map(|held| held.webhooks.webhooks().into_keys()).collect()
    }

    /// Have exactly these destinations: name, type, lowest level and connector of each.
    fn have(&self, py: Python<'_>, members: Vec<(String, String, String, Py<Connector>)>) -> PyResult<()> {
        let Held { alerts, webhooks, .. } = self.held(py)?;
        for name in webhooks.webhooks().into_keys() {
            if !members.iter().any(|(known, ..)| *known == name) {
                webhooks.remove_webhook(&name);
            }
        }
        for (name, kind, level, connector) in members {
            let level = level.parse::<Level>().map_err(|error| PyValueError::new_err(error.to_string()))?;
            let core = Arc::clone(connector.get().handle(py)?.core());
            webhooks.add_webhook(name, Webhook::from(core).of_kind(kind).from_level(level));
        }
        py.detach(|| alerts.recover());
        Ok(())
    }

    /// Raise an alert.
    fn send<'py>(&self, py: Python<'py>, parts: Parts) -> PyResult<Dict<'py>> {
        process::arm(py);
        let (alert, to) = parts.alert(py)?;
        let alerts = &self.held(py)?.alerts;
        let outcome = py.detach(|| alerts.send_to(&alert, &to));
        shown(py, &outcome)
    }

    /// What this key is about is over.
    fn resolve<'py>(&self, py: Python<'py>, key: &str, message: &str) -> PyResult<Dict<'py>> {
        process::arm(py);
        let over = Alert {
            key: Some(key.to_owned()),
            status: AlertStatus::Resolved,
            ..Alert::new(Severity::Info, "", message)
        };
        let alerts = &self.held(py)?.alerts;
        let outcome = py.detach(|| alerts.send(&over));
        shown(py, &outcome)
    }

    /// What is known of every key, as JSON.
    fn states(&self, py: Python<'_>) -> PyResult<String> {
        let alerts = &self.held(py)?.alerts;
        let states: Vec<AlertState> = py.detach(|| alerts.states());
        Ok(serde_json::to_string(&states).unwrap_or_default())
    }

    /// See what became of what was sent.
    fn look_after(&self, py: Python<'_>) -> PyResult<()> {
        let alerts = &self.held(py)?.alerts;
        py.detach(|| alerts.look_after());
        Ok(())
    }

    /// Deliver what waits. True if all of it came to its end in time.
    fn flush(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let (alerts, patience) = (self.held(py)?.alerts.clone(), wait::patience(timeout)?);
        wait::interruptibly(py, move || alerts.flush(patience))
    }

    /// Deliver what waits and close all. True if nothing was left undone.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let (alerts, patience) = (self.held(py)?.alerts.clone(), wait::patience(timeout)?);
        wait::interruptibly(py, move || alerts.close(patience))
    }
}

impl Alerts {
    fn open(webhooks: Arc<WebhookManager>, settings: AlertSettings, config: &CoreConfig) -> Self {
        let alerts = nethical::Alerts::new(Arc::clone(&webhooks), settings);
        Self { held: Some(Held { alerts, webhooks, monitors: config.monitors().to_vec() }) }
    }

    fn held(&self, py: Python<'_>) -> PyResult<&Held> {
        self.held.as_ref().ok_or_else(|| errors::closed(py, "alerts"))
    }
}

impl Drop for Alerts {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            wait::drop_elsewhere(held);
        }
    }
}

fn shown<'py>(py: Python<'py>, outcome: &Outcome) -> PyResult<Dict<'py>> {
    let dict = Dict::new(py);
    match outcome {
        Outcome::Sent { id, deliveries } | Outcome::NotTaken { id, deliveries } => {
            dict.set_item("outcome", if outcome.is_sent() { "sent" } else { "not_taken" })?;
            dict.set_item("id", id.to_string())?;
            let deliveries: PyResult<Vec<_>> =
                deliveries.iter().map(|delivery| report::delivery(py, delivery)).collect();
            dict.set_item("deliveries", deliveries?)?;
        }
        Outcome::Suppressed { key, count } => {
            dict.set_item("outcome", "suppressed")?;
            dict.set_item("key", key)?;
            dict.set_item("suppressed", count)?;
        }
        Outcome::NotActive { key } => {
            dict.set_item("outcome", "not_active")?;
            dict.set_item("key", key)?;
        }
    }
    Ok(dict)
}

/// Watches metrics: what `MonitoringSystem` is made of.
#[pyclass(frozen, module = "nethical._core")]
pub(crate) struct Monitoring {
    /// Only empty while it is dropped.
    monitoring: Option<MonitoringSystem>,
}

#[pymethods]
impl Monitoring {
    /// With the monitors of these alerts' settings. Breaches are logged to this aggregator too.
    #[new]
    fn new(py: Python<'_>, alerts: &Alerts, aggregator: &Aggregator) -> PyResult<Self> {
        let Held { alerts, monitors, .. } = alerts.held(py)?.clone();
        let monitoring = MonitoringSystem::new(Arc::clone(aggregator.logs()), alerts, monitors);
        Ok(Self { monitoring: Some(monitoring) })
    }

    /// Have the monitors of a metric see its value.
    fn observe(&self, py: Python<'_>, name: &str, value: f64) -> PyResult<()> {
        process::arm(py);
        let monitoring = self.held(py)?;
        py.detach(|| monitoring.observe(name, value));
        Ok(())
    }

    /// Whether a value is a breach; if so, there is an alert.
    fn check(
        &self,
        py: Python<'_>,
        metric: &str,
        value: f64,
        threshold: f64,
        condition: &str,
    ) -> PyResult<bool> {
        process::arm(py);
        let wrong = |error: UnknownCondition| PyValueError::new_err(error.to_string());
        let condition: Condition = condition.parse().map_err(wrong)?;
        let monitoring = self.held(py)?;
        Ok(py.detach(|| monitoring.check_threshold(metric, value, threshold, condition)))
    }

    /// How each monitor stands: its name, its metric and the word for it.
    fn standings(&self, py: Python<'_>) -> PyResult<Vec<(String, String, &'static str)>> {
        let monitoring = self.held(py)?;
        let standings = py.detach(|| monitoring.standings());
        let row = |one: Standing| (one.monitor, one.metric, one.status.as_str());
        Ok(standings.into_iter().map(row).collect())
    }

    /// See what is missing and what has held for long enough, at this many seconds since 1970.
    fn tick(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        let wrong = || PyValueError::new_err("no time that can be");
        let now = Timestamp::from_microsecond((seconds * 1e6) as i64).map_err(|_| wrong())?;
        let monitoring = self.held(py)?;
        py.detach(|| monitoring.tick_at(now));
        Ok(())
    }

    /// Write down how far the monitors have come.
    fn save(&self, py: Python<'_>) -> PyResult<()> {
        let monitoring = self.held(py)?;
        py.detach(|| monitoring.save());
        Ok(())
    }
}

impl Monitoring {
    fn held(&self, py: Python<'_>) -> PyResult<&MonitoringSystem> {
        self.monitoring.as_ref().ok_or_else(|| errors::closed(py, "monitoring"))
    }
}

impl Drop for Monitoring {
    fn drop(&mut self) {
        if let Some(monitoring) = self.monitoring.take() {
            wait::drop_elsewhere(monitoring);
        }
    }
}
