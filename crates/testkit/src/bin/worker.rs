//! `worker HOME KEY DELIVERED`: a process that tests start, speak to and kill.
//!
//! It opens the destination `KEY`, which is down at first and appends what it gets to the file DELIVERED. Each
//! line on standard input is an order: `up`, `down`, `send FROM TO`, `flush MILLISECONDS`, `adopt`, `status`; each
//! is answered by one line: `ok`, `no`, or the accounts as JSON. In the environment, `WORKER_FULL` chooses what
//! gives way when the disk is full (`oldest`, `newest`, `block`).

use std::fs::OpenOptions;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nethical_core::delivery::{
    Batch, Connector, Destination, Error, Profile, Receipt, Schedule, Settings, SpoolSettings,
};
use nethical_core::event::{Level, LogEntry, Rules};
use nethical_core::spool::{Full, Options};

struct File {
    path: PathBuf,
    up: Arc<AtomicBool>,
}

#[async_trait]
impl Destination for File {
    fn profile(&self) -> Profile {
        let retry = Schedule { first: Duration::from_millis(1), cap: Duration::from_millis(20) };
        Profile { max_events: 100, repeat_safe: true, retry, ..Profile::default() }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        if !self.up.load(Ordering::Acquire) {
            return Err(Error::unavailable("worker.down", "not now"));
        }
        let mut lines = String::new();
        for event in batch.iter() {
            let view = event.log().map_err(|error| Error::refused("worker.event", error.to_string()))?;
            lines.push_str(view.message.split(' ').next().unwrap_or_default());
            lines.push('\n');
        }
        let file = OpenOptions::new().create(true).append(true).open(&self.path);
        let written = file.and_then(|mut file| file.write_all(lines.as_bytes()));
        written.map_err(|error| Error::unavailable("worker.file", error.to_string()))?;
        Ok(Receipt::all())
    }

    async fn probe(&self) -> Result<String, Error> {
        Ok("well".to_owned())
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [home, key, delivered] = arguments.as_slice() else { return ExitCode::from(2) };
    let up = Arc::new(AtomicBool::new(false));
    match open(Path::new(home), key, delivered.into(), &up) {
        Ok(connector) => obey(&connector, &up),
        Err(error) => {
            anstream::eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn open(home: &Path, key: &str, path: PathBuf, up: &Arc<AtomicBool>) -> Result<Connector, Error> {
    let full = match std::env::var("WORKER_FULL").as_deref() {
        Ok("newest") => Full::DropNewest,
        Ok("block") => Full::Block(Duration::from_secs(30)),
        _ => Full::DropOldest,
    };
    let options = Options {
        full,
        segment_bytes: 128 * 1024,
        buffer_bytes: 256 * 1024,
        buffer_wait: Duration::from_secs(5),
        ..Options::default()
    };
    let spool =
        SpoolSettings { enabled: Some(true), home: Some(home.into()), options, ..SpoolSettings::default() };
    let settings = Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() };
    let up = Arc::clone(up);
    Connector::open(key, settings, move || Ok(Arc::new(File { path: path.clone(), up: Arc::clone(&up) })))
}

fn obey(connector: &Connector, up: &AtomicBool) -> ExitCode {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        let done = match words.as_slice() {
            ["up"] => {
                up.store(true, Ordering::Release);
                Some(true)
            }
            ["down"] => {
                up.store(false, Ordering::Release);
                Some(true)
            }
            ["send", from, to] => send(connector, from, to),
            ["flush", patience] => {
                patience.parse().ok().map(|patience| connector.flush(Duration::from_millis(patience)))
            }
            ["adopt"] => {
                nethical_core::delivery::adopt();
                Some(true)
            }
            _ => None,
        };
        let answer = match done {
            Some(done) => if done { "ok" } else { "no" }.to_owned(),
            None => ledger(connector),
        };
        anstream::println!("{answer}");
    }
    ExitCode::SUCCESS
}

fn send(connector: &Connector, from: &str, to: &str) -> Option<bool> {
    let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
    let filler = "x".repeat(250);
    let event = |number| LogEntry::new(Level::Info, format!("{number} {filler}"), "worker");
    let send = |number| connector.send(event(number).encode(&Rules::default()).event).is_ok();
    Some((from..to).filter(|number| !send(*number)).count() == 0)
}

fn ledger(connector: &Connector) -> String {
    let ledger = connector.status().ok().and_then(|status| serde_json::to_string(&status.ledger).ok());
    ledger.unwrap_or_else(|| "no".to_owned())
}
