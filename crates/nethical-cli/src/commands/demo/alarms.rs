//! The training run as three services see it that run in this process: an alert while its accuracy is low, and a message
//! at its end.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use nethical::alerts::{AlertSettings, AlertState, Alerts};
use nethical::delivery::{Settings, SpoolSettings};
use nethical::destinations::Validated;
use nethical::destinations::discord::DiscordConfig;
use nethical::destinations::http::HttpConfig;
use nethical::destinations::slack::SlackConfig;
use nethical::destinations::support::webhook::SecretText;
use nethical::event::{Severity, Timestamp};
use nethical::monitors::{Condition, Monitor};
use nethical::webhooks::{Headers, Key, TOLERANCE, verify};
use nethical::{Error, LogAggregator, MonitoringSystem, Webhook, WebhookManager};
use nethical_receivers::discord::Discord;
use nethical_receivers::http::{HttpPeer, Request};
use nethical_receivers::slack::Slack;
use serde_json::{Map, Value, json};

const SECRET: &str = "the secret of the demo";

/// The accuracy under which there is an alert.
const ENOUGH: f64 = 0.9;

/// What the alert gets to arrive: the services take one message a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// Three services, and what tells them of the run.
pub(super) struct Alarms {
    http: HttpPeer,
    slack: Slack,
    discord: Discord,
    webhooks: Arc<WebhookManager>,
    monitoring: MonitoringSystem,
}

/// What the services show.
pub(super) struct Shown {
    /// The messages that each got, in order.
    services: Vec<(&'static str, Vec<String>)>,
    /// What is known of the alert.
    state: Option<AlertState>,
    /// Whether all of them took everything, and the signature was right.
    pub(super) whole: bool,
}

impl Alarms {
    /// Start the services, and watch the accuracy for them.
    pub(super) fn open() -> Result<Self, Error> {
        let started = |error: io::Error| Error::unavailable("demo.receiver", format!("no receiver: {error}"));
        let http = HttpPeer::start().map_err(started)?;
        let slack = Slack::start().map_err(started)?;
        let discord = Discord::start().map_err(started)?;
        let webhooks = WebhookManager::new();
        let mut signed = HttpConfig::new(address(&format!("{}/hook", http.url()))?);
        signed.secret = Some(SecretText::new(SECRET));
        let configs: [(&str, Arc<dyn Validated>); 3] = [
            ("http", Arc::new(signed)),
            ("slack", Arc::new(SlackConfig::new(address(&slack.webhook_url())?))),
            ("discord", Arc::new(DiscordConfig::new(address(&discord.webhook_url())?))),
        ];
        for (name, config) in configs {
            let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
            webhooks.add_webhook(name, Webhook::open(name, config, settings)?);
        }
        let webhooks = Arc::new(webhooks);
        let monitor = Monitor {
            severity: Severity::Error,
            source: "trainer".to_owned(),
            ..Monitor::threshold("accuracy", Condition::Below, ENOUGH)
        };
        let alerts = Alerts::new(Arc::clone(&webhooks), AlertSettings::in_memory());
        let monitoring = MonitoringSystem::new(Arc::new(LogAggregator::new()), alerts, vec![monitor]);
        Ok(Self { http, slack, discord, webhooks, monitoring })
    }

    /// An epoch is done.
    pub(super) fn epoch(&self, accuracy: f32) {
        self.monitoring.observe("accuracy", (f64::from(accuracy) * 1_000.0).round() / 1_000.0);
    }

    /// Tell everybody that it is over, and look at what they got.
    pub(super) fn end(&self, epochs: u32, best_loss: f32) -> Shown {
        let told = self.monitoring.alerts().flush(PATIENCE);
        let data =
            json!({ "title": "Training finished", "epochs": epochs, "best_loss": format!("{best_loss:.3}") });
        let severity = Map::from_iter([("severity".to_owned(), Value::from("info"))]);
        let deliveries = self.webhooks.broadcast("training_finished", data, severity);
        let requests = self.http.requests();
        let posted = requests.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned());
        let read = self.slack.messages().iter().map(|message| message.shown()).collect();
        let seen = self.discord.messages().iter().map(|message| message.shown()).collect();
        let is_signed = !requests.is_empty() && requests.iter().all(is_signed);
        Shown {
            services: vec![("http", posted.collect()), ("slack", read), ("discord", seen)],
            state: self.monitoring.alerts().states().into_iter().next(),
            whole: told && is_signed && deliveries.values().all(|delivery| delivery.is_success()),
        }
    }
}

fn address<T: std::str::FromStr<Err: std::fmt::Display>>(url: &str) -> Result<T, Error> {
    url.parse().map_err(|why: T::Err| Error::config("demo.address", why.to_string()))
}

/// As a receiver would ask.
fn is_signed(request: &Request) -> bool {
    let header = |name| request.header(name).unwrap_or_default();
    let headers = Headers {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    let key = SECRET.parse::<Key>();
    key.is_ok_and(|key| {
        verify(&[key], &headers, &request.body, Timestamp::now().as_second(), TOLERANCE).is_ok()
    })
}

impl Shown {
    /// What people would see.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        if let Some(state) = &self.state {
            let (held_back, until) =
                (state.suppressed_in_all, if state.resolved.is_some() { "reached" } else { "never reached" });
            writeln!(
                out,
                "alert: the accuracy began under {ENOUGH} and {until} it: told once to each, {held_back} held back:"
            )?;
            self.each(out, |messages| messages.first())?;
        }
        if self.state.as_ref().is_some_and(|state| state.resolved.is_some()) {
            writeln!(out, "alert: and when it was over:")?;
            self.each(out, |messages| messages.get(1))?;
        }
        writeln!(out, "webhooks: one message to three services at once, each in its own shape:")?;
        self.each(out, |messages| messages.last())
    }

    fn each<'s>(
        &'s self,
        out: &mut impl Write,
        which: impl Fn(&'s Vec<String>) -> Option<&'s String>,
    ) -> io::Result<()> {
        for (name, messages) in &self.services {
            let mut name = *name;
            for line in which(messages).into_iter().flat_map(|text| text.lines()) {
                writeln!(out, "  {name:8} {line}")?;
                name = "";
            }
        }
        Ok(())
    }
}
