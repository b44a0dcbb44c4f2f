//! `webhook_waiting COUNT`: how much memory the process takes while so many messages wait on disk for a receiver that
//! is down.

#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical::delivery::{Settings, SpoolSettings};
use nethical::destinations::http::HttpConfig;
use nethical::event::Message;
use nethical::webhooks::Webhook;

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args().nth(1).ok_or("how many?")?.parse()?;
    let home = tempfile::tempdir()?;
    let spool = SpoolSettings { home: Some(home.path().to_owned()), ..SpoolSettings::default() };
    let config = HttpConfig::new("http://127.0.0.1:9/down".parse()?);
    let hook = Webhook::open("waiting", Arc::new(config), Settings { spool, ..Settings::default() })?;
    let before = resident()?;
    let started = Instant::now();
    for number in 0..count {
        let data = serde_json::json!({ "title": format!("alert {number}"), "severity": "warning", "number": number });
        hook.queue(&Message::new("counted", data));
    }
    let took = started.elapsed();
    nethical::delivery::sync(Duration::from_secs(60));
    std::thread::sleep(Duration::from_secs(5));
    let waiting = hook.connector().status()?.ledger.waiting;
    let each = took.as_secs_f64() * 1e6 / count as f64;
    println!("{waiting} waiting: {} MiB, {before} MiB before; {each:.1} us for each call", resident()?);
    Ok(())
}

/// MiB of this process in memory.
fn resident() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? / 1024)
}
