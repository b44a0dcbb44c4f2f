//! Messages to webhooks and chat services: to one by name, or to all at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use nethical_core::delivery::{Connector, Delivery, Policy, Rejected, Settings, Status, runtime};
use nethical_core::event::{Event, Level, Message};
use nethical_destinations::Validated;
pub use nethical_destinations::webhook::{Headers, Key, SignatureError, TOLERANCE, sign, sign_plain, verify};
use serde_json::{Map, Value};

use crate::{Config, ConfigError, Error};

/// Is told of a delivery.
pub type Callback = Arc<dyn Fn(&Delivery) + Send + Sync>;

/// One webhook: a destination for messages, open.
///
/// ```no_run
/// use nethical::destinations::http::HttpConfig;
/// use nethical::delivery::Settings;
/// use nethical::webhooks::Webhook;
/// use nethical::event::Message;
///
/// let config = HttpConfig::new("https://api.example.com/webhook".parse()?);
/// let webhook = Webhook::open("deployments", std::sync::Arc::new(config), Settings::default())?;
/// let delivery = webhook.dispatch(&Message::new("model_deployed", serde_json::json!({ "version": "1.0.0" })));
/// println!("{}: {:?}", delivery.status, delivery.response_code);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Webhook {
    connector: Arc<Connector>,
    kind: Option<Arc<str>>,
    policy: Option<Policy>,
    level: Level,
    on_success: Option<Callback>,
    on_failure: Option<Callback>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("name", &self.connector.name()).finish_non_exhaustive()
    }
}

impl From<Connector> for Webhook {
    fn from(connector: Connector) -> Self {
        Arc::new(connector).into()
    }
}

impl From<Arc<Connector>> for Webhook {
    fn from(connector: Arc<Connector>) -> Self {
        Self { connector, kind: None, policy: None, level: Level::Debug, on_success: None, on_failure: None }
    }
}

impl Webhook {
    /// Open a destination. `config` is that of any destination that takes messages.
    ///
    /// # Errors
    /// What keeps it from being opened.
    pub fn open(
        name: impl Into<Arc<str>>,
        config: Arc<dyn Validated>,
        settings: Settings,
    ) -> Result<Self, Error> {
        Self::open_with(name, config, settings, None, None)
    }

    /// The same, with functions that are told of each delivery that ends well, or does not: queued ones too. Those
    /// of queued deliveries are called on a thread of their own, the others by whoever waits.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with(
        name: impl Into<Arc<str>>,
        config: Arc<dyn Validated>,
        settings: Settings,
        on_success: Option<Callback>,
        on_failure: Option<Callback>,
    ) -> Result<Self, Error> {
        let mut settings = config.settings(settings);
        if on_success.is_some() || on_failure.is_some() {
            let (success, failure, before) =
                (on_success.clone(), on_failure.clone(), settings.on_delivery.take());
            settings.on_delivery = Some(Arc::new(move |delivery: &Delivery| {
                before.iter().for_each(|tell| tell(delivery));
                let told = if delivery.is_success() { &success } else { &failure };
                told.iter().for_each(|tell| tell(delivery));
            }));
        }
        let connector = Connector::open(name, settings, move || config.open())?;
        Ok(Self { on_success, on_failure, ..connector.into() })
    }

    /// The same, with another policy for deliveries that are waited for than the destination's own.
    #[must_use]
    pub const fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The same, for messages of this level and above when they are for all.
    #[must_use]
    pub const fn from_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The same, known to be of this type of destination: by it alerts are routed that no route names.
    #[must_use]
    pub fn of_kind(mut self, kind: impl Into<Arc<str>>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// The type of its destination; its name where nobody said.
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or_else(|| self.connector.name())
    }

    /// The lowest level that it gets when a message is for all.
    pub const fn level(&self) -> Level {
        self.level
    }

    /// What feeds it.
    pub const fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// Deliver a message now, and wait for what becomes of it: at most as long as its policy says. What fails is
    /// a dead letter, and is not tried again by itself.
    pub fn dispatch(&self, message: &Message) -> Delivery {
        self.dispatch_event(message.encode().event)
    }

    /// The same for a message that is encoded.
    pub fn dispatch_event(&self, event: Event) -> Delivery {
        let id = event.id().to_string();
        let delivery = self.connector.deliver_now(event, self.policy);
        self.told(delivery.unwrap_or_else(|why| self.rejected(id, why)))
    }

    /// Accept a message and return at once. It is delivered when the receiver takes it, however long that is.
    pub fn queue(&self, message: &Message) -> Delivery {
        self.queue_event(message.encode().event)
    }

    /// The same for a message that is encoded.
    pub fn queue_event(&self, event: Event) -> Delivery {
        let id = event.id().to_string();
        self.connector.queue_delivery(event).unwrap_or_else(|why| self.told(self.rejected(id, why)))
    }

    fn told(&self, delivery: Delivery) -> Delivery {
        let told = if delivery.is_success() { &self.on_success } else { &self.on_failure };
        told.iter().for_each(|tell| tell(&delivery));
        delivery
    }

    fn rejected(&self, id: String, why: Rejected) -> Delivery {
        let (code, message, hint) = match why {
            Rejected::Closed => ("delivery.closed", "it was closed", "open it again"),
            Rejected::Full => (
                "delivery.full",
                "its queue is full, the message was dropped",
                "see whether the receiver keeps up, or give the queue more room",
            ),
        };
        let name = self.connector.name();
        Delivery::rejected(id, name, code, format!("{name}: {message}"), hint)
    }
}

/// A webhook that was named and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWebhook {
    name: String,
    known: Vec<String>,
}

impl UnknownWebhook {
    /// The names of those that are there.
    pub fn known(&self) -> &[String] {
        &self.known
    }

    /// What to do.
    pub fn hint(&self) -> String {
        use nethical_destinations::support::options::{nearest, one_of};
        match nearest(&self.name, self.known.iter().map(String::as_str)) {
            Some(name) => format!("did you mean `{name}`?"),
            None if self.known.is_empty() => "add it first: there is none yet".to_owned(),
            None => format!("use {}", one_of(self.known.iter().map(String::as_str), "or")),
        }
    }
}

impl fmt::Display for UnknownWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no webhook `{}`; {}", self.name, self.hint())
    }
}

impl std::error::Error for UnknownWebhook {}

/// Sends messages to webhooks by their names. One that fails or is slow concerns no other.
#[derive(Debug, Default)]
pub struct WebhookManager {
    webhooks: RwLock<BTreeMap<String, Webhook>>,
}

impl WebhookManager {
    /// Without webhooks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every webhook of a configuration's `[alerts]`, open. `path` is a file in TOML or JSON.
    ///
    /// ```no_run
    /// use nethical::webhooks::WebhookManager;
    ///
    /// let manager = WebhookManager::from_config("nethical.toml")?;
    /// let told = manager.broadcast("system_alert", serde_json::json!({ "error_rate": 0.15 }), Default::default());
    /// assert!(told.values().all(|delivery| delivery.is_success()));
    /// # Ok::<(), nethical::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with the file, or every webhook that cannot be opened.
    pub fn from_config(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Config::load(path)?.open_webhooks(&|settings| settings)
    }

    /// Add a webhook, in the place of one of the same name, which is returned.
    pub fn add_webhook(&self, name: impl Into<String>, webhook: impl Into<Webhook>) -> Option<Webhook> {
        self.webhooks.write().unwrap_or_else(PoisonError::into_inner).insert(name.into(), webhook.into())
    }

    /// Take a webhook out. It stays open, for as long as somebody has it.
    pub fn remove_webhook(&self, name: &str) -> Option<Webhook> {
        self.webhooks.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// The webhooks by their names.
    pub fn webhooks(&self) -> BTreeMap<String, Webhook> {
        self.webhooks.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The webhook of this name.
    ///
    /// # Errors
    /// If there is none; says which there are.
    pub fn webhook(&self, name: &str) -> Result<Webhook, UnknownWebhook> {
        let webhooks = self.webhooks.read().unwrap_or_else(PoisonError::into_inner);
        let unknown = || UnknownWebhook { name: name.to_owned(), known: webhooks.keys().cloned().collect() };
        webhooks.get(name).cloned().ok_or_else(unknown)
    }

    /// Deliver a message to one webhook, and wait for what becomes of it.
    ///
    /// # Errors
    /// If there is no webhook of this name.
    pub fn send_to(
        &self,
        name: &str,
        event_type: &str,
        data: Value,
        metadata: Map<String, Value>,
    ) -> Result<Delivery, UnknownWebhook> {
        let webhook = self.webhook(name)?;
        Ok(webhook.dispatch(&Message::new(event_type, data).with_metadata(metadata)))
    }

    /// Deliver a message to all webhooks at once, and wait for all of them. A message has one id, wherever it goes.
    pub fn broadcast(
        &self,
        event_type: &str,
        data: Value,
        metadata: Map<String, Value>,
    ) -> BTreeMap<String, Delivery> {
        self.broadcast_event(&Message::new(event_type, data).with_metadata(metadata).encode().event)
    }

    /// The same for a message that is encoded.
    pub fn broadcast_event(&self, event: &Event) -> BTreeMap<String, Delivery> {
        let wanted = self.wanted(event);
        // All begin before the first is waited for, and none needs a thread.
        let started: Vec<_> = wanted
            .into_iter()
            .map(|(name, webhook)| {
                let (done, answer) = std::sync::mpsc::sync_channel(1);
                let begun = webhook.connector.start_delivery(event.clone(), webhook.policy);
                if let (Ok(delivery), Ok(runtime)) = (begun, runtime::handle()) {
                    runtime.spawn(async move {
                        let _ = done.send(delivery.await);
                    });
                }
                (name, webhook, answer)
            })
            .collect();
        let finish = |(name, webhook, answer): (String, Webhook, std::sync::mpsc::Receiver<Delivery>)| {
            let closed = || webhook.rejected(event.id().to_string(), Rejected::Closed);
            (name, webhook.told(answer.recv().unwrap_or_else(|_| closed())))
        };
        started.into_iter().map(finish).collect()
    }

    /// Accept a message for all webhooks and return at once.
    pub fn broadcast_queued(&self, event: &Event) -> BTreeMap<String, Delivery> {
        let queue = |(name, webhook): (String, Webhook)| (name, webhook.queue_event(event.clone()));
        self.wanted(event).into_iter().map(queue).collect()
    }

    fn wanted(&self, event: &Event) -> Vec<(String, Webhook)> {
        let wants = |webhook: &Webhook| webhook.level <= event.level();
        self.webhooks().into_iter().filter(|(_, webhook)| wants(webhook)).collect()
    }

    /// Deliver what is queued, everywhere at once. `true` if all of it came to its end within `patience`.
    pub fn flush_all(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let webhooks = self.webhooks();
        webhooks.values().for_each(|webhook| webhook.connector.request_flush());
        webhooks.values().filter(|webhook| !webhook.connector.flush(left(deadline))).count() == 0
    }

    /// Close every webhook, all within `patience` together. `true` if nothing was left undone.
    pub fn close_all(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let webhooks = self.webhooks();
        webhooks.values().for_each(|webhook| webhook.connector.request_close());
        webhooks.values().filter(|webhook| !webhook.connector.close(left(deadline))).count() == 0
    }

    /// What each webhook is doing.
    pub fn statuses(&self) -> Vec<Status> {
        self.webhooks().values().filter_map(|webhook| webhook.connector.status().ok()).collect()
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
