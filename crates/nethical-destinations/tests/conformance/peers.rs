//! The receiving side of each destination.

use std::cell::RefCell;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use nethical_core::event::{Event, EventId, Message};
use nethical_destinations::Validated;
use nethical_destinations::api::ApiConfig;
use nethical_destinations::cloudwatch::CloudWatchConfig;
use nethical_destinations::discord::DiscordConfig;
use nethical_destinations::http::HttpConfig;
use nethical_destinations::jsonl::JsonlConfig;
use nethical_destinations::memory::MemoryConfig;
use nethical_destinations::slack::SlackConfig;
use nethical_destinations::support::webhook::{Seconds, SecretText, Wait, WebhookUrl};
use nethical_destinations::syslog::{Framing, Protocol, Rfc, SyslogConfig};
use nethical_receivers::Clock;
use nethical_receivers::cloudwatch::{CloudWatch, Trouble};
use nethical_receivers::discord::Discord;
use nethical_receivers::http::{Answer, HttpPeer};
use nethical_receivers::slack::Slack;
use nethical_receivers::syslog::{Receiver, parse};

use crate::{Peer, WebPeer, mlflow, sagemaker};

/// Start the peer of this destination.
pub(crate) fn start(destination: &str) -> Box<dyn Peer> {
    match destination {
        "api" => Box::new(Hook::new(|hook, timeout, retry_delay| {
            let config = ApiConfig::new(hook);
            Arc::new(ApiConfig { api_key: Some(SecretText::new("key")), timeout, retry_delay, ..config })
        })),
        "cloudwatch" => Box::new(LogStream(CloudWatch::start().unwrap())),
        "discord" => Box::new(Chat::<Discord>::new()),
        "http" => Box::new(Hook::new(|hook, timeout, retry_delay| {
            Arc::new(HttpConfig { timeout, retry_delay, ..HttpConfig::new(hook) })
        })),
        "jsonl" => Box::new(JsonlFile::new()),
        "memory" => Box::new(InMemory(MemoryConfig::default())),
        "mlflow" => Box::new(mlflow::Runs::new()),
        "sagemaker" => Box::new(sagemaker::Runs::new()),
        "slack" => Box::new(Chat::<Slack>::new()),
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

/// A message about this text, which holds its own id: chat services show nothing else.
fn message(text: &str) -> Event {
    let mut message = Message::new("conformance", serde_json::json!({}));
    message.data = serde_json::json!({ "message": text, "ref": message.id.to_string() });
    message.encode().event
}

/// Any web address.
struct Hook {
    peers: RefCell<Vec<HttpPeer>>,
    /// Options for an address, by timeout and first wait.
    options: fn(WebhookUrl, Seconds, Wait) -> Arc<dyn Validated>,
}

impl Hook {
    fn new(options: fn(WebhookUrl, Seconds, Wait) -> Arc<dyn Validated>) -> Self {
        Self { peers: RefCell::new(vec![HttpPeer::start().unwrap()]), options }
    }

    fn options(&self, timeout: f64, delay: f64) -> Arc<dyn Validated> {
        let url = format!("{}/hook", self.last().url()).parse().unwrap();
        (self.options)(url, Seconds::new(timeout).unwrap(), Wait::new(delay).unwrap())
    }

    fn last(&self) -> HttpPeer {
        self.peers.borrow().last().unwrap().clone()
    }
}

impl Peer for Hook {
    fn config(&self) -> Arc<dyn Validated> {
        self.options(30.0, 1.0)
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
        self.options(seconds, 0.05)
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

/// A chat service with its limits, whose clock runs so fast that they hardly last.
struct Chat<S> {
    services: RefCell<Vec<S>>,
}

/// What the strict receivers have in common.
trait ChatService: Clone + Sized + 'static {
    fn start_at(address: SocketAddr) -> Self;
    fn address(&self) -> SocketAddr;
    fn config(&self, timeout: f64, delay: f64) -> Arc<dyn Validated>;
    fn bodies(&self) -> Vec<serde_json::Value>;
    fn violations(&self) -> Vec<String>;
    fn stop(&self);
    fn answer(&self, answer: Answer);
    fn always(&self, answer: Answer);
    fn requests(&self) -> u64;
}

macro_rules! chat_service {
    ($service:ident, $config:ident) => {
        impl ChatService for $service {
            fn start_at(address: SocketAddr) -> Self {
                $service::start_at(address, Clock::sped_up(100_000.0)).unwrap()
            }

            fn address(&self) -> SocketAddr {
                $service::address(self)
            }

            fn config(&self, timeout: f64, delay: f64) -> Arc<dyn Validated> {
                let config = $config::new(self.webhook_url().parse().unwrap());
                let (timeout, retry_delay) = (Seconds::new(timeout).unwrap(), Wait::new(delay).unwrap());
                Arc::new($config { timeout, retry_delay, ..config })
            }

            fn bodies(&self) -> Vec<serde_json::Value> {
                self.messages().into_iter().map(|message| message.body).collect()
            }

            fn violations(&self) -> Vec<String> {
                $service::violations(self)
            }

            fn stop(&self) {
                $service::stop(self);
            }

            fn answer(&self, answer: Answer) {
                $service::answer(self, answer);
            }

            fn always(&self, answer: Answer) {
                $service::always(self, answer);
            }

            fn requests(&self) -> u64 {
                self.counts().requests
            }
        }
    };
}
chat_service!(Slack, SlackConfig);
chat_service!(Discord, DiscordConfig);

impl<S: ChatService> Chat<S> {
    fn new() -> Self {
        Self { services: RefCell::new(vec![S::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))]) }
    }

    fn last(&self) -> S {
        self.services.borrow().last().unwrap().clone()
    }
}

/// The event's id in a body, wherever it is shown.
fn shown_id(body: &serde_json::Value) -> String {
    let text = body.to_string();
    let mut parts = text.split(|part: char| !part.is_ascii_hexdigit() && part != '-');
    parts.find(|part| part.len() == 36 && EventId::parse(part).is_some()).unwrap().to_owned()
}

impl<S: ChatService> Peer for Chat<S> {
    fn config(&self) -> Arc<dyn Validated> {
        self.last().config(30.0, 1.0)
    }

    fn event(&self, text: &str) -> Event {
        message(text)
    }

    fn pace(&self) -> Option<f64> {
        Some(100_000.0)
    }

    fn web(&self) -> Option<&dyn WebPeer> {
        Some(self)
    }

    fn received(&self) -> Vec<String> {
        let services = self.services.borrow();
        // A probe asks with HEAD, which is no message.
        let is_probe = |violation: &String| violation.contains("messages are posted to");
        let violations = services.iter().flat_map(S::violations).filter(|violation| !is_probe(violation));
        assert_eq!(violations.collect::<Vec<_>>(), Vec::<String>::new());
        services.iter().flat_map(S::bodies).map(|body| shown_id(&body)).collect()
    }

    fn take_down(&self) -> bool {
        self.last().stop();
        true
    }

    fn bring_up(&self) {
        let again = S::start_at(self.last().address());
        self.services.borrow_mut().push(again);
    }
}

impl<S: ChatService> WebPeer for Chat<S> {
    fn impatient(&self, seconds: f64) -> Arc<dyn Validated> {
        self.last().config(seconds, 0.05)
    }

    fn answer(&self, answer: Answer) {
        self.last().answer(answer);
    }

    fn always(&self, answer: Answer) {
        self.last().always(answer);
    }

    fn requests(&self) -> u64 {
        self.last().requests()
    }
}
