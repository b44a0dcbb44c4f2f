//! The address of a webhook, which is a secret: who knows it can post.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};
use url::{ParseError, Url};

/// The address of a webhook. Shown, only its host is seen: `https://hooks.slack.com/…`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// The whole address, to be used and not to be shown.
    pub fn reveal(&self) -> &Url {
        &self.0
    }
}

impl FromStr for WebhookUrl {
    type Err = String;

    /// What is wrong with it, without the address itself.
    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text.trim()).map_err(|error| match error {
            ParseError::RelativeUrlWithoutBase => {
                "a web address starts with `https://` or `http://`".to_owned()
            }
            error => format!("this is no web address: {error}"),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "a web address starts with `https://` or `http://`, not `{}:`",
                url.scheme()
            ));
        }
        if url.host().is_none() {
            return Err("this web address has no host".to_owned());
        }
        Ok(Self(url))
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(url) = self;
        write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        let is_bare = url.path() == "/" && url.query().is_none();
        f.write_str(if is_bare { "/" } else { "/…" })
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for WebhookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl schemars::JsonSchema for WebhookUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WebhookUrl".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "uri", "pattern": "^https?://" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_is_shown() {
        for (url, shown) in [
            ("https://hooks.slack.com/services/T0/B0/secret", "https://hooks.slack.com/…"),
            ("https://user:secret@x.test/?token=secret", "https://x.test/…"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("http://[::1]:80/secret", "http://[::1]/…"),
        ] {
            let url: WebhookUrl = url.parse().unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), shown.to_owned()));
        }
        for wrong in ["", "hooks.slack.com/secret", "ftp://x.test/secret", "https://", "https://x:secret:y/"]
        {
            let error = wrong.parse::<WebhookUrl>().unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
