//! The end of the training as a message to three services, which run in this process.

use std::io::{self, Write};
use std::sync::Arc;

use nethical::delivery::{Settings, SpoolSettings};
use nethical::destinations::Validated;
use nethical::destinations::discord::DiscordConfig;
use nethical::destinations::http::HttpConfig;
use nethical::destinations::slack::SlackConfig;
use nethical::destinations::support::webhook::SecretText;
use nethical::event::Timestamp;
use nethical::webhooks::{Headers, Key, TOLERANCE, verify};
use nethical::{Error, Webhook, WebhookManager};
use nethical_receivers::discord::Discord;
use nethical_receivers::http::{HttpPeer, Request};
use nethical_receivers::slack::Slack;
use serde_json::{Map, Value, json};

const SECRET: &str = "the secret of the demo";

/// What the services show of the message.
pub(super) struct Shown {
    services: Vec<(&'static str, String)>,
    /// Whether all of them took it, and the signature was right.
    pub(super) whole: bool,
}

/// Tell everybody, and look at what they got.
pub(super) fn tell(epochs: u32, best_loss: f32) -> Result<Shown, Error> {
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
    let data =
        json!({ "title": "Training finished", "epochs": epochs, "best_loss": format!("{best_loss:.3}") });
    let severity = Map::from_iter([("severity".to_owned(), Value::from("info"))]);
    let deliveries = webhooks.broadcast("training_finished", data, severity);
    let posted = http.requests().into_iter().next();
    let is_signed = posted.as_ref().is_some_and(is_signed);
    let posted = posted.map(|request| String::from_utf8_lossy(&request.body).into_owned());
    let read = slack.messages().first().map(|message| message.shown());
    let seen = discord.messages().first().map(|message| message.shown());
    let services = [("http", posted), ("slack", read), ("discord", seen)];
    Ok(Shown {
        services: services.map(|(name, text)| (name, text.unwrap_or_default())).into(),
        whole: is_signed && deliveries.values().all(|delivery| delivery.is_success()),
    })
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
        writeln!(out, "webhooks: one message to three services at once, each in its own shape:")?;
        for (name, text) in &self.services {
            let mut name = *name;
            for line in text.lines() {
                writeln!(out, "  {name:8} {line}")?;
                name = "";
            }
        }
        Ok(())
    }
}
