//! Changes of state, on their way to `logging` and to callbacks.
//!
//! The engine's threads only put them down here. A short-lived Python thread tells them, one after
//! the other: a callback may be slow, and no Rust frame lies below it when the interpreter ends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nethical::delivery::{Change, Notice, Observer};
use nethical::fork::PerProcess;
use pyo3::prelude::*;

/// What there is to tell.
pub(crate) struct Told {
    destination: String,
    kind: &'static str,
    message: String,
    hint: Option<String>,
}

#[derive(Default)]
struct Inbox {
    told: VecDeque<Told>,
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

impl From<&Notice> for Told {
    fn from(notice: &Notice) -> Self {
        let kind = match notice.change {
            Change::Down(_) => "down",
            Change::Up => "up",
            Change::Dropping { .. } => "dropping",
            Change::DeadLetter(_) => "dead_letter",
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

fn tell(told: Told) {
    let start = {
        let mut inbox = inbox();
        inbox.told.push_back(told);
        if inbox.told.len() > KEPT {
            inbox.told.pop_front();
        }
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

/// The next thing to tell: destination, kind, message and hint; None at the end of them.
#[pyfunction]
pub(crate) fn next_notice() -> Option<(String, &'static str, String, Option<String>)> {
    let mut inbox = inbox();
    let told = inbox.told.pop_front();
    inbox.in_hand = told.is_some();
    told.map(|told| (told.destination, told.kind, told.message, told.hint))
}
