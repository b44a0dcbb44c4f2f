//! Changes of state, on their way to `logging` and to callbacks.
//!
//! The engine's threads only put them down here. A short-lived Python thread tells them, one after
//! the other: a callback may be slow, and no Rust frame lies below it when the interpreter ends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nethical::delivery::{Change, Delivery, DeliveryObserver, Notice, Observer};
use nethical::fork::PerProcess;
use pyo3::prelude::*;

use crate::report;
use crate::shapes::Dict;

/// What there is to tell.
pub(crate) struct Told {
    destination: String,
    kind: &'static str,
    message: String,
    hint: Option<String>,
}

/// A delivery and the function that is to know of it.
type Ended = (Arc<Py<PyAny>>, Delivery);

#[derive(Default)]
struct Inbox {
    told: VecDeque<Told>,
    ended: VecDeque<Ended>,
    /// A thread is at it.
    in_hand: bool,
}

/// More than this are not kept for a callback that hangs.
const KEPT: usize = 1_000;

static INBOX: PerProcess<Mutex<Inbox>> = PerProcess::new();

fn inbox() -> MutexGuard<'static, Inbox> {
    INBOX.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the engine tells changes to.
pub(crate) fn observer() -> Observer {
    Arc::new(|notice: &Notice| tell(Told::from(notice)))
}

/// Have warnings that are about no change of a destination's state told as well.
pub(crate) fn hear_warnings() {
    nethical::hear_warnings(|message, hint| {
        tell(Told {
            destination: String::new(),
            kind: "warning",
            message: message.to_owned(),
            hint: hint.map(str::to_owned),
        });
    });
}

impl From<&Notice> for Told {
    fn from(notice: &Notice) -> Self {
        let kind = match notice.change {
            Change::Down(_) => "down",
            Change::Up => "up",
            Change::Dropping { .. } => "dropping",
            Change::DeadLetter(_) => "dead_letter",
            Change::AtRisk { .. } => "at_risk",
            _ => "changed",
        };
        Self {
            destination: notice.destination.to_string(),
            kind,
            message: notice.to_string(),
            hint: notice.hint().map(str::to_owned),
        }
    }
}

/// Say that an entry came after the close.
pub(crate) fn late_entry() {
    tell(Told {
        destination: "aggregator".to_owned(),
        kind: "closed",
        message: "an entry was logged after close_all(), and was not taken".to_owned(),
        hint: Some("close an aggregator only when nothing logs any more".to_owned()),
    });
}

/// Who has `function` called with each queued delivery that came to its end.
pub(crate) fn delivery_observer(function: Py<PyAny>) -> DeliveryObserver {
    let function = Arc::new(function);
    Arc::new(move |delivery: &Delivery| {
        put_down(|inbox| push(&mut inbox.ended, (Arc::clone(&function), delivery.clone())));
    })
}

fn tell(told: Told) {
    put_down(|inbox| push(&mut inbox.told, told));
}

fn push<T>(list: &mut VecDeque<T>, item: T) {
    list.push_back(item);
    if list.len() > KEPT {
        list.pop_front();
    }
}

fn put_down(put: impl FnOnce(&mut Inbox)) {
    let start = {
        let mut inbox = inbox();
        put(&mut inbox);
        !std::mem::replace(&mut inbox.in_hand, true)
    };
    if start && !start_telling() {
        inbox().in_hand = false;
    }
}

/// Start the thread. `false`: the interpreter is at its end, which tells what is left by itself.
fn start_telling() -> bool {
    let started = Python::try_attach(|py| {
        let tell = py.import("nethical._events")?.getattr("tell_all")?;
        py.import("_thread")?.call_method1("start_new_thread", (tell, ())).map(drop)
    });
    matches!(started, Some(Ok(_)))
}

/// What there is to tell next.
#[derive(IntoPyObject)]
pub(crate) enum Next<'py> {
    /// A function, and the delivery that it is to know of.
    Delivery(Py<PyAny>, Dict<'py>),
    /// Destination, kind, message and hint of a change.
    Change(String, &'static str, String, Option<String>),
}

/// The next thing to tell; None at the end of them.
#[pyfunction]
pub(crate) fn next_notice(py: Python<'_>) -> PyResult<Option<Next<'_>>> {
    let (told, ended) = {
        let mut inbox = inbox();
        let told = inbox.told.pop_front();
        let ended = if told.is_none() { inbox.ended.pop_front() } else { None };
        inbox.in_hand = told.is_some() || ended.is_some();
        (told, ended)
    };
    Ok(match (told, ended) {
        (Some(told), _) => Some(Next::Change(told.destination, told.kind, told.message, told.hint)),
        (None, Some((function, delivery))) => {
            Some(Next::Delivery(function.clone_ref(py), report::delivery(py, &delivery)?))
        }
        (None, None) => None,
    })
}
