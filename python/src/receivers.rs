//! Receivers that run inside the process: what `nethical.testing` stands on.

use std::time::{Duration, Instant};

use nethical_receivers::cloudwatch::CloudWatch;
use nethical_receivers::discord::Discord;
use nethical_receivers::http::{Answer, HttpPeer};
use nethical_receivers::sagemaker::SageMaker;
use nethical_receivers::slack::Slack;
use nethical_receivers::syslog::{Receiver as Syslog, parse};
use nethical_receivers::wandb::Wandb;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Map, Value, json};

use crate::wait;

/// What came: as JSON, and its bytes where the receiver keeps them.
type Came = (Value, Vec<u8>);

enum Kind {
    CloudWatch(CloudWatch),
    Discord(Discord),
    Http(HttpPeer),
    SageMaker(SageMaker),
    Slack(Slack),
    Syslog(Syslog),
    Wandb(Wandb),
}

/// A receiver on the loopback interface. It listens until it is stopped or forgotten.
#[pyclass(frozen, module = "nethical._core")]
pub(crate) struct Receiver(Kind);

#[pymethods]
impl Receiver {
    /// Start one on a free port.
    #[new]
    fn new(kind: &str) -> PyResult<Self> {
        Ok(Self(match kind {
            "cloudwatch" => Kind::CloudWatch(CloudWatch::start()?),
            "discord" => Kind::Discord(Discord::start()?),
            "http" => Kind::Http(HttpPeer::start()?),
            "sagemaker" => Kind::SageMaker(SageMaker::start()?),
            "slack" => Kind::Slack(Slack::start()?),
            "syslog-tcp" => Kind::Syslog(Syslog::tcp()?),
            "syslog-udp" => Kind::Syslog(Syslog::udp()?),
            "wandb" => Kind::Wandb(Wandb::start()?),
            _ => return Err(PyValueError::new_err(format!("there is no receiver {kind:?}"))),
        }))
    }

    /// Where it listens: the address that the destination is given, or `host:port` of syslog.
    fn address(&self) -> String {
        match &self.0 {
            Kind::CloudWatch(receiver) => receiver.url(),
            Kind::Discord(receiver) => receiver.webhook_url(),
            Kind::Http(receiver) => receiver.url(),
            Kind::SageMaker(receiver) => receiver.url(),
            Kind::Slack(receiver) => receiver.webhook_url(),
            Kind::Syslog(receiver) => receiver.address().to_string(),
            Kind::Wandb(receiver) => receiver.url(),
        }
    }

    /// What came so far, in order: as JSON, and the bytes.
    fn came<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let came = py.detach(|| self.0.came());
        came.iter()
            .map(|(value, bytes)| (PyBytes::new(py, value.to_string().as_bytes()), PyBytes::new(py, bytes)))
            .collect()
    }

    /// Wait until so many came, at most so many seconds. Whether they did.
    fn wait_for(&self, py: Python<'_>, count: usize, timeout: f64) -> PyResult<bool> {
        let deadline = Instant::now() + wait::patience(timeout)?;
        while py.detach(|| self.0.count()) < count {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            py.check_signals()?;
            py.detach(|| std::thread::sleep(Duration::from_millis(5)));
        }
        Ok(true)
    }

    /// What came in and broke a rule of the service.
    fn violations(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| match &self.0 {
            Kind::CloudWatch(receiver) => receiver.violations(),
            Kind::Discord(receiver) => receiver.violations(),
            Kind::Http(_) => Vec::new(),
            Kind::SageMaker(receiver) => receiver.violations(),
            Kind::Slack(receiver) => receiver.violations(),
            Kind::Syslog(receiver) => malformed(&receiver.messages()),
            Kind::Wandb(receiver) => receiver.violations(),
        })
    }

    /// Answer the next request like this, or each one from now on.
    fn answer(
        &self,
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        always: bool,
    ) -> PyResult<()> {
        let mut answer = Answer::new(status).body(body);
        for (name, value) in headers {
            answer = answer.header(name, value);
        }
        match (&self.0, always) {
            (Kind::Discord(receiver), false) => receiver.answer(answer),
            (Kind::Discord(receiver), true) => receiver.always(answer),
            (Kind::Http(receiver), false) => receiver.answer(answer),
            (Kind::Http(receiver), true) => receiver.always(answer),
            (Kind::Slack(receiver), false) => receiver.answer(answer),
            (Kind::Slack(receiver), true) => receiver.always(answer),
            _ => return Err(PyTypeError::new_err("this receiver answers by the rules of its service only")),
        }
        Ok(())
    }

    /// Stop listening and close every connection.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| match &self.0 {
            Kind::Discord(receiver) => receiver.stop(),
            Kind::Http(receiver) => receiver.stop(),
            Kind::Slack(receiver) => receiver.stop(),
            Kind::Syslog(receiver) => receiver.stop(),
            Kind::Wandb(receiver) => receiver.stop(),
            // These end with their last owner.
            Kind::CloudWatch(_) | Kind::SageMaker(_) => {}
        });
    }
}

impl Kind {
    fn count(&self) -> usize {
        match self {
            Self::Discord(receiver) => receiver.taken(),
            Self::Http(receiver) => usize::try_from(receiver.count()).unwrap_or(usize::MAX),
            _ => self.came().len(),
        }
    }

    fn came(&self) -> Vec<Came> {
        match self {
            Self::CloudWatch(receiver) => cloudwatch(receiver),
            Self::Discord(receiver) => receiver
                .messages()
                .iter()
                .map(|message| {
                    let value = json!({ "body": message.body, "text": message.shown(), "notified": message.notified() });
                    (value, Vec::new())
                })
                .collect(),
            Self::Http(receiver) => receiver.requests().into_iter().map(request).collect(),
            Self::SageMaker(receiver) => components(receiver),
            Self::Slack(receiver) => receiver
                .messages()
                .iter()
                .map(|message| (json!({ "body": message.body, "text": message.shown() }), Vec::new()))
                .collect(),
            Self::Syslog(receiver) => receiver.messages().into_iter().map(syslog).collect(),
            Self::Wandb(receiver) => receiver.runs().iter().map(|run| (wandb(run), Vec::new())).collect(),
        }
    }
}

fn malformed(messages: &[Vec<u8>]) -> Vec<String> {
    let shown = |message: &[u8]| String::from_utf8_lossy(message).into_owned();
    messages
        .iter()
        .filter_map(|message| parse(message).err().map(|error| format!("{error:?}: {}", shown(message))))
        .collect()
}

fn request(request: nethical_receivers::http::Request) -> Came {
    let headers: Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    (json!({ "method": request.method, "path": request.target, "headers": headers }), request.body)
}

fn syslog(message: Vec<u8>) -> Came {
    let Ok(parsed) = parse(&message) else { return (Value::Null, message) };
    let structured: Map<String, Value> = parsed
        .structured
        .into_iter()
        .map(|element| {
            let params = element.params.into_iter().map(|(name, value)| (name, Value::from(value)));
            (element.id, Value::Object(params.collect()))
        })
        .collect();
    let value = json!({
        "facility": parsed.priority / 8,
        "severity": parsed.priority % 8,
        "timestamp": parsed.timestamp,
        "host": parsed.host,
        "app_name": parsed.app_name,
        "proc_id": parsed.proc_id,
        "msg_id": parsed.msg_id,
        "structured": structured,
        "text": parsed.text,
    });
    (value, message)
}

fn cloudwatch(receiver: &CloudWatch) -> Vec<Came> {
    let mut came = Vec::new();
    for (group, kept) in receiver.groups() {
        for (stream, events) in kept.streams {
            for event in events {
                let value = json!({ "log_group": group, "log_stream": stream, "timestamp": event.timestamp, "message": event.message });
                came.push((value, Vec::new()));
            }
        }
    }
    came
}

fn components(receiver: &SageMaker) -> Vec<Came> {
    let components = receiver.components().into_iter().map(|(name, component)| {
        let value = json!({
            "name": name,
            "display_name": component.display_name,
            "status": component.status,
            "parameters": component.parameters,
            "outputs": component.outputs,
            "tags": component.tags,
            "trials": component.trials,
        });
        (value, Vec::new())
    });
    components.collect()
}

fn wandb(run: &nethical_receivers::wandb::Run) -> Value {
    json!({
        "id": run.id,
        "entity": run.entity,
        "project": run.project,
        "name": run.display_name,
        "group": run.group,
        "tags": run.tags,
        "config": run.config,
        "rows": run.rows(),
        "summary": run.summed_up(),
        "state": run.state,
        "exit_code": run.exit_code,
    })
}
