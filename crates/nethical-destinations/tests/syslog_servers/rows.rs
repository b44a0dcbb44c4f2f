//! Sending one row, and reading what the server made of it.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use nethical_core::delivery::{Settings, SpoolSettings};
use nethical_core::event::{Event, LogEntry, Metadata, Rules, Timestamp};
use nethical_destinations::connect;
use nethical_destinations::support::options::Options;
use nethical_destinations::syslog::DESCRIPTOR;
use serde_json::{Map, Value, json};
use testkit::peers::{Kind, Server};
use testkit::until;

/// Time for what a server writes late, or twice.
const QUIET: Duration = Duration::from_millis(60);

/// A server, and how many of its lines are known.
pub(crate) struct Asked<'s> {
    server: &'s Server,
    seen: usize,
    number: usize,
}

impl<'s> Asked<'s> {
    pub(crate) fn new(server: &'s Server) -> Self {
        Self { server, seen: 0, number: 0 }
    }

    /// Send a row; returns the messages that the server made of it.
    pub(crate) fn row(&mut self, row: &Value) -> Vec<Value> {
        let (way, event) = match row.get("bytes") {
            Some(bytes) => {
                let way = row["way"].as_str().unwrap();
                self.send(way, bytes.as_str().unwrap().as_bytes());
                (way, None)
            }
            None => {
                let (way, event) = self.deliver(row);
                (way, Some(event))
            }
        };
        self.until_all_is_written(way);
        let lines = self.server.lines().split_off(self.seen);
        self.seen += lines.len();
        let parsed = lines.iter().map(|line| self.read(line, event.as_ref()));
        parsed.filter(|message| message["program"] != "sentinel").collect()
    }

    /// Send one more message behind, and wait for it.
    fn until_all_is_written(&mut self, way: &str) {
        self.number += 1;
        let number = self.number;
        let message = match way {
            "udp" | "tcp_bsd" => format!("<13>2026-03-01T00:00:00Z host sentinel: s{number}."),
            "unix" => format!("<13>Mar  1 00:00:00 sentinel: s{number}."),
            _ => format!("<13>1 - host sentinel - - - s{number}."),
        };
        let way = if way == "tls" { "tcp" } else { way };
        let framed = match way {
            "tcp" => format!("{} {message}", message.len()),
            "tcp_lf" | "tcp_bsd" => format!("{message}\n"),
            _ => message,
        };
        std::thread::sleep(QUIET);
        self.send(way, framed.as_bytes());
        let mark = format!("s{number}.");
        until("the last message is written", || {
            self.server.lines().iter().skip(self.seen).any(|line| line.contains(&mark))
        });
        std::thread::sleep(QUIET);
    }

    fn port(&self, way: &str) -> u16 {
        let ports = self.server.ports();
        match way {
            "udp" => ports.udp,
            "udp_5424" => ports.udp_5424,
            "tcp" => ports.tcp,
            "tcp_lf" => ports.tcp_lf,
            "tcp_bsd" => ports.tcp_bsd,
            "tls" => ports.tls,
            other => panic!("no way {other}"),
        }
    }

    fn send(&self, way: &str, bytes: &[u8]) {
        match way {
            "unix" | "unix_5424" => {
                UnixDatagram::unbound().unwrap().send_to(bytes, self.socket(way)).map(drop).unwrap();
            }
            "udp" | "udp_5424" => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.send_to(bytes, ("127.0.0.1", self.port(way))).map(drop).unwrap();
            }
            _ => TcpStream::connect(("127.0.0.1", self.port(way))).unwrap().write_all(bytes).unwrap(),
        }
    }

    fn socket(&self, way: &str) -> String {
        let suffix = if way == "unix" { "" } else { "5424" };
        format!("{}{suffix}", self.server.unix().display())
    }

    /// Through the destination, with the row's options.
    fn deliver(&self, row: &Value) -> (&'static str, Event) {
        let options = row["options"].as_object().unwrap();
        let way = way_of(options);
        let mut all = options.clone();
        match way {
            "unix" | "unix_5424" => drop(all.insert("path".to_owned(), self.socket(way).into())),
            _ => drop(all.insert("port".to_owned(), self.port(way).into())),
        }
        if way == "tls" {
            all.insert("ca_file".to_owned(), self.server.ca_file().display().to_string().into());
        }
        let config = (DESCRIPTOR.parse)(&Options::from(all)).unwrap();
        let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
        let connector = connect(config, "row", settings).unwrap();
        let event = event(&row["event"]);
        connector.send(event.clone()).unwrap();
        assert!(connector.close(Duration::from_secs(60)), "{}: {:?}", row["name"], connector.status());
        (way, event)
    }

    /// One line of the server, with what changes from run to run replaced.
    fn read(&self, line: &str, event: Option<&Event>) -> Value {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|_| json!({ "unreadable": true }));
        let text = |key: &str| parsed[key].as_str().unwrap_or_default();
        let sd = match self.server.kind() {
            Kind::Rsyslog => serde_json::from_str(text("sd")).unwrap_or(json!({})),
            Kind::SyslogNg => parsed.get("_SDATA").cloned().unwrap_or(json!({})),
        };
        let mut message = json!({
            "priority": format!("{}.{}", text("facility"), text("severity")),
            "time": time(text("timestamp")),
            "host": text("host"), "program": text("program"), "pid": text("pid"), "msgid": text("msgid"),
            "sd": sd, "msg": text("msg"),
        });
        let fields = message.as_object_mut().unwrap();
        fields.retain(|_, value| *value != json!("") && *value != json!("-") && *value != json!({}));
        shorten(&mut message);
        let mut shown = message.to_string().replace(&own_host(), "HOST");
        shown = shown.replace(&format!("\"{}\"", self.server.pid()), "\"SERVER\"");
        if let Some(event) = event {
            shown = shown.replace(&event.id().to_string(), "ID");
            shown = shown.replace(&format!("\"{}\"", std::process::id()), "\"PID\"");
        }
        serde_json::from_str(&shown).unwrap()
    }
}

fn own_host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Long texts as their beginning, length and end. How much of one that was cut is left depends on the names of
/// the machine and the process.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("…[cut") || text.chars().count() > 300 => {
            let (chars, bytes) = (text.chars().collect::<Vec<_>>(), text.len());
            let part = |range: &[char]| range.iter().collect::<String>();
            let (start, end) = (part(&chars[..12]), part(&chars[chars.len() - 30..]));
            let length = if text.contains("…[cut") { String::new() } else { format!("{bytes} bytes ") };
            *text = format!("{start} <{length}...> {end}");
        }
        Value::Object(map) => map.values_mut().for_each(shorten),
        _ => {}
    }
}

/// The time of the message, in whatever year and zone if it says none; any other is when it was received.
fn time(text: &str) -> String {
    let whole = text.replace(".000000", "");
    let is_meant = |text: &str| text.get(4..19) == Some("-03-01T12:34:56");
    let utc = whole.parse::<Timestamp>().map(|at| at.to_string()).unwrap_or_default();
    match text.replace("+00:00", "Z") {
        garbage if garbage.contains('\u{fffd}') => "GARBAGE".to_owned(),
        _ if !whole.contains('.') && (is_meant(&whole) || is_meant(&utc)) => "LOCAL 12:34:56".to_owned(),
        same if same.starts_with("2026-03-01T") => same,
        _ => "RECEIVED".to_owned(),
    }
}

fn way_of(options: &Map<String, Value>) -> &'static str {
    let rfc = options.get("rfc").map(ToString::to_string).unwrap_or_default();
    let old = rfc.contains("3164");
    let octet = options.get("framing").is_some_and(|framing| framing == "octet");
    match options["protocol"].as_str().unwrap() {
        "UDP" if rfc == "5424" => "udp_5424",
        "UDP" => "udp",
        "TLS" => "tls",
        "UNIX" if rfc == "5424" => "unix_5424",
        "UNIX" => "unix",
        _ if octet => "tcp",
        _ if old => "tcp_bsd",
        _ => "tcp_lf",
    }
}

fn event(row: &Value) -> Event {
    let metadata: Map<String, Value> = row["metadata"].as_object().unwrap().clone();
    let text = |key: &str| row[key].as_str().unwrap();
    let mut entry = LogEntry::new(text("level").parse().unwrap(), text("message"), text("source"));
    entry.timestamp = "2026-03-01T12:34:56.123456Z".parse().unwrap();
    entry.metadata = Metadata::from(metadata);
    let rules = Arc::new(Rules::default());
    entry.encode(&rules).event
}
