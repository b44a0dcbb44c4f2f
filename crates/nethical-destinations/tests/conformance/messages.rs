//! Receivers of messages, one request for each: any web address, and the chat services.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use nethical_core::event::{Event, EventId, Message};
use nethical_destinations::Validated;
use nethical_destinations::discord::DiscordConfig;
use nethical_destinations::slack::SlackConfig;
use nethical_destinations::support::webhook::{Seconds, Wait, WebhookUrl};
use nethical_receivers::Clock;
use nethical_receivers::discord::Discord;
use nethical_receivers::http::{Answer, HttpPeer};
use nethical_receivers::slack::Slack;

use crate::{Behind, Peer, WebPeer};

/// A message about this text, which holds its own id: chat services show nothing else.
fn message(text: &str) -> Event {
    let mut message = Message::new("conformance", serde_json::json!({}));
    message.data = serde_json::json!({ "message": text, "ref": message.id.to_string() });
    message.encode().event
}

/// Any web address.
pub(crate) struct Hook {
    peers: RefCell<Vec<HttpPeer>>,
    /// Options for an address, by timeout and first wait.
    options: fn(WebhookUrl, Seconds, Wait) -> Arc<dyn Validated>,
}

impl Hook {
    pub(crate) fn new(options: fn(WebhookUrl, Seconds, Wait) -> Arc<dyn Validated>) -> Self {
        Self { peers: RefCell::new(vec![HttpPeer::start().unwrap()]), options }
    }

    fn options(&self, timeout: f64, delay: f64) -> Arc<dyn Validated> {
        self.at(&self.last().url(), timeout, delay)
    }

    fn at(&self, origin: &str, timeout: f64, delay: f64) -> Arc<dyn Validated> {
        let url = format!("{origin}/hook").parse().unwrap();
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

    fn behind(&self) -> Option<&dyn Behind> {
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

impl Behind for Hook {
    fn address(&self) -> SocketAddr {
        self.last().address()
    }

    fn through(&self, origin: &str, seconds: f64) -> Arc<dyn Validated> {
        self.at(origin, seconds, 0.05)
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
pub(crate) struct Chat<S> {
    services: RefCell<Vec<S>>,
}

/// What the strict receivers have in common.
pub(crate) trait ChatService: Clone + Sized + 'static {
    fn start_at(address: SocketAddr) -> Self;
    fn address(&self) -> SocketAddr;
    /// Options by where it seems to be, timeout and first wait.
    fn config(&self, origin: &str, timeout: f64, delay: f64) -> Arc<dyn Validated>;
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

            fn config(&self, origin: &str, timeout: f64, delay: f64) -> Arc<dyn Validated> {
                let url = self.webhook_url().replacen(&format!("http://{}", self.address()), origin, 1);
                let config = $config::new(url.parse().unwrap());
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
    fn options(&self, timeout: f64, delay: f64) -> Arc<dyn Validated> {
        let service = self.last();
        service.config(&format!("http://{}", service.address()), timeout, delay)
    }

    pub(crate) fn new() -> Self {
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
        self.options(30.0, 1.0)
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

    fn behind(&self) -> Option<&dyn Behind> {
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

impl<S: ChatService> Behind for Chat<S> {
    fn address(&self) -> SocketAddr {
        self.last().address()
    }

    fn through(&self, origin: &str, seconds: f64) -> Arc<dyn Validated> {
        self.last().config(origin, seconds, 0.05)
    }
}

impl<S: ChatService> WebPeer for Chat<S> {
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
        self.last().requests()
    }
}
