use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::template::Template;
use crate::support::webhook::signature::Key;
use crate::support::webhook::{Headers, SecretText, options};

options! {
    /// Options of `http`.
    pub struct HttpConfig {
        /// The address to post to. Shown, only its host is seen.
        address: url,
        /// Headers beside the usual ones; one of the same name takes its place. Their values are never shown.
        headers: Headers,
        /// Secret with which messages are signed (Standard Webhooks, `v1`): `whsec_` and base64, or any text.
        secret: Option<SecretText>,
        /// Further secrets to sign with, while receivers change from one to another.
        secrets: Vec<SecretText>,
        /// A header that gets the plain signature `sha256=...` of the body with the first secret.
        sha256_header: Option<String>,
        /// What is sent: `"guide"`, `"standard"` or `{ template = "..." }`.
        body: Body,
    }
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

impl HttpConfig {
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
