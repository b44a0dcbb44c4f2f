//! The receiving side of the demo's syslog: a real one, in this process.

use std::sync::Arc;

use nethical::delivery::{Settings, SpoolSettings};
use nethical::destinations::connect;
use nethical::destinations::syslog::{Framing, Protocol, SyslogConfig};
use nethical::{Connector, Error};
use nethical_receivers::syslog::{Message, Receiver, parse};

/// Takes syslog over TCP, counted, on a free port of this machine.
pub(super) struct Inbox {
    receiver: Receiver,
}

/// What came.
pub(super) struct Received {
    /// Messages that a strict reading of RFC 5424 took.
    pub(super) understood: u64,
    /// Messages that it did not take.
    pub(super) malformed: u64,
    /// The last one, as it came.
    pub(super) last: String,
}

impl Inbox {
    pub(super) fn open() -> Result<Self, Error> {
        let receiver = Receiver::tcp().map_err(|error| {
            Error::unavailable("demo.receiver", format!("cannot listen on this machine: {error}"))
        })?;
        Ok(Self { receiver })
    }

    /// A way to it. Nothing waits on disk, because nobody listens on this port after the demo.
    pub(super) fn connect(&self) -> Result<Connector, Error> {
        let address = self.receiver.address();
        let config = SyslogConfig {
            port: Some(address.port()),
            framing: Framing::Octet,
            ..SyslogConfig::new(address.ip().to_string(), Protocol::Tcp)
        };
        let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
        connect(Arc::new(config), "syslog", settings)
    }

    /// Where it listens, for people.
    pub(super) fn shown(&self) -> String {
        format!("{} (TCP), read back below", self.receiver.address())
    }

    /// Everything that came.
    pub(super) fn read(&self) -> Received {
        let messages = self.receiver.read_all();
        let is_understood = |bytes: &&Vec<u8>| parse(bytes).is_ok_and(|Message { is_5424, .. }| is_5424);
        let understood = messages.iter().filter(is_understood).count();
        Received {
            understood: understood as u64,
            malformed: (messages.len() - understood) as u64,
            last: messages
                .last()
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
                .unwrap_or_default(),
        }
    }
}
