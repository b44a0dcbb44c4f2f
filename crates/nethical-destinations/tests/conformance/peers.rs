//! The receiving side of each destination.

use std::cell::RefCell;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use nethical_core::event::{Event, Message};
use nethical_destinations::Validated;
use nethical_destinations::cloudwatch::CloudWatchConfig;
use nethical_destinations::http::HttpConfig;
use nethical_destinations::jsonl::JsonlConfig;
use nethical_destinations::memory::MemoryConfig;
use nethical_destinations::support::webhook::Seconds;
use nethical_destinations::syslog::{Framing, Protocol, Rfc, SyslogConfig};
use nethical_receivers::cloudwatch::{CloudWatch, Trouble};
use nethical_receivers::http::{Answer, HttpPeer};
use nethical_receivers::syslog::{Receiver, parse};

use crate::{Peer, WebPeer};

/// Start the peer of this destination.
pub(crate) fn start(destination: &str) -> Box<dyn Peer> {
    match destination {
        "cloudwatch" => Box::new(LogStream(CloudWatch::start().unwrap())),
        "http" => Box::new(Hook::new()),
        "jsonl" => Box::new(JsonlFile::new()),
        "memory" => Box::new(InMemory(MemoryConfig::default())),
        "syslog" => Box::new(SyslogOverTcp::new()),
        other => panic!("no peer for {other}: write one in tests/conformance/peers.rs"),
    }
}

struct JsonlFile {
    folder: tempfile::TempDir,
}

impl JsonlFile {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("app.jsonl")
    }

    fn moved(&self) -> PathBuf {
        self.folder.path().join("app.jsonl.1")
    }
}

impl Peer for JsonlFile {
    fn config(&self) -> Arc<dyn Validated> {
        Arc::new(JsonlConfig::new(self.path()))
    }

    fn received(&self) -> Vec<String> {
        let files = [self.moved(), self.path()];
        let text: String = files.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
        assert!(text.is_empty() || text.ends_with('\n'), "the file ends in half a line");
        let id = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
        };
        text.lines().map(id).collect()
    }

    fn take_down(&self) -> bool {
        if self.path().exists() {
            fs::rename(self.path(), self.moved()).unwrap();
        }
        fs::create_dir(self.path()).unwrap();
        true
    }

    fn bring_up(&self) {
        fs::remove_dir(self.path()).unwrap();
    }
}

/// TCP, because over UDP nobody can see that the receiver is down before something is sent.
struct SyslogOverTcp {
    receivers: RefCell<Vec<Receiver>>,
    address: SocketAddr,
}

impl SyslogOverTcp {
    fn new() -> Self {
        let receiver = Receiver::tcp().unwrap();
        Self { address: receiver.address(), receivers: RefCell::new(vec![receiver]) }
    }
}

impl Peer for SyslogOverTcp {
    fn config(&self) -> Arc<dyn Validated> {
        Arc::new(SyslogConfig {
            port: Some(self.address.port()),
            rfc: Rfc::Rfc5424,
            framing: Framing::Octet,
            ..SyslogConfig::new(self.address.ip().to_string(), Protocol::Tcp)
        })
    }

    /// All that is on its way is read first.
    fn received(&self) -> Vec<String> {
        let receivers = self.receivers.borrow();
        let messages: Vec<_> = receivers.iter().flat_map(Receiver::read_all).collect();
        let id = |message: &Vec<u8>| parse(message).unwrap().param("nethical", "id").unwrap().to_owned();
        messages.iter().map(id).collect()
    }

    fn take_down(&self) -> bool {
        self.receivers.borrow().iter().for_each(Receiver::stop);
        true
    }

    fn bring_up(&self) {
        self.receivers.borrow_mut().push(Receiver::tcp_at(self.address).unwrap());
    }
}

struct InMemory(MemoryConfig);

impl Peer for InMemory {
    fn config(&self) -> Arc<dyn Validated> {
        Arc::new(self.0.clone())
    }

    fn received(&self) -> Vec<String> {
        self.0.memory().events().iter().map(Event::id).map(|id| id.to_string()).collect()
    }

    fn take_down(&self) -> bool {
        false
    }

    fn bring_up(&self) {}
}

struct LogStream(CloudWatch);

impl Peer for LogStream {
    fn config(&self) -> Arc<dyn Validated> {
        let mut config = CloudWatchConfig::new("app", "conformance").with_keys("AKIDTEST", "secret", None);
        config.endpoint_url = Some(self.0.url());
        Arc::new(config)
    }

    fn received(&self) -> Vec<String> {
        assert_eq!(self.0.violations(), Vec::<String>::new());
        let id = |message: &str| {
            serde_json::from_str::<serde_json::Value>(message).unwrap()["id"].as_str().unwrap().to_owned()
        };
        self.0.events("app", "conformance").iter().map(|event| id(&event.message)).collect()
    }

    fn take_down(&self) -> bool {
        self.0.behave(|behaviour| behaviour.always = Some(Trouble::Unavailable));
        true
    }

    fn bring_up(&self) {
        self.0.behave(|behaviour| behaviour.always = None);
    }
}

/// A message about this text.
fn message(text: &str) -> Event {
    Message::new("conformance", serde_json::json!({ "message": text })).encode().event
}

/// Any web address.
struct Hook {
    peers: RefCell<Vec<HttpPeer>>,
}

impl Hook {
    fn new() -> Self {
        Self { peers: RefCell::new(vec![HttpPeer::start().unwrap()]) }
    }

    fn options(&self) -> HttpConfig {
        HttpConfig::new(format!("{}/hook", self.last().url()).parse().unwrap())
    }

    fn last(&self) -> HttpPeer {
        self.peers.borrow().last().unwrap().clone()
    }
}

impl Peer for Hook {
    fn config(&self) -> Arc<dyn Validated> {
        Arc::new(self.options())
    }

    fn event(&self, text: &str) -> Event {
        message(text)
    }

    fn is_ordered(&self) -> bool {
        false
    }

    fn web(&self) -> Option<&dyn WebPeer> {
        Some(self)
    }

    fn received(&self) -> Vec<String> {
        let requests: Vec<_> = self.peers.borrow().iter().flat_map(HttpPeer::requests).collect();
        let posts = requests.iter().filter(|request| request.method == "POST");
        posts.map(|request| request.header("webhook-id").unwrap().to_owned()).collect()
    }

    fn take_down(&self) -> bool {
        self.last().stop();
        true
    }

    fn bring_up(&self) {
        let again = HttpPeer::start_at(self.last().address()).unwrap();
        self.peers.borrow_mut().push(again);
    }
}

impl WebPeer for Hook {
    fn impatient(&self, seconds: f64) -> Arc<dyn Validated> {
        Arc::new(HttpConfig { timeout: Seconds::new(seconds).unwrap(), ..self.options() })
    }

    fn answer(&self, answer: Answer) {
        self.last().answer(answer);
    }

    fn always(&self, answer: Answer) {
        self.last().always(answer);
    }

    fn requests(&self) -> u64 {
        self.last().count()
    }
}
