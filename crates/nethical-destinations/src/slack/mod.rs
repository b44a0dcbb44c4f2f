//! Slack's incoming webhooks.

mod config;
mod errors;
mod fields;
mod fit;
mod limits;
mod spread;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nethical_core::delivery::{Destination, Error, Settings};
use nethical_core::event::{Event, Family};

pub use self::config::SlackConfig;
use crate::http::errors::sort_reached;
use crate::support::http::Response;
use crate::support::webhook::{Context, Poster, Service, Single};
use crate::{Descriptor, Validated};

/// Slack's incoming webhooks.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "slack",
    families: &[Family::Alerts],
    summary: "Post to a channel of Slack by an incoming webhook",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(SlackConfig),
    parse: |options| {
        let config = options.read::<SlackConfig>()?;
        match config.common().fault() {
            None => Ok(Arc::new(config)),
            Some((key, why)) => Err(options.error_at(key, why)),
        }
    },
};

impl Validated for SlackConfig {
    /// Reads what TLS trusts; reaches nothing.
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        let common = self.common();
        if let Some((key, why)) = common.fault() {
            return Err(errors::option(key, why));
        }
        let poster = Poster::new("slack", &common)?;
        let url = self.webhook_url.reveal().clone();
        Ok(Arc::new(Single::new(Slack(self.clone()), poster, url, common.profile())))
    }

    /// "1 per second": one message a second, unless told otherwise.
    fn settings(&self, usual: Settings) -> Settings {
        Settings { rate_limit_per_sec: usual.rate_limit_per_sec.or(Some(1.0)), ..usual }
    }
}

struct Slack(SlackConfig);

#[async_trait]
impl Service for Slack {
    fn body(&self, event: &Event) -> Result<Vec<u8>, Error> {
        wire::body(&self.0, event).map_err(|why| errors::no_body(&why))
    }

    fn receipt(&self, response: &Response, context: Context<'_>) -> Result<Option<Duration>, Error> {
        if errors::is_success(response) { Ok(None) } else { Err(errors::sort(response, context)) }
    }

    /// Asks with HEAD, which posts nothing: Slack has no way to try a webhook.
    async fn probe(&self, poster: &Poster) -> Result<String, Error> {
        let response = poster.reach().await?;
        if let Some(error) = sort_reached(&response, poster.context()) {
            return Err(error);
        }
        Ok(format!(
            "{} answers; whether the webhook works shows only a message: `nethical check --send` posts one",
            poster.shown()
        ))
    }
}
