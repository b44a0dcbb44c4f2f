use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::template::Template;
use crate::support::webhook::signature::Key;
use crate::support::webhook::{Common, Headers, Seconds, SecretText, WebhookUrl};

/// Options of `http`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The address to post to. Shown, only its host is seen.
    pub url: WebhookUrl,
    /// Headers beside the usual ones; one of the same name takes its place. Their values are never shown.
    #[serde(default)]
    pub headers: Headers,
    /// Seconds that an attempt may take.
    #[serde(default = "thirty")]
    pub timeout: Seconds,
    /// Attempts in all for a delivery that is waited for. What is queued is tried until the receiver is well.
    #[serde(default = "three")]
    #[schemars(range(max = 100))]
    pub max_retries: u32,
    /// Seconds before the second attempt.
    #[serde(default = "one")]
    pub retry_delay: Seconds,
    /// By what each wait is longer than the one before it.
    #[serde(default = "two")]
    #[schemars(range(min = 1))]
    pub backoff_factor: f64,
    /// Seconds after which a delivery that is waited for is given up, whatever the receiver asks for.
    #[serde(default = "sixty")]
    pub total_timeout: Seconds,
    /// Secret with which messages are signed (Standard Webhooks, `v1`): `whsec_` and base64, or any text.
    #[serde(default)]
    pub secret: Option<SecretText>,
    /// Further secrets to sign with, while receivers change from one to another.
    #[serde(default)]
    pub secrets: Vec<SecretText>,
    /// A header that gets the plain signature `sha256=...` of the body with the first secret.
    #[serde(default)]
    pub sha256_header: Option<String>,
    /// What is sent: `"guide"`, `"standard"` or `{ template = "..." }`.
    #[serde(default)]
    pub body: Body,
    /// How this client calls itself.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// `true`: everything is done but the request itself.
    #[serde(default)]
    pub dry_run: bool,
    /// `true`: nothing is sent to private, local or otherwise special networks. For addresses that come from data.
    #[serde(default)]
    pub ssrf_guard: bool,
    /// Networks that the guard lets through, such as `10.1.0.0/16`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub ssrf_allow: Vec<ipnet::IpNet>,
}

/// What is sent.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// `{event_type, data, timestamp, metadata}`.
    #[default]
    Guide,
    /// `{type, timestamp, data}`, and `metadata` if there is any.
    Standard,
    /// What this Jinja template makes of `event_type`, `data`, `timestamp`, `metadata`, `id` and `level`. Values are
    /// written as JSON.
    Template(String),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guide => "guide",
            Self::Standard => "standard",
            Self::Template(_) => "template",
        })
    }
}

pub(crate) const fn three() -> u32 {
    3
}

pub(crate) const fn two() -> f64 {
    2.0
}

pub(crate) const fn one() -> Seconds {
    Seconds::of(1)
}

pub(crate) const fn thirty() -> Seconds {
    Seconds::of(30)
}

pub(crate) const fn sixty() -> Seconds {
    Seconds::of(60)
}

impl HttpConfig {
    /// The usual options for this address.
    pub fn new(url: WebhookUrl) -> Self {
        Self {
            url,
            headers: Headers::default(),
            timeout: thirty(),
            max_retries: three(),
            retry_delay: one(),
            backoff_factor: two(),
            total_timeout: sixty(),
            secret: None,
            secrets: Vec::new(),
            sha256_header: None,
            body: Body::Guide,
            user_agent: None,
            dry_run: false,
            ssrf_guard: false,
            ssrf_allow: Vec::new(),
        }
    }

    /// What tells this destination from others that have no name of their own.
    pub fn identity(&self) -> String {
        self.url.reveal().to_string()
    }

    pub(super) fn common(&self) -> Common<'_> {
        Common {
            url: &self.url,
            timeout: self.timeout,
            max_retries: self.max_retries,
            retry_delay: self.retry_delay,
            backoff_factor: self.backoff_factor,
            total_timeout: self.total_timeout,
            user_agent: self.user_agent.as_deref(),
            ssrf_guard: self.ssrf_guard,
            ssrf_allow: &self.ssrf_allow,
        }
    }

    /// The secrets, in the order in which they sign.
    pub(super) fn keys(&self) -> Result<Vec<Key>, (&'static str, &'static str)> {
        let of =
            |key: &'static str| move |secret: &SecretText| secret.reveal().parse().map_err(|why| (key, why));
        self.secret.iter().map(of("secret")).chain(self.secrets.iter().map(of("secrets"))).collect()
    }

    /// The first option that cannot work, and why. Touches nothing.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        if let Some((key, why)) = self.common().fault() {
            return Some((key, why.to_owned()));
        }
        if let Some((name, why)) = self.headers.fault() {
            return Some(("headers", format!("`{name}` {why}")));
        }
        match self.keys() {
            Err((key, why)) => return Some((key, why.to_owned())),
            Ok(keys) if self.sha256_header.is_some() && keys.is_empty() => {
                return Some(("sha256_header", "there is no `secret` to sign with".to_owned()));
            }
            Ok(_) => {}
        }
        if self.sha256_header.as_deref().is_some_and(|name| http::HeaderName::try_from(name).is_err()) {
            return Some(("sha256_header", "this is no name of a header".to_owned()));
        }
        match &self.body {
            Body::Template(text) => Template::new(text).err().map(|why| ("body", why)),
            _ => None,
        }
    }
}
