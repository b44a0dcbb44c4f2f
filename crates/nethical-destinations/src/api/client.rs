//! Asking an API, and telling it something.

use std::sync::{Arc, Mutex, PoisonError};

use nethical_core::delivery::{Error, runtime};
use serde_json::{Map, Value};

use super::config::ApiConfig;
use super::{errors, wire};
use crate::http::errors::sort;
use crate::support::webhook::{Exchange, Poster};

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 16 << 20;

/// What an API answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiResponse {
    /// The status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, which is text mostly.
    pub body: bytes::Bytes,
}

impl ApiResponse {
    /// Whether the status is one of success.
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Its body as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// A client for one API. Every call waits for the answer, and is made once.
///
/// ```no_run
/// use nethical_destinations::api::{ApiClient, ApiConfig};
/// use nethical_destinations::support::webhook::SecretText;
/// use serde_json::json;
///
/// let mut config = ApiConfig::new("https://api.example.com".parse().unwrap());
/// config.api_key = Some(SecretText::new("your-api-key"));
/// let api = ApiClient::new(config)?;
/// if api.authenticate()? {
///     api.send_data(&json!({ "metric": "model_accuracy", "value": 0.95 }));
///     let data = api.receive_data(&[])?;
///     println!("{} keys", data.len());
/// }
/// # Ok::<(), nethical_core::delivery::Error>(())
/// ```
pub struct ApiClient {
    config: ApiConfig,
    poster: Arc<Poster>,
    last: Mutex<Option<Result<ApiResponse, Error>>>,
}

impl std::fmt::Debug for ApiClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiClient").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ApiClient {
    /// A client with these options. Reaches nothing.
    ///
    /// # Errors
    /// An option that cannot work.
    pub fn new(config: ApiConfig) -> Result<Self, Error> {
        if let Some((key, why)) = config.fault() {
            return Err(errors::option(key, &why));
        }
        let poster = Arc::new(Poster::new("api", &config.common())?.reading(MAX_ANSWER));
        Ok(Self { config, poster, last: Mutex::default() })
    }

    /// Its options.
    pub const fn config(&self) -> &ApiConfig {
        &self.config
    }

    /// Ask whether the key is taken: by GET. 404 and 405 say that somebody is known who asked for the wrong thing.
    ///
    /// # Errors
    /// If there is no answer, or one that says nothing of the key.
    pub fn authenticate(&self) -> Result<bool, Error> {
        if self.config.api_key.is_none() {
            return Ok(false);
        }
        let exchange = self.request("GET", self.config.at(self.config.auth_path.as_deref()), None)?;
        match exchange.status {
            200..=299 | 404 | 405 => Ok(true),
            401 | 403 => Ok(false),
            _ => Err(self.sorted(&exchange)),
        }
    }

    /// Send data as JSON, by POST. Whether the API took it; [`last_response`](Self::last_response) says more.
    pub fn send_data(&self, data: &Value) -> bool {
        self.send(data).is_ok_and(|response| response.is_success())
    }

    /// Send data as JSON, by POST. An answer of any status is an answer.
    ///
    /// # Errors
    /// If there is none.
    pub fn send(&self, data: &Value) -> Result<ApiResponse, Error> {
        self.request("POST", self.config.at(self.config.send_path.as_deref()), Some(data.to_string()))
    }

    /// Ask for data, by GET with these parameters. What is no object becomes one: a list `{"items": [...]}`, all else
    /// `{"value": ...}`.
    ///
    /// # Errors
    /// If there is no answer, or one that is no success or no JSON.
    pub fn receive_data(&self, parameters: &[(String, String)]) -> Result<Map<String, Value>, Error> {
        let mut url = self.config.at(self.config.receive_path.as_deref());
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let response = self.request("GET", url, None)?;
        if !response.is_success() {
            return Err(self.sorted(&response));
        }
        if response.body.is_empty() {
            return Ok(Map::new());
        }
        match response.json() {
            Ok(value) => Ok(wire::object(value)),
            Err(_) => Err(errors::no_json(self.poster.shown(), response.body.len() >= MAX_ANSWER)),
        }
    }

    /// The last answer, or why there was none. `None` before the first call.
    pub fn last_response(&self) -> Option<Result<ApiResponse, Error>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn request(
        &self,
        method: &'static str,
        url: url::Url,
        body: Option<String>,
    ) -> Result<ApiResponse, Error> {
        let headers = self.config.call_headers(body.is_some());
        let poster = Arc::clone(&self.poster);
        let call = async move { poster.send(method, &url, headers, body.unwrap_or_default()).await };
        let answer = runtime::wait(call).and_then(|answer| answer);
        let answer = answer.map(|Exchange { response, .. }| ApiResponse {
            status: response.status,
            headers: response.headers,
            body: response.body,
        });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.clone());
        answer
    }

    fn sorted(&self, response: &ApiResponse) -> Error {
        let ApiResponse { status, headers, body } = response.clone();
        sort(&crate::support::http::Response { status, headers, body }, self.poster.context())
    }
}
