use crate::support::webhook::{Headers, SecretText, options};

options! {
    /// Options of `api`.
    pub struct ApiConfig {
        /// The address of the API. Shown, only its host is seen.
        address: base_url,
        /// The key. Never shown.
        api_key: Option<SecretText>,
        /// The header that carries the key. Without it `Authorization`, which says `Bearer KEY` unless the key names a
        /// scheme itself, such as `Basic dXNlcjpw`.
        auth_header: Option<String>,
        /// Headers beside the usual ones. Their values are never shown.
        headers: Headers,
        /// What is asked to see whether the key is taken, below the address. Without it the address itself.
        auth_path: Option<String>,
        /// Where data is sent, below the address. Without it the address itself.
        send_path: Option<String>,
        /// Where data is asked for, below the address. Without it the address itself.
        receive_path: Option<String>,
    }
}

impl ApiConfig {
    /// The first option that cannot work, and why. Touches nothing.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        if let Some((key, why)) = self.common().fault() {
            return Some((key, why.to_owned()));
        }
        if let Some((name, why)) = self.headers.fault() {
            return Some(("headers", format!("`{name}` {why}")));
        }
        if let Some((name, value)) = self.authorization() {
            if http::HeaderName::try_from(&name).is_err() {
                return Some(("auth_header", "this is no name of a header".to_owned()));
            }
            if http::HeaderValue::try_from(&value).is_err() {
                return Some(("api_key", "no header can have this value: a line end, perhaps".to_owned()));
            }
        }
        None
    }
}
