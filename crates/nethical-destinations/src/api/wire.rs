//! What calls consist of, as pure functions: headers, addresses, and what is made of an answer.

use serde_json::{Map, Value};

use super::config::ApiConfig;

/// An answer as an object: a list as its `items`, all else that is none as its `value`.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(data) => data,
        Value::Array(items) => Map::from_iter([("items".to_owned(), items.into())]),
        value => Map::from_iter([("value".to_owned(), value)]),
    }
}

impl ApiConfig {
    /// The header that carries the key.
    pub(super) fn authorization(&self) -> Option<(String, String)> {
        let key = self.api_key.as_ref()?.reveal();
        let name = self.auth_header.as_deref().unwrap_or("Authorization");
        let has_scheme = key.trim().contains(' ');
        let value = if name.eq_ignore_ascii_case("authorization") && !has_scheme {
            format!("Bearer {key}")
        } else {
            key.to_owned()
        };
        Some((name.to_owned(), value))
    }

    /// All headers of a request of one's own.
    pub(super) fn all_headers(&self) -> Vec<(String, String)> {
        let given = self.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        given.chain(self.authorization()).collect()
    }

    /// The address of what is below this path.
    pub(super) fn at(&self, path: Option<&str>) -> url::Url {
        let mut url = self.base_url.reveal().clone();
        let path = path.unwrap_or_default().trim_start_matches('/');
        if !path.is_empty() {
            let (path, query) =
                path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
            let base = url.path().trim_end_matches('/').to_owned();
            url.set_path(&format!("{base}/{path}"));
            if query.is_some() {
                url.set_query(query);
            }
        }
        url
    }

    /// The headers of a call, with a body or without.
    pub(super) fn call_headers(&self, with_body: bool) -> Vec<(String, String)> {
        let mut headers = self.all_headers();
        for (name, wanted) in [("content-type", with_body), ("accept", true)] {
            if wanted && !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                headers.push((name.to_owned(), "application/json".to_owned()));
            }
        }
        headers
    }
}
