//! Opening and asking destinations, all at the same time.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nethical::config::{Configured, Section};
use nethical::delivery::{Error, Policy, Settings, SpoolSettings};
use nethical::event::Message;
use nethical::{Config, Connector};
use serde_json::json;

use super::finding::{Failed, Finding};
use super::waiting::Waiting;

/// What became of the destination with this number, after how long.
type Told = (usize, Result<String, Failed>, Duration);

/// Open and probe all destinations. Who gives no answer in time has failed.
pub(super) fn reach(config: &Arc<Config>, send: bool, patience: Duration) -> Vec<Finding> {
    let started = Instant::now();
    let (tell, told) = mpsc::channel();
    let destinations = config.destinations();
    let mut found: Vec<Option<(Result<String, Failed>, Duration)>> = Vec::new();
    for number in 0..destinations.len() {
        let failed = start(config, number, send, &tell).err();
        found.push(failed.map(|error| (Err(error.into()), Duration::ZERO)));
    }
    drop(tell);
    let waiting = Waiting::begin();
    while found.iter().any(Option::is_none) {
        let missing = destinations.iter().zip(&found).filter(|(_, found)| found.is_none());
        waiting.shows(missing.map(|(destination, _)| destination.name()));
        match next(&told, started + patience) {
            Ok((number, result, took)) => {
                if let Some(place) = found.get_mut(number) {
                    *place = Some((result, took));
                }
            }
            Err(end) => {
                for one in &mut found {
                    one.get_or_insert_with(|| (Err(unanswered(end, patience).into()), started.elapsed()));
                }
            }
        }
    }
    let all = destinations.iter().zip(found.into_iter().flatten());
    all.map(|(destination, (found, took))| Finding::of(destination, found, took)).collect()
}

/// Look at one destination on a thread of its own, which nobody waits for if it takes too long.
fn start(config: &Arc<Config>, number: usize, send: bool, tell: &Sender<Told>) -> Result<(), Error> {
    let (config, tell) = (Arc::clone(config), tell.clone());
    let look = move || {
        let started = Instant::now();
        if let Some(destination) = config.destinations().get(number) {
            // That nobody waits any more concerns nobody.
            let _ = tell.send((number, probe(destination, send), started.elapsed()));
        }
    };
    let thread = thread::Builder::new().name("check".to_owned()).spawn(look);
    thread
        .map(drop)
        .map_err(|error| Error::unavailable("check.thread", format!("cannot start a thread: {error}")))
}

fn next(told: &Receiver<Told>, deadline: Instant) -> Result<Told, RecvTimeoutError> {
    told.recv_timeout(deadline.saturating_duration_since(Instant::now()))
}

fn unanswered(end: RecvTimeoutError, patience: Duration) -> Error {
    match end {
        RecvTimeoutError::Disconnected => Error::unavailable("check.panicked", "the check itself failed"),
        RecvTimeoutError::Timeout => {
            let text = format!("no answer within {} s", patience.as_secs_f64());
            Error::unavailable("check.timeout", text).with_hint(
                "see whether it is well and whether something on the way drops packets; `--timeout SECONDS` waits longer",
            )
        }
    }
}

fn probe(destination: &Configured, send: bool) -> Result<String, Failed> {
    // What waits for it on disk is not delivered by a look.
    let connector = destination.connect(&|settings| Settings { spool: SpoolSettings::off(), ..settings })?;
    let tries = send && destination.section() == Section::Alerts;
    let found = if tries { try_out(&connector) } else { connector.probe() };
    found.map_err(Failed::at_work)
}

/// Have a webhook take a message, once.
fn try_out(connector: &Connector) -> Result<String, Error> {
    let text = "This is a test of `nethical check --send`.";
    let message = Message::new("nethical_check", json!({ "message": text }));
    let once = Policy { max_attempts: 1, ..Policy::default() };
    let failed = |why: String, hint: Option<&str>| {
        let error = Error::unavailable("check.not_taken", why);
        hint.into_iter().fold(error, |error, hint| error.with_hint(hint))
    };
    let delivery = connector
        .deliver_now(message.encode().event, Some(once))
        .map_err(|_| failed("cannot be opened".to_owned(), None))?;
    let address = delivery.url.clone().unwrap_or_default();
    match delivery.error_message {
        None => Ok(format!("{address} took a message")),
        Some(why) => Err(failed(why, delivery.hint.as_deref())),
    }
}
