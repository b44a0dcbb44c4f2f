//! Messages to webhooks and chat services.

use std::sync::Arc;

use futures_util::future::join_all;
use nethical::Error;
use nethical::delivery::{Delivery, Rejected, runtime};
use nethical::event::{Event, EventId, JsonWriter, Level, MessageHead, encode_message, level_named};
use nethical::webhooks::{self, Key};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::connector::{Connector, Handle};
use crate::shapes::Dict;
use crate::values::{self, Walk};
use crate::{convert, errors, levels, process, report, wait};

/// A `WebhookPayload`, as far as it is looked at.
#[derive(FromPyObject)]
pub(crate) struct Payload<'py> {
    event_type: Bound<'py, PyAny>,
    data: Bound<'py, PyAny>,
    timestamp: Bound<'py, PyAny>,
    metadata: Bound<'py, PyAny>,
    id: String,
    native: Option<Bound<'py, PyDict>>,
}

impl Payload<'_> {
    fn encode(self) -> PyResult<Event> {
        let mut walk = Walk::default();
        let timestamp = convert::timestamp(&self.timestamp).map_err(|_| {
            PyValueError::new_err("the payload's timestamp is no datetime within the years 1 to 9999")
        })?;
        let id = EventId::parse(&self.id)
            .ok_or_else(|| PyValueError::new_err(format!("the id {:?} is no UUID", self.id)))?;
        let event_type = match self.event_type.cast::<PyString>() {
            Ok(text) => values::text(text).into_owned(),
            Err(_) => return Err(convert::wrong_type("event_type must be text", &self.event_type)),
        };
        let head = MessageHead { event_type: &event_type, timestamp, level: self.level(), id };
        let native = self.native.as_ref();
        let mut of_native = Walk::default();
        let mut of_metadata = Walk::default();
        let encoded = encode_message(
            &head,
            |json| values::write(json, &self.data, &mut walk),
            |json| object(json, &self.metadata, &mut of_metadata),
            native.map(|native| {
                |json: &mut JsonWriter<'_>| values::shared_object(json, native, &mut of_native)
            }),
        );
        [walk, of_metadata, of_native].into_iter().try_for_each(Walk::finish)?;
        Ok(encoded.event)
    }

    fn level(&self) -> Level {
        level_in(&self.metadata, &self.data)
    }
}

/// The level that the metadata or the data name.
fn level_in(metadata: &Bound<'_, PyAny>, data: &Bound<'_, PyAny>) -> Level {
    let named = |fields: &Bound<'_, PyAny>| {
        let fields = fields.cast::<PyDict>().ok()?;
        let word = ["severity", "level", "priority"]
            .iter()
            .find_map(|key| fields.get_item(*key).ok()??.extract::<String>().ok());
        level_named(&word?)
    };
    named(metadata).or_else(|| named(data)).unwrap_or(Level::Info)
}

fn object(json: &mut JsonWriter<'_>, value: &Bound<'_, PyAny>, walk: &mut Walk) {
    match value.cast::<PyDict>() {
        Ok(dict) => values::shared_object(json, dict, walk),
        Err(_) => values::shared_object(json, &PyDict::new(value.py()), walk),
    }
}

/// The envelope of this payload, as one line of JSON.
#[pyfunction]
#[pyo3(signature = (payload: "Any"))]
pub(crate) fn payload_to_json(payload: Payload<'_>) -> PyResult<String> {
    let event = Payload { native: None, ..payload }.encode()?;
    Ok(String::from_utf8_lossy(event.json()).into_owned())
}

/// Whether a message is of this level or above.
#[pyfunction]
#[pyo3(signature = (payload: "Any", level))]
pub(crate) fn payload_reaches(payload: Payload<'_>, level: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Payload { metadata, data, .. } = payload;
    Ok(level_in(&metadata, &data) >= levels::level_of(level)?)
}

/// Sign the bytes of a message: the value of `webhook-signature`.
#[pyfunction]
pub(crate) fn sign(secrets: Vec<String>, id: &str, timestamp: i64, body: &[u8]) -> PyResult<String> {
    webhooks::sign(&keys(secrets)?, id, timestamp, body)
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// See whether a message was signed with one of these secrets, `now` seconds after 1970. Says why not.
#[pyfunction]
pub(crate) fn verify(
    secrets: Vec<String>,
    id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: i64,
    tolerance: u64,
) -> PyResult<Option<String>> {
    let headers = webhooks::Headers { id, timestamp, signature };
    Ok(webhooks::verify(&keys(secrets)?, &headers, body, now, tolerance).err().map(|error| error.to_string()))
}

fn keys(secrets: Vec<String>) -> PyResult<Vec<Key>> {
    let key = |secret: String| secret.parse().map_err(PyValueError::new_err::<&'static str>);
    secrets.into_iter().map(key).collect()
}

/// Deliver a message to all of these at once, and wait for what becomes of it; or queue it.
#[pyfunction]
#[pyo3(signature = (connectors, payload: "Any", wait))]
pub(crate) fn deliver<'py>(
    py: Python<'py>,
    connectors: Vec<Py<Connector>>,
    payload: Payload<'py>,
    wait: bool,
) -> PyResult<Vec<Dict<'py>>> {
    process::arm(py);
    let event = payload.encode()?;
    let handles = wait::handles(py, connectors)?;
    let deliveries = if wait {
        wait::interruptibly(py, move || now(&handles, &event))?
            .map_err(|error| errors::exception(py, &error))?
    } else if handles.iter().any(|handle| handle.core().would_block()) {
        py.detach(|| queue(&handles, &event))
    } else {
        queue(&handles, &event)
    };
    deliveries.iter().map(|delivery| report::delivery(py, delivery)).collect()
}

/// All at once: the slowest says how long it takes.
fn now(handles: &[Arc<Handle>], event: &Event) -> Result<Vec<Delivery>, Error> {
    let each = |handle: &Arc<Handle>| {
        let started = handle.core().start_delivery(event.clone(), None);
        let (name, id) = (handle.core().name().to_owned(), event.id());
        async move {
            match started {
                Ok(delivery) => delivery.await,
                Err(rejected) => not_taken(&name, id, rejected),
            }
        }
    };
    runtime::wait(join_all(handles.iter().map(each).collect::<Vec<_>>()))
}

fn queue(handles: &[Arc<Handle>], event: &Event) -> Vec<Delivery> {
    let each = |handle: &Arc<Handle>| {
        let core = handle.core();
        core.queue_delivery(event.clone())
            .unwrap_or_else(|rejected| not_taken(core.name(), event.id(), rejected))
    };
    handles.iter().map(each).collect()
}

/// A delivery that did not begin.
fn not_taken(destination: &str, id: EventId, rejected: Rejected) -> Delivery {
    let (code, why, hint) = match rejected {
        Rejected::Full => ("delivery.full", "its queue is full", "see whether the receiver keeps up"),
        Rejected::Closed => ("delivery.closed", "it was closed", "make a new one"),
    };
    Delivery::rejected(id.to_string(), destination, code, format!("{destination}: not sent, {why}"), hint)
}
