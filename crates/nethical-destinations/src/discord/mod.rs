//! Discord's webhooks.

mod config;
mod embeds;
mod errors;
mod fit;
mod limits;
mod spread;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nethical_core::delivery::{Destination, Error};
use nethical_core::event::{Event, Family, Timestamp};
use nethical_core::fork::PerProcess;

pub use self::config::DiscordConfig;
use crate::support::http::Response;
use crate::support::webhook::{Context, Poster, Service, Single};
use crate::{Descriptor, Validated};

/// Discord's webhooks.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "discord",
    families: &[Family::Alerts],
    summary: "Post to a channel of Discord by a webhook",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(DiscordConfig),
    parse: |options| {
        let config = options.read::<DiscordConfig>()?;
        match config.fault() {
            None => Ok(Arc::new(config)),
            Some((key, why)) => Err(options.error_at(key, why)),
        }
    },
};

impl Validated for DiscordConfig {
    /// Reads what TLS trusts; reaches nothing.
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        if let Some((key, why)) = self.fault() {
            return Err(errors::option(key, why));
        }
        let common = self.common();
        let poster = Poster::new("discord", &common)?;
        let url = self.webhook_url.reveal();
        let host = url.host_str().unwrap_or_default().to_owned();
        let discord = Discord { config: self.clone(), host };
        Ok(Arc::new(Single::new(discord, poster, wire::post_url(url), common.profile())))
    }
}

struct Discord {
    config: DiscordConfig,
    /// The global limit is that of the service.
    host: String,
}

/// Until when no webhook of a host may be used. There is seldom more than one host.
static HELD: PerProcess<Mutex<Vec<(String, Instant)>>> = PerProcess::new();

impl Discord {
    fn hold(&self, wait: Duration) {
        let mut held = HELD.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        held.retain(|(_, until)| *until > now);
        held.push((self.host.clone(), now + wait));
    }
}

#[async_trait]
impl Service for Discord {
    fn body(&self, event: &Event) -> Result<Vec<u8>, Error> {
        wire::body(&self.config, event).map_err(|why| errors::no_body(&why))
    }

    fn may_send(&self) -> Result<(), Error> {
        let held = HELD.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let until = held.iter().filter(|(host, _)| *host == self.host).map(|(_, until)| *until).max();
        match until.map(|until| until.saturating_duration_since(now)) {
            Some(wait) if !wait.is_zero() => Err(errors::held(wait)),
            _ => Ok(()),
        }
    }

    fn receipt(&self, response: &Response, context: Context<'_>) -> Result<Option<Duration>, Error> {
        if response.is_success() && wire::is_said_by_discord(&response.body) {
            return Ok(errors::pause(response, Timestamp::now()));
        }
        let error = errors::sort(response, context);
        if errors::is_global(response) {
            self.hold(error.retry_after().unwrap_or(Duration::from_secs(1)));
        }
        Err(error)
    }

    /// Asks for the webhook, which its address alone allows.
    async fn probe(&self, poster: &Poster) -> Result<String, Error> {
        self.may_send()?;
        let url = poster.url().reveal();
        let exchange = poster.send("GET", url, Vec::new(), bytes::Bytes::new()).await?;
        self.receipt(&exchange.response, poster.context())?;
        let webhook: serde_json::Value = serde_json::from_slice(&exchange.response.body).unwrap_or_default();
        let text = |key: &str| webhook.get(key).and_then(serde_json::Value::as_str).unwrap_or("?").to_owned();
        Ok(format!("webhook `{}` in channel {}", text("name"), text("channel_id")))
    }
}
