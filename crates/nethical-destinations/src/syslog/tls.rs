//! TLS as bytes in and bytes out (RFC 5425).

use std::io::Write;
use std::time::Duration;

use nethical_core::delivery::Error;
use rustls::ClientConnection;

use super::config::SyslogConfig;
use super::errors;
use super::stream::Broken;
use crate::support::tls::{Asked, ClientFiles, client_config, listening, server_name};

/// A TLS client before, in and after its handshake.
pub(super) struct Tls {
    connection: ClientConnection,
    asked: Asked,
}

impl Tls {
    /// How long a receiver that asked for a certificate is given after the handshake to say that it does not
    /// like ours, or wants one. Most say something at once; what is sent to one that then hangs up is lost.
    pub(super) const SECOND_THOUGHTS: Duration = Duration::from_secs(1);

    /// How long it is given once it has said something: a program that looks at certificates itself hangs up
    /// when its library has sent a session ticket.
    pub(super) const THIRD_THOUGHTS: Duration = Duration::from_millis(100);

    /// How long it is given instead when it has once refused us later than that: whoever ends a connection
    /// earlier than this does not like who we are.
    pub(super) const LAST_THOUGHTS: Duration = Duration::from_secs(10);

    /// A client with what is in the files of the options now: they may have been renewed.
    pub(super) fn new(config: &SyslogConfig) -> Result<Self, Error> {
        let files = ClientFiles {
            ca_file: config.ca_file.as_deref(),
            client_cert: config.client_cert.as_deref(),
            client_key: config.client_key.as_deref(),
        };
        let client = client_config(&files).map_err(|fault| match fault.file {
            Some((option, path)) => errors::bad_file(option, &path, &fault.message),
            None => errors::bad_tls("cannot set up TLS", &fault.message),
        })?;
        let name = config.server_name.as_deref().unwrap_or(&config.host).trim();
        let name = server_name(name)
            .map_err(|error| errors::bad_tls(&format!("{name} can stand in no certificate"), &error))?;
        let (client, asked) = listening(&client);
        let connection = ClientConnection::new(client, name)
            .map_err(|error| errors::bad_tls("cannot set up TLS", &error))?;
        Ok(Self { connection, asked })
    }

    /// Whether the receiver asked who we are: then it has something to say after the handshake.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.was()
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// The version, for people.
    pub(super) fn version(&self) -> &'static str {
        match self.connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        }
    }

    /// What must be sent by itself: the handshake, alerts.
    pub(super) fn outgoing(&mut self) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut bytes)?;
        }
        Ok(bytes)
    }

    /// These bytes, encrypted.
    pub(super) fn encrypt(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
        self.connection.set_buffer_limit(None);
        self.connection.writer().write_all(bytes)?;
        self.outgoing()
    }

    /// Bytes from the receiver.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        while !bytes.is_empty() {
            if self.connection.read_tls(&mut bytes)? == 0 {
                return Err(Broken::Closed);
            }
            let state = self.connection.process_new_packets().map_err(Broken::Tls)?;
            let mut unwanted = self.connection.reader();
            let _ = std::io::copy(
                &mut std::io::Read::take(&mut unwanted, state.plaintext_bytes_to_read() as u64),
                &mut std::io::sink(),
            );
            if state.peer_has_closed() {
                return Err(Broken::Closed);
            }
        }
        Ok(())
    }

    /// Have `close_notify` sent: rsyslog logs an error without it.
    pub(super) fn say_goodbye(&mut self) {
        self.connection.send_close_notify();
    }
}
