//! Through the server, which passes them on to its own store.

use bytes::Bytes;
use nethical_core::delivery::Error;
use serde_json::Value;

use super::multipart;
use super::source::Source;
use crate::mlflow::errors;
use crate::mlflow::server::Server;
use crate::mlflow::wire::percent;
use crate::support::http::{Request, Response};

pub(super) const API: &str = "/api/2.0/mlflow-artifacts/";

/// Where the server takes the artifacts of a run.
pub(super) struct Proxy {
    /// Another host than the server's, if one is named.
    host: String,
    /// The run's folder there: `1/<run>/artifacts`.
    root: String,
}

impl Proxy {
    /// `mlflow-artifacts:/1/R/artifacts`, `mlflow-artifacts://host:port/1/R/artifacts`, or the whole address.
    pub(super) fn of(server: &Server, uri: &str) -> Self {
        let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
        let (host, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        let whole =
            path.split_once("/mlflow-artifacts/artifacts").filter(|_| !uri.starts_with("mlflow-artifacts"));
        let path = whole.map_or(path, |(_, path)| path);
        let host = if server.address.url("/").contains(&format!("//{host}/")) { "" } else { host };
        Self { host: host.to_owned(), root: path.trim_matches('/').to_owned() }
    }

    /// The address of something of the run.
    pub(super) fn url(&self, server: &Server, what: &str, path: &str) -> String {
        let parts: Vec<_> =
            self.root.split('/').chain(path.split('/')).filter(|part| !part.is_empty()).collect();
        let parts: Vec<_> = parts.into_iter().map(percent).collect();
        server.address.url_on(&self.host, &format!("{API}{what}/{}", parts.join("/")))
    }

    pub(super) async fn put(&self, server: &Server, path: &str, source: &Source) -> Result<(), Error> {
        if multipart::is_worth_it(server, source).await && multipart::put(self, server, path, source).await? {
            return Ok(());
        }
        let headers = vec![("content-type".to_owned(), content_type(path).to_owned())];
        let url = self.url(server, "artifacts", path);
        let mut request = Request { method: "PUT", url, headers, body: Bytes::new() };
        let response = if server.auth.signs() {
            request.body = source.read_whole().await?;
            server.auth.apply(&mut request).await?;
            server
                .http
                .send(request)
                .await
                .map_err(|failure| errors::unanswered(&failure, server.address.shown()))?
        } else {
            server.auth.apply(&mut request).await?;
            let (pieces, trouble) = source.read();
            let sent = server.http.upload(request, source.size(), pieces).await;
            sent.map_err(|failure| trouble.or(errors::unanswered(&failure, server.address.shown())))?
        };
        self.judge(server, path, &response).await
    }

    async fn judge(&self, server: &Server, path: &str, response: &Response) -> Result<(), Error> {
        if response.is_success() {
            return Ok(());
        }
        let error = errors::sort(response, &format!("artifact `{path}`"), server.address.shown());
        if response.status == 500 && self.is_in_the_way(server, path).await {
            let text = format!("the run has a folder where `{path}` is to be, or a file above it");
            return Err(Error::refused("mlflow.artifact_path", text).with_hint("log it under another name"));
        }
        Err(error)
    }

    /// Whether something keeps a file from being at this path: a folder there, or a file above. The server only says
    /// that it failed.
    async fn is_in_the_way(&self, server: &Server, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            let (above, is_target) = (path.get(..end).unwrap_or_default(), end == path.len());
            let (folder, name) = above.rsplit_once('/').unwrap_or(("", above));
            let call = format!(
                "{API}artifacts?path={}",
                percent(format!("{}/{folder}", self.root).trim_end_matches('/'))
            );
            let mut listed = server.ask("GET", &call, "artifacts", None).await;
            if listed.is_err() {
                // A server that answers before it has read all breaks that connection.
                listed = server.ask("GET", &call, "artifacts", None).await;
            }
            let Ok(listed) = listed else { return false };
            let files = listed.get("files").and_then(Value::as_array).into_iter().flatten();
            let mut same = files.filter(|file| file.get("path").and_then(Value::as_str) == Some(name));
            let is_folder = |file: &Value| file.get("is_dir").and_then(Value::as_bool).unwrap_or(false);
            if same.any(|file| is_folder(file) == is_target) {
                return true;
            }
        }
        false
    }
}

/// What MLflow shows as text.
fn content_type(path: &str) -> &'static str {
    const TEXTS: &str =
        " txt log json jsonl yaml yml md csv tsv py js toml cfg conf ini sh r sql xml err out ";
    let end = path.rsplit_once('.').map_or("", |(_, end)| end).to_ascii_lowercase();
    let is_text = !end.is_empty() && TEXTS.contains(&format!(" {end} "));
    if is_text { "text/plain" } else { "application/octet-stream" }
}
