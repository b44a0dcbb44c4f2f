//! The receiving side of each destination.

use std::cell::RefCell;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nethical_core::event::Event;
use nethical_destinations::Validated;
use nethical_destinations::api::ApiConfig;
use nethical_destinations::cloudwatch::CloudWatchConfig;
use nethical_destinations::http::HttpConfig;
use nethical_destinations::jsonl::JsonlConfig;
use nethical_destinations::memory::MemoryConfig;
use nethical_destinations::support::webhook::SecretText;
use nethical_destinations::syslog::{Framing, Protocol, Rfc, SyslogConfig};
use nethical_receivers::cloudwatch::{CloudWatch, Trouble};
use nethical_receivers::discord::Discord;
use nethical_receivers::slack::Slack;
use nethical_receivers::syslog::{Receiver, parse};

use crate::messages::{Chat, Hook};
use crate::{Behind, Peer, mlflow, sagemaker};

/// Start the peer of this destination.
pub(crate) fn start(destination: &str) -> Box<dyn Peer> {
    match destination {
        "api" => Box::new(Hook::new(|hook, timeout, retry_delay| {
            let config = ApiConfig::new(hook);
            Arc::new(ApiConfig { api_key: Some(SecretText::new("key")), timeout, retry_delay, ..config })
        })),
        "cloudwatch" => Box::new(LogStream::new()),
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

impl LogStream {
    fn new() -> Self {
        let service = CloudWatch::start().unwrap();
        service.create("app", "conformance");
        Self(service)
    }
}

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

    fn behind(&self) -> Option<&dyn Behind> {
        Some(self)
    }

    fn take_down(&self) -> bool {
        self.0.behave(|behaviour| behaviour.always = Some(Trouble::Unavailable));
        true
    }

    fn bring_up(&self) {
        self.0.behave(|behaviour| behaviour.always = None);
    }
}

impl Behind for LogStream {
    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    fn through(&self, origin: &str, seconds: f64) -> Arc<dyn Validated> {
        let mut config = CloudWatchConfig::new("app", "conformance").with_keys("AKIDTEST", "secret", None);
        config.endpoint_url = Some(origin.to_owned());
        config.request_timeout = Some(Duration::from_secs_f64(seconds));
        Arc::new(config)
    }
}
