//! Syslog over every kind of way, against a receiver in this process.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod check;
mod ends;
mod late;
mod ways;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::{Connector, Settings, SpoolSettings};
use nethical_core::event::Event;
use nethical_destinations::connect;
use nethical_destinations::syslog::{Protocol, SyslogConfig};
use nethical_receivers::syslog::tls::{Authority, Identity};
use nethical_receivers::syslog::{Message, parse};
use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn open(config: SyslogConfig) -> Connector {
    let settings = Settings {
        observer: Arc::new(|_| {}),
        spool: SpoolSettings::off(),
        batch_age: Duration::from_millis(20),
        ..Settings::default()
    };
    connect(Arc::new(config), "syslog", settings).unwrap()
}

/// To this port of this machine.
pub fn config(protocol: Protocol, port: u16) -> SyslogConfig {
    SyslogConfig { port: Some(port), ..SyslogConfig::new("localhost", protocol) }
}

pub fn send(connector: &Connector, events: &[Event]) {
    for event in events {
        connector.send(event.clone()).unwrap();
    }
}

pub fn read(messages: &[Vec<u8>]) -> Vec<Message> {
    let read = |message: &Vec<u8>| {
        parse(message).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(message)))
    };
    messages.iter().map(read).collect()
}

pub fn texts(messages: &[Vec<u8>]) -> Vec<String> {
    let text = |message: Message| message.text.split(" {").next().unwrap().to_owned();
    read(messages).into_iter().map(text).collect()
}

pub fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Certificates and keys in a folder.
pub struct Files {
    folder: TempDir,
    pub authority: Authority,
}

impl Files {
    pub fn create() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new().unwrap() };
        std::fs::write(files.path("ca.pem"), files.authority.certificate()).unwrap();
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn identity(&self, name: &str) -> Identity {
        self.authority.identity(&[name]).unwrap()
    }

    pub fn config(&self, port: u16) -> SyslogConfig {
        SyslogConfig { ca_file: Some(self.path("ca.pem")), ..config(Protocol::Tls, port) }
    }

    pub fn with_client(&self, port: u16, identity: &Identity) -> SyslogConfig {
        std::fs::write(self.path("client.pem"), &identity.certificate).unwrap();
        std::fs::write(self.path("client.key"), &identity.key).unwrap();
        SyslogConfig {
            client_cert: Some(self.path("client.pem")),
            client_key: Some(self.path("client.key")),
            ..self.config(port)
        }
    }
}
