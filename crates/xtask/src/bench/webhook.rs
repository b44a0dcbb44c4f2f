//! How fast webhooks are delivered.
//!
//! All post the same body to a receiver in this process that keeps nothing. The raw client writes bytes that it
//! made before and reads answers, on connections that stay open: what the receiver and the machine allow.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nethical::delivery::{Full, Policy, QueueLimits, Settings, SpoolSettings};
use nethical::destinations::http::HttpConfig;
use nethical::event::Message;
use nethical::webhooks::Webhook;
use nethical_receivers::http::HttpPeer;
use serde_json::json;

use super::{Contest, Contestant, Needs, Unit, ours, senders};
use crate::workspace::Workspace;

const PATIENCE: Duration = Duration::from_secs(120);

/// Connections of the raw client, each with a thread of its own.
const CONNECTIONS: u64 = 16;

pub(super) fn contest(workspace: &Workspace) -> Contest {
    let (disk, waiting) = (workspace.bench().join("webhook-disk"), workspace.bench().join("webhook-now"));
    let mut contestants = vec![
        Contestant::new("nethical, on disk", move |messages| queued(Some(&disk), messages)),
        Contestant::new("nethical, in memory", |messages| queued(None, messages)),
        Contestant::new("nethical, one by one, each waited for", move |messages| {
            waited_for(&waiting, messages)
        }),
        Contestant::new("raw client, 16 connections", |messages| raw(CONNECTIONS, messages)),
        Contestant::new("raw client, 1 connection", |messages| raw(1, messages)),
    ];
    contestants.extend(senders::contestants(workspace));
    Contest {
        name: "webhook",
        about: "messages to a web receiver in this process, until the last is confirmed",
        unit: Unit::PerSecond("delivery"),
        size: 20_000,
        quick: 200,
        needs: Needs::Nothing,
        contestants,
    }
}

fn message(number: u64) -> Message {
    Message::new(
        "model_deployed",
        json!({ "model_id": "model_123", "version": "1.0.0", "accuracy": 0.95, "n": number }),
    )
}

/// A receiver that counts and keeps nothing.
pub(super) fn receiver() -> Result<HttpPeer> {
    let peer = HttpPeer::start().context("no receiver")?;
    peer.keep_none();
    Ok(peer)
}

fn open(peer: &HttpPeer, home: Option<&Path>, messages: u64) -> Result<Webhook> {
    let spool = match home {
        Some(home) => SpoolSettings { home: Some(home.to_owned()), ..SpoolSettings::default() },
        None => SpoolSettings::off(),
    };
    let max_events = usize::try_from(messages)? + 1;
    let queue = QueueLimits { max_events, max_bytes: usize::MAX, full: Full::DropNewest };
    let config = HttpConfig::new(peer.url().parse().map_err(anyhow::Error::msg)?);
    Ok(Webhook::open("bench", Arc::new(config), Settings { spool, queue, ..Settings::default() })?)
}

fn queued(folder: Option<&PathBuf>, messages: u64) -> Result<Duration> {
    let home = folder.map(|folder| ours::folder(folder)).transpose()?;
    let peer = receiver()?;
    let hook = open(&peer, home.as_ref().map(tempfile::TempDir::path), messages)?;
    let start = Instant::now();
    for number in 0..messages {
        hook.queue(&message(number));
    }
    ensure!(hook.connector().flush(PATIENCE), "the messages were not delivered in time");
    let took = start.elapsed();
    let confirmed = hook.connector().status()?.ledger.confirmed;
    ensure!(confirmed == messages && peer.count() == messages, "{confirmed} of {messages} were confirmed");
    Ok(took)
}

fn waited_for(folder: &Path, messages: u64) -> Result<Duration> {
    let home = ours::folder(folder)?;
    let peer = receiver()?;
    let hook = open(&peer, Some(home.path()), messages)?
        .with_policy(Policy { max_attempts: 1, ..Policy::default() });
    let start = Instant::now();
    for number in 0..messages {
        ensure!(hook.dispatch(&message(number)).is_success(), "a message was not delivered");
    }
    Ok(start.elapsed())
}

fn raw(connections: u64, messages: u64) -> Result<Duration> {
    let peer = receiver()?;
    let address = peer.address();
    let start = Instant::now();
    let threads: Vec<_> = (0..connections)
        .map(|number| {
            let share = messages / connections + u64::from(number < messages % connections);
            std::thread::spawn(move || post(address, share))
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a thread of the raw client panicked"))??;
    }
    let took = start.elapsed();
    ensure!(peer.count() == messages, "{} of {messages} arrived", peer.count());
    Ok(took)
}

/// The same request over and over on one connection, with the headers that ours has.
fn post(address: SocketAddr, requests: u64) -> Result<()> {
    let event = message(0).encode().event;
    let body = event.json();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nuser-agent: raw\r\ncontent-type: application/json\r\n\
         webhook-id: {}\r\nwebhook-timestamp: 1700000000\r\ncontent-length: {}\r\n\r\n",
        event.id(),
        body.len()
    );
    let request = [head.as_bytes(), body].concat();
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answer = [0; 1024];
    for _ in 0..requests {
        stream.write_all(&request)?;
        let mut length = 0;
        // The answer has no body, so it ends with its head.
        while !answer.get(..length).unwrap_or_default().ends_with(b"\r\n\r\n") {
            let more = stream.read(answer.get_mut(length..).unwrap_or_default())?;
            ensure!(more > 0, "the receiver went away");
            length += more;
        }
        ensure!(answer.starts_with(b"HTTP/1.1 200"), "the receiver did not take a request");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_comes_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        for mut contestant in contest(&Workspace::at(folder.path())).contestants {
            (contestant.body)(20).unwrap();
        }
    }
}
