//! The requests. Each is sent once; when to try again is decided elsewhere.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use nethical_core::delivery::{Error, Kind, runtime};
use nethical_core::fork::PerProcess;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::file::{Part, pieces};
use super::graphql::{self, Features, Query, Said, Target};
use super::wire::{self, Taken};
use super::{errors, limits};
use crate::support::http::{Client, Deadlines, Request, Response};

/// Bytes of an answer that are read where a run's whole configuration may be in it.
const MOST_ANSWER: usize = limits::LARGEST_CONFIG * 4;

/// A server and the key for it.
#[derive(Clone)]
pub(crate) struct Api {
    /// Made for the first request: the system's certificates take milliseconds, which no caller waits for. A forked
    /// child cannot use the connections of its parent.
    http: Arc<PerProcess<Result<Client, Error>>>,
    base_url: String,
    authorization: String,
    timeout: Option<Duration>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// Under which names a server has a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) entity: String,
    pub(crate) project: String,
    pub(crate) run: String,
}

impl Api {
    /// A server and a key for it.
    pub(crate) fn new(base_url: &str, key: &str) -> Self {
        let authorization = format!("Basic {}", STANDARD.encode(format!("api:{key}")));
        let base_url = base_url.trim_end_matches('/').to_owned();
        Self { http: Arc::default(), base_url, authorization, timeout: None }
    }

    /// The same, and no request takes longer than this.
    pub(crate) fn within(self, timeout: Option<Duration>) -> Self {
        Self { timeout, ..self }
    }

    /// The client.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    async fn http(&self) -> Result<Client, Error> {
        if let Some(made) = self.http.existing() {
            return made.clone();
        }
        let (http, timeout) = (Arc::clone(&self.http), self.timeout);
        runtime::blocking(move || http.get(|| client(timeout)).clone()).await?
    }

    /// Where the server is.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    fn headers(&self) -> Vec<(String, String)> {
        let content_type = ("content-type".to_owned(), "application/json".to_owned());
        vec![("authorization".to_owned(), self.authorization.clone()), content_type]
    }

    /// A GraphQL operation.
    ///
    /// # Errors
    /// If it was not answered, or refused.
    pub(super) async fn query<T: DeserializeOwned>(
        &self,
        query: Query,
        variables: &Value,
    ) -> Result<T, Error> {
        let body = graphql::query(query, variables).into();
        let url = format!("{}/graphql", self.base_url);
        let request = Request { method: "POST", url, headers: self.headers(), body };
        let answer = self.http().await?.send(request).await;
        let response =
            answer.map_err(|failure| in_doubt(errors::unanswered(&failure, &self.base_url), &failure))?;
        if !response.is_success() {
            return Err(errors::refused(&response, query.name()));
        }
        match graphql::read(&response.body) {
            Said::Data(data) => Ok(data),
            Said::Complaint(said) => Err(errors::complained(query, &said)),
            Said::Nonsense => Err(errors::not_an_answer(query.name())),
        }
    }

    /// Sends the body of a chunk, compressed if it is so. Also says how long to wait before the next one, if the server's limits ask for it.
    ///
    /// # Errors
    /// If it was not answered, or refused.
    pub(super) async fn stream(
        &self,
        place: &Place,
        body: Vec<u8>,
        gzip: bool,
    ) -> Result<(Taken, Option<Duration>), Error> {
        let Place { entity, project, run } = place;
        let [entity, project, run] = [entity, project, run].map(|name| escape(name));
        let url = format!("{}/files/{entity}/{project}/{run}/file_stream", self.base_url);
        let mut headers = self.headers();
        if gzip {
            headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
        }
        let request = Request { method: "POST", url, headers, body: body.into() };
        let answer = self.http().await?.send(request).await;
        let response =
            answer.map_err(|failure| in_doubt(errors::unanswered(&failure, &self.base_url), &failure))?;
        if !response.is_success() {
            return Err(errors::refused(&response, "file_stream"));
        }
        let taken = wire::read(&response.body).ok_or_else(|| errors::not_an_answer("file_stream"))?;
        Ok((taken, errors::spread(&response)))
    }

    /// Puts a part of a file where the server said. The address carries its own permission: no key goes there.
    ///
    /// # Errors
    /// If it was not answered, or refused.
    pub(super) async fn put(&self, url: &str, headers: &[String], part: Part) -> Result<Response, Error> {
        let headers = headers.iter().filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
        let what = format!("upload of {}", part.path.display());
        let request = Request { method: "PUT", url: url.to_owned(), headers, body: Bytes::new() };
        let answer = self.http().await?.upload(request, part.length, pieces(part)).await;
        let response = answer.map_err(|failure| errors::unanswered(&failure, url))?;
        if response.is_success() {
            return Ok(response);
        }
        Err(match response.status {
            // The address has expired: a fresh one is asked for.
            401 | 403 | 404 | 410 => {
                Error::unavailable("wandb.upload_address", format!("wandb: {what}: HTTP {}", response.status))
            }
            _ => errors::refused(&response, &what),
        })
    }

    /// Puts something small.
    pub(super) async fn put_request(&self, request: Request) -> Result<(), Error> {
        let url = request.url.clone();
        let answer = self.http().await?.send(request).await;
        let response = answer.map_err(|failure| errors::unanswered(&failure, &url))?;
        if response.is_success() { Ok(()) } else { Err(errors::refused(&response, "upload of a manifest")) }
    }

    /// Whether the server takes compressed requests. One that does not know the question does not.
    pub(super) async fn takes_gzip(&self) -> bool {
        let features = self.query::<Features>(Query::Features, &json!({})).await;
        features.is_ok_and(|features| features.has("FILESTREAM_GZIP"))
    }

    /// Puts a file of the run where the server wants it.
    pub(super) async fn put_whole(
        &self,
        target: &Target,
        path: &std::path::Path,
        size: u64,
    ) -> Result<(), Error> {
        let Some(url) = &target.upload_url else { return Ok(()) };
        let part = Part { path: path.to_owned(), start: 0, length: size };
        self.put(url, &target.upload_headers, part).await.map(drop)
    }
}

fn client(timeout: Option<Duration>) -> Result<Client, Error> {
    let [connect, first_byte, total] = [5, 60, 180].map(Duration::from_secs);
    let deadlines = Deadlines { connect, first_byte, total }.within(timeout);
    Ok(Client::new(deadlines)?.reading(MOST_ANSWER))
}

fn in_doubt(error: Error, failure: &crate::support::http::Failure) -> Error {
    if failure.is_in_doubt() && error.kind() == Kind::Unavailable { error.in_doubt() } else { error }
}

/// Compresses a body.
pub(super) fn zipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

/// A name as a part of a path.
fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn names_are_escaped_and_keys_are_not_shown() {
        assert_eq!(escape("my project/é-1_2.x"), "my%20project%2F%C3%A9-1_2.x");
        let api = Api::new("https://api.wandb.ai/", "0123456789");
        assert_eq!(api.base_url(), "https://api.wandb.ai");
        assert!(!format!("{api:?}").contains("Basic"));
        let mut back = String::new();
        flate2::read::GzDecoder::new(&*zipped(b"some text")).read_to_string(&mut back).unwrap();
        assert_eq!(back, "some text");
    }
}
