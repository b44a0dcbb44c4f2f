//! The process that is killed.
//!
//! It numbers its events, tells its parent on standard output what it did (`a N`: accepted up to and
//! with N, `p N`: promised, `l JSON`: its accounts), and delivers to a file, in a way that often fails.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nethical_core::delivery::{
    Batch, Connector, Destination, Error, Profile, Receipt, Refusal, Schedule, Settings, SpoolSettings,
    Unfinished,
};
use nethical_core::event::{Event, Level, LogEntry, Rules};
use nethical_core::spool::{Durability, Options};

/// Appends the numbers of events to a file; refuses some, and fails now and then.
struct Flaky {
    delivered: PathBuf,
    attempts: AtomicU64,
}

fn number(event: &Event) -> Option<u64> {
    event.log().ok()?.message.parse().ok()
}

#[async_trait]
impl Destination for Flaky {
    fn profile(&self) -> Profile {
        let retry = Schedule { first: Duration::from_millis(1), cap: Duration::from_millis(5) };
        Profile { max_events: 64, repeat_safe: true, retry, ..Profile::default() }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        if attempt % 7 == 3 {
            return Err(Error::unavailable("soak.down", "not now"));
        }
        let taken = if attempt % 5 == 2 { batch.len() / 2 } else { batch.len() };
        let mut receipt = Receipt::all();
        let mut lines = Vec::new();
        for (index, event) in batch.iter().enumerate().take(taken) {
            match number(event) {
                Some(number) if number % 1_000 == 7 => {
                    receipt
                        .refused
                        .push(Refusal { index, error: Error::refused("soak.refused", "not this one") });
                }
                Some(number) => lines.extend_from_slice(format!("{number}\n").as_bytes()),
                None => return Err(Error::refused("soak.unreadable", "not one of ours")),
            }
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.delivered);
        let written = file.as_mut().is_ok_and(|file| file.write_all(&lines).is_ok());
        if !written {
            return Err(Error::unavailable("soak.file", "cannot write"));
        }
        if taken < batch.len() {
            let indices = (taken..batch.len()).collect();
            receipt.unfinished =
                Some(Unfinished { indices, error: Error::unavailable("soak.half", "half of it") });
        }
        Ok(receipt)
    }

    async fn probe(&self) -> Result<String, Error> {
        Ok("well".to_owned())
    }
}

/// `child HOME DELIVERED MODE FIRST`: accept from number FIRST on until killed; with FIRST `drain`, deliver
/// what is left and end.
pub fn main(arguments: &[String]) -> ExitCode {
    let [home, delivered, mode, first] = arguments else { return ExitCode::from(2) };
    let durability = match mode.as_str() {
        "none" => Durability::None,
        "every" => Durability::Every,
        _ => Durability::Interval,
    };
    // Small segments, so that kills meet every step of a segment's life.
    let options = Options { durability, segment_bytes: 64 * 1024, ..Options::default() };
    let spool =
        SpoolSettings { enabled: Some(true), home: Some(home.into()), options, ..SpoolSettings::default() };
    let settings = Settings { spool, batch_size: 20, observer: Arc::new(|_| {}), ..Settings::default() };
    let delivered = PathBuf::from(delivered);
    let open = move || {
        let flaky = Flaky { delivered: delivered.clone(), attempts: AtomicU64::new(0) };
        Ok(Arc::new(flaky) as Arc<dyn Destination>)
    };
    let Ok(connector) = Connector::open("soak", settings, open) else { return ExitCode::FAILURE };
    nethical_core::delivery::adopt();
    let done = match first.parse() {
        Ok(first) => accept(&connector, first, durability),
        Err(_) => drain(&connector),
    };
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}

fn tell_ledger(connector: &Connector) -> io::Result<()> {
    let ledger = connector.status().map_err(io::Error::other)?.ledger;
    tell(&format!("l {}\n", serde_json::to_string(&ledger)?))
}

fn accept(connector: &Connector, first: u64, durability: Durability) -> io::Result<()> {
    tell_ledger(connector)?;
    for number in first.. {
        let event = LogEntry::new(Level::Info, number.to_string(), "soak").encode(&Rules::default()).event;
        if connector.send(event).is_err() {
            continue;
        }
        if durability == Durability::Every {
            tell(&format!("p {number}\n"))?;
        } else if number % 200 == 0 {
            connector.flush(Duration::from_millis(20));
            tell(&format!("p {number}\n"))?;
        } else {
            tell(&format!("a {number}\n"))?;
        }
    }
    Ok(())
}

fn drain(connector: &Connector) -> io::Result<()> {
    connector.flush(Duration::from_secs(60));
    tell_ledger(connector)
}
