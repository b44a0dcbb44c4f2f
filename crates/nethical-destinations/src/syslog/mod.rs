//! Syslog over UDP, TCP, TLS or a unix socket (RFC 5424, 3164, 5425, 5426, 6587).

mod choice;
mod config;
mod errors;
mod link;
mod probe;
mod resolve;
mod stream;
mod tls;
mod udp;
mod unacknowledged;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use nethical_core::delivery::{Batch, Destination, Error, Profile, Receipt, ReceiptKind};
use nethical_core::event::Family;
use tokio::sync::Mutex;

pub use self::choice::{Facility, Framing, Protocol, Rfc};
pub use self::config::SyslogConfig;
use self::errors::Target;
use self::link::Link;
use self::wire::Formatter;
use crate::support::options::{Options, OptionsError};
use crate::{Descriptor, Validated};

/// Syslog over UDP, TCP, TLS or a unix socket.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "syslog",
    families: &[Family::Logs, Family::Alerts],
    summary: "Send to a syslog receiver over UDP, TCP, TLS or a unix socket",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(SyslogConfig),
    parse,
};

fn parse(options: &Options) -> Result<Arc<dyn Validated>, OptionsError> {
    let config: SyslogConfig = options.read()?;
    match config.fault() {
        Some(fault) => Err(options.error_at(fault.key, fault.message).with_hint(fault.hint)),
        None => Ok(Arc::new(config.absolute())),
    }
}

impl Validated for SyslogConfig {
    fn identity(&self) -> Option<String> {
        Some(match self.protocol {
            Protocol::Unix => format!("unix:{}", self.path().display()),
            protocol => format!("{}:{}:{}", protocol.as_str(), self.host, self.port()),
        })
    }

    /// Reads the files of certificates; nothing is sent, and no name is resolved.
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        if let Some(fault) = self.fault() {
            return Err(errors::config(&fault));
        }
        if self.protocol == Protocol::Tls {
            tls::Tls::new(self)?;
        }
        Ok(Arc::new(Syslog::new(self.clone())))
    }
}

struct Syslog {
    target: Target,
    formatter: Formatter,
    config: SyslogConfig,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    link: Option<Link>,
    /// Whether the receiver took messages and refused us only then: the next link is given more time for that,
    /// which the one that is kept has stood.
    is_wary: bool,
}

impl Syslog {
    fn new(config: SyslogConfig) -> Self {
        let (target, formatter) = (Target::new(&config), config.formatter());
        Self { target, formatter, config, line: Mutex::default() }
    }

    /// The link that is open and alive, or a new one.
    async fn connected(&self, line: &mut Line) -> Result<Link, Error> {
        if let Some(mut link) = line.link.take() {
            let alive = link.is_alive(&self.target);
            line.is_wary = alive.is_err();
            if alive? {
                return Ok(link);
            }
        }
        Link::open(&self.config, line.is_wary, &self.target).await
    }
}

#[async_trait]
impl Destination for Syslog {
    /// A repeat is a second message with the same `id`; it happens when a connection breaks with bytes on it
    /// that the receiver's system has not acknowledged.
    fn profile(&self) -> Profile {
        Profile {
            max_events: 4_096,
            max_bytes: 4 << 20,
            repeat_safe: true,
            receipt: ReceiptKind::Sent,
            log_entries: true,
            ..Profile::default()
        }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        let mut line = self.line.lock().await;
        let mut link = self.connected(&mut line).await?;
        let datagrams = Formatter { framing: wire::Framing::Datagram, ..self.formatter.clone() };
        let formatter = if link.is_datagram() { &datagrams } else { &self.formatter };
        let frames = formatter.frames(batch);
        let receipt = link.send(&frames, &self.target).await;
        line.is_wary |= link.was_refused();
        if receipt.as_ref().is_ok_and(|receipt| receipt.unfinished.is_none()) {
            line.link = Some(link);
        }
        receipt
    }

    async fn probe(&self) -> Result<String, Error> {
        probe::probe(&self.config, &self.formatter, &self.target).await
    }

    async fn close(&self) {
        if let Some(link) = self.line.lock().await.link.take() {
            link.close().await;
        }
    }
}
