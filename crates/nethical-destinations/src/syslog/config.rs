use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::choice::{Facility, Framing, Protocol, Rfc};
use super::wire::{self, Formatter};

/// Options of `syslog`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SyslogConfig {
    /// The receiver's name or address.
    pub host: String,
    /// The receiver's port. Without it 6514 for TLS, 514 otherwise.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// What kind of program logs: 0 to 23, or a name such as `local0`.
    pub facility: Facility,
    /// How messages travel: `UDP`, `TCP`, `TLS` or `UNIX`.
    pub protocol: Protocol,
    /// The socket of a receiver on this machine, with protocol `UNIX`. Without it `/dev/log`.
    pub path: Option<PathBuf>,
    /// How messages are written: 5424, 3164, `3164-iso` or `auto`.
    pub rfc: Rfc,
    /// Where a message ends in a stream: `octet`, `lf` or `auto`.
    pub framing: Framing,
    /// The name of the program. Without it the source of each entry.
    pub app_name: Option<String>,
    /// What stands for the process. Without it the number of the process.
    pub proc_id: Option<String>,
    /// The kind of message, in RFC 5424. Without it none.
    pub msg_id: Option<String>,
    /// The private enterprise number in the names of structured data (RFC 5424, section 7.2.2).
    pub enterprise_id: u32,
    /// Most bytes of a message. Without it 2048 for UDP, 8192 otherwise.
    #[schemars(range(min = 480, max = 1048576))]
    pub max_size: Option<usize>,
    /// Most datagrams in a second, so that the receiver's buffer does not overflow; 0: any number.
    pub datagrams_per_second: u32,
    /// Certificates of the authorities that are trusted with TLS, in PEM. Without it those of the system.
    pub ca_file: Option<PathBuf>,
    /// The certificate by which the receiver knows us, with those of its authorities, in PEM.
    pub client_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    pub client_key: Option<PathBuf>,
    /// The name that must stand in the receiver's certificate. Without it the host.
    pub server_name: Option<String>,
}

/// The receiver on this machine that every program may write to.
const DEV_LOG: &str = "/dev/log";

/// The number that RFC 5612 reserves for examples, and that nobody else's data can have.
const EXAMPLE_ENTERPRISE: u32 = 32473;

/// The largest datagram of UDP over IPv4.
const LARGEST_DATAGRAM: usize = 65_507;

impl Default for SyslogConfig {
    /// To UDP port 514 of this machine, facility `local0`.
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: None,
            facility: Facility::default(),
            protocol: Protocol::default(),
            path: None,
            rfc: Rfc::default(),
            framing: Framing::default(),
            app_name: None,
            proc_id: None,
            msg_id: None,
            enterprise_id: EXAMPLE_ENTERPRISE,
            max_size: None,
            datagrams_per_second: 20_000,
            ca_file: None,
            client_cert: None,
            client_key: None,
            server_name: None,
        }
    }
}

/// An option that does not do, or does not go with the others.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) key: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
}

impl SyslogConfig {
    /// Messages to this host, with everything else as usual for the protocol.
    pub fn new(host: impl Into<String>, protocol: Protocol) -> Self {
        Self { host: host.into(), protocol, ..Self::default() }
    }

    /// The port, or the usual one.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.protocol.usual_port())
    }

    /// The socket, or the usual one.
    pub fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or_else(|| Path::new(DEV_LOG))
    }

    /// The first option that does not do.
    pub(super) fn fault(&self) -> Option<Fault> {
        let fault = |key, message: &str, hint: &str| {
            Some(Fault { key, message: message.to_owned(), hint: hint.to_owned() })
        };
        let tls = self.protocol == Protocol::Tls;
        let largest = if self.protocol == Protocol::Udp { LARGEST_DATAGRAM } else { 1 << 20 };
        let only_tls = [
            ("ca_file", self.ca_file.is_some()),
            ("client_cert", self.client_cert.is_some()),
            ("client_key", self.client_key.is_some()),
            ("server_name", self.server_name.is_some()),
        ];
        if let Some((message, hint)) = host_fault(self.host.trim()) {
            return fault("host", &message, &hint);
        }
        if self.port == Some(0) {
            return fault("port", "port is 0", "use the receiver's port, usually 514, or 6514 with TLS");
        }
        if let Some((key, _)) = only_tls.iter().find(|(_, is_set)| *is_set && !tls) {
            return fault(
                key,
                &format!("{key} counts only with TLS"),
                "set `protocol = \"TLS\"`, or leave it out",
            );
        }
        if self.path.is_some() && self.protocol != Protocol::Unix {
            return fault(
                "path",
                "path counts only with a unix socket",
                "set `protocol = \"UNIX\"`, or leave it out",
            );
        }
        if self.client_cert.is_some() != self.client_key.is_some() {
            let key = if self.client_cert.is_some() { "client_cert" } else { "client_key" };
            return fault(key, "client_cert and client_key go together", "set both, or neither");
        }
        if self.framing != Framing::Auto && self.protocol == Protocol::Udp {
            return fault(
                "framing",
                "framing counts only for streams",
                "a datagram is one message: leave it out",
            );
        }
        if tls && self.framing == Framing::Lf {
            let hint = "RFC 5425 knows only `octet`: leave it out";
            return fault("framing", "TLS takes no line framing", hint);
        }
        let size = self.max_size.unwrap_or(480);
        if size < 480 || size > largest {
            let message = format!("max_size is {size}");
            return fault("max_size", &message, &format!("use 480 to {largest}"));
        }
        None
    }

    /// The same files, also after the program changes its folder.
    #[must_use]
    pub(super) fn absolute(mut self) -> Self {
        for path in [&mut self.path, &mut self.ca_file, &mut self.client_cert, &mut self.client_key] {
            *path = path.take().map(|path| std::path::absolute(&path).unwrap_or(path));
        }
        self
    }

    /// How messages are written.
    ///
    /// `auto`: TLS and the ports of octet counting (601 and 6514) get counted RFC 5424; UDP and TCP port 514
    /// what rsyslog itself forwards, RFC 3164 with an RFC 3339 timestamp; other TCP ports lines of RFC 5424;
    /// unix sockets RFC 3164 as the C library writes it.
    pub(super) fn formatter(&self) -> Formatter {
        let counted = self.protocol == Protocol::Tls
            || (self.protocol == Protocol::Tcp && matches!(self.port(), 601 | 6514));
        let framing = match (self.protocol, self.framing) {
            (Protocol::Udp, _) => wire::Framing::Datagram,
            (_, Framing::Octet) => wire::Framing::Octet,
            (_, Framing::Lf) => wire::Framing::Lf,
            (_, Framing::Auto) if counted => wire::Framing::Octet,
            (_, Framing::Auto) => wire::Framing::Lf,
        };
        let format = match (self.rfc, self.protocol) {
            (Rfc::Rfc5424, _) => wire::Format::Rfc5424,
            (Rfc::Rfc3164Iso, _) => wire::Format::Rfc3164Iso,
            (Rfc::Rfc3164, _) | (Rfc::Auto, Protocol::Unix) => wire::Format::Rfc3164,
            (Rfc::Auto, Protocol::Udp) => wire::Format::Rfc3164Iso,
            (Rfc::Auto, Protocol::Tcp) if self.port() == 514 && !matches!(self.framing, Framing::Octet) => {
                wire::Format::Rfc3164Iso
            }
            (Rfc::Auto, _) => wire::Format::Rfc5424,
        };
        Formatter {
            format,
            framing,
            local: self.protocol == Protocol::Unix,
            facility: self.facility.number(),
            app_name: self.app_name.clone(),
            proc_id: self.proc_id.clone(),
            msg_id: self.msg_id.clone(),
            enterprise_id: self.enterprise_id,
            max_size: self.max_size.unwrap_or(if self.protocol == Protocol::Udp { 2048 } else { 8192 }),
        }
    }
}

/// Why this is no host, and what to write instead. Most colons are those of an IPv6 address.
fn host_fault(host: &str) -> Option<(String, String)> {
    let wrong = |message: String, hint: &str| Some((message, hint.to_owned()));
    if host.is_empty() {
        return wrong("host is empty".to_owned(), "name the receiver, such as `localhost`");
    }
    if host.contains(|char: char| char.is_control() || char.is_whitespace() || "/@?#".contains(char)) {
        let hint = "use the name or address alone, such as `logs.example`, without `http://` or a path";
        return wrong("host is neither a name nor an address".to_owned(), hint);
    }
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.split(']').next().unwrap_or(inner);
        let hint = format!("write `{address}`; the port is the option `port`");
        return Some(("host has brackets".to_owned(), hint));
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => {
            let port = if port.is_empty() { "514" } else { port };
            let hint = format!("the port is an option of its own: host `{name}`, port `{port}`");
            Some((format!("`{host}` is a host and a port"), hint))
        }
        Some(_) if !is_ipv6(host) => {
            wrong(format!("`{host}` is no IPv6 address"), "correct it, or use the receiver's name")
        }
        _ => None,
    }
}

/// Also one with the interface that it belongs to: `fe80::1%eth0`.
fn is_ipv6(host: &str) -> bool {
    host.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::options::Options;

    fn read(text: &str) -> SyslogConfig {
        Options::from_toml(text).unwrap().read().unwrap()
    }

    #[test]
    fn the_usual_framing_of_each_protocol() {
        use wire::{Format::*, Framing::*};
        for (text, format, framing, max_size) in [
            ("", Rfc3164Iso, Datagram, 2048),
            ("protocol = 'tcp'", Rfc3164Iso, Lf, 8192),
            ("protocol = 'tcp'\nframing = 'octet'", Rfc5424, Octet, 8192),
            ("protocol = 'tcp'\nport = 601", Rfc5424, Octet, 8192),
            ("protocol = 'TCP'\nport = 1514", Rfc5424, Lf, 8192),
            ("protocol = 'TLS'", Rfc5424, Octet, 8192),
            ("protocol = 'Unix'", Rfc3164, Lf, 8192),
            ("rfc = 5424\nmax_size = 1024", Rfc5424, Datagram, 1024),
            ("protocol = 'TCP'\nrfc = '3164'\nframing = 'lf'", Rfc3164, Lf, 8192),
        ] {
            let formatter = read(text).formatter();
            assert_eq!(
                (formatter.format, formatter.framing, formatter.max_size),
                (format, framing, max_size),
                "{text}"
            );
        }
    }

    #[test]
    fn options_that_do_not_go_together() {
        for (text, key) in [
            ("host = ''", "host"),
            ("port = 0", "port"),
            ("ca_file = 'ca.pem'", "ca_file"),
            ("path = '/dev/log'", "path"),
            ("protocol = 'TLS'\nclient_key = 'k.pem'", "client_key"),
            ("framing = 'lf'", "framing"),
            ("protocol = 'TLS'\nframing = 'lf'", "framing"),
            ("max_size = 70_000", "max_size"),
            ("max_size = 100", "max_size"),
        ] {
            assert_eq!(read(text).fault().map(|fault| fault.key), Some(key), "{text}");
        }
        assert!(read("protocol = 'TLS'\nmax_size = 262_144\nport = 6514").fault().is_none());
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_nothing_else() {
        let fault = |host: &str| SyslogConfig::new(host, Protocol::Tcp).fault();
        for (host, hint) in [
            ("", "such as `localhost`"),
            ("http://logs.example", "without `http://`"),
            ("ann@logs.example", "the name or address alone"),
            ("logs\u{1b}[2J", "the name or address alone"),
            ("127.0.0.1:514", "host `127.0.0.1`, port `514`"),
            ("logs.example:1514", "host `logs.example`, port `1514`"),
            ("[::1]:514", "write `::1`"),
            ("1:2:3", "correct it"),
        ] {
            let fault = fault(host).unwrap();
            assert!(fault.key == "host" && fault.hint.contains(hint), "{host}: {fault:?}");
        }
        for host in
            ["localhost", "10.0.0.1", " logs.example ", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "my_host"]
        {
            assert!(fault(host).is_none(), "{host}: {:?}", fault(host));
        }
    }

    #[test]
    fn words_and_numbers() {
        let config = read("facility = 'local3'\nprotocol = 'tls'\nrfc = '5424'");
        assert_eq!((config.facility.number(), config.port()), (19, 6514));
        assert_eq!(crate::Validated::identity(&config).unwrap(), "TLS:localhost:6514");
        let wrong = Options::from_toml("facility = 24").unwrap().read::<SyslogConfig>().unwrap_err();
        assert_eq!(wrong.span(), Some(11..13));
    }
}
