use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::event::{EventId, IntoValue, Timestamp};
use crate::tracking::RunStatus;

/// What the id of a run starts with that no server has given one yet.
pub const LOCAL_PREFIX: &str = "local-";

/// A fresh id for a run that no server has given one yet.
pub fn local_id() -> String {
    format!("{LOCAL_PREFIX}{}", EventId::new())
}

/// A run as this process knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentRun {
    /// Its id.
    pub run_id: String,
    /// The experiment that it belongs to; empty if only the service knows, as of a resumed run.
    pub experiment_name: String,
    /// Its name, if it was given one.
    pub run_name: Option<String>,
    /// The type of the platform: `mlflow`.
    pub platform: &'static str,
    /// How it stands.
    pub status: RunStatus,
    /// When it was started, or resumed.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Its parameters, flattened.
    pub parameters: Map<String, Value>,
    /// The newest number of each metric.
    pub metrics: Vec<(String, f64)>,
    /// Its tags.
    pub tags: Map<String, Value>,
    /// Its artifacts: their paths in the run.
    pub artifacts: Vec<String>,
}

impl ExperimentRun {
    /// One that begins.
    pub fn new(
        platform: &'static str,
        run_id: impl Into<String>,
        experiment_name: impl Into<String>,
        run_name: Option<String>,
        start_time: Timestamp,
    ) -> Self {
        Self {
            run_id: run_id.into(),
            experiment_name: experiment_name.into(),
            run_name,
            platform,
            status: RunStatus::Running,
            start_time,
            end_time: None,
            parameters: Map::new(),
            metrics: Vec::new(),
            tags: Map::new(),
            artifacts: Vec::new(),
        }
    }

    /// From its start to its end, or to now; zero where the clock was set back.
    pub fn duration(&self) -> Duration {
        let end = self.end_time.unwrap_or_else(Timestamp::now);
        Duration::try_from(end.duration_since(self.start_time)).unwrap_or_default()
    }

    /// The same in seconds.
    pub fn duration_seconds(&self) -> f64 {
        self.duration().as_secs_f64()
    }

    /// Everything, as one JSON object. Times are RFC 3339 in UTC.
    pub fn to_dict(&self) -> Value {
        let metrics: Map<_, _> =
            self.metrics.iter().map(|(name, value)| (name.clone(), (*value).into_value())).collect();
        json!({
            "run_id": self.run_id,
            "experiment_name": self.experiment_name,
            "run_name": self.run_name,
            "platform": self.platform,
            "status": self.status,
            "start_time": self.start_time.to_string(),
            "end_time": self.end_time.map(|time| time.to_string()),
            "duration_seconds": self.duration_seconds(),
            "parameters": self.parameters,
            "metrics": metrics,
            "tags": self.tags,
            "artifacts": self.artifacts,
        })
    }

    /// The same as text.
    pub fn to_json(&self) -> String {
        self.to_dict().to_string()
    }

    /// Take over the newest number of a metric.
    pub(crate) fn note_metric(&mut self, name: &str, value: f64) {
        match self.metrics.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.metrics.push((name.to_owned(), value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_itself_as_json() {
        let start = Timestamp::from_second(100).unwrap();
        let mut run = ExperimentRun::new("mlflow", "r", "e", Some("n".to_owned()), start);
        run.end_time = Some(Timestamp::from_millisecond(102_500).unwrap());
        run.status = RunStatus::Failed;
        run.note_metric("loss", 1.0);
        run.note_metric("loss", f64::NAN);
        assert!((run.duration_seconds() - 2.5).abs() < 1e-9);
        let dict: Value = serde_json::from_str(&run.to_json()).unwrap();
        assert_eq!(dict["status"], "failed");
        assert_eq!(dict["metrics"], json!({ "loss": "NaN" }));
        assert_eq!(dict["end_time"], "1970-01-01T00:01:42.5Z");
        run.end_time = Some(Timestamp::from_second(1).unwrap());
        assert!(run.duration_seconds().abs() < 1e-9);
    }
}
