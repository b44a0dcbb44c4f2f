//! Large files in parts, straight to the store behind the server, where the server offers it.

use std::env;

use bytes::Bytes;
use futures_util::future::try_join_all;
use nethical_core::delivery::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use super::proxy::{API, Proxy};
use super::source::Source;
use crate::mlflow::errors;
use crate::mlflow::server::Server;
use crate::support::http::Request;

/// Bytes from which a file goes in parts, as with MLflow's own client.
const LARGE: u64 = 500 << 20;
/// Bytes of one part, as with MLflow's own client.
const PART: u64 = 10 << 20;
/// Parts that are under way at the same time.
const AT_ONCE: usize = 4;

/// What the server answers to `mpu/create`.
#[derive(Debug, Deserialize)]
struct Created {
    #[serde(default)]
    upload_id: Option<String>,
    #[serde(default)]
    credentials: Vec<Credential>,
}

/// Where one part goes.
#[derive(Debug, Deserialize)]
struct Credential {
    url: String,
    part_number: u64,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
}

/// Whether this file is to go in parts: it is large, and the server or the environment offers it.
pub(super) async fn is_worth_it(server: &Server, source: &Source) -> bool {
    let least = number("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE").unwrap_or(LARGE);
    if source.size() < least.max(1) {
        return false;
    }
    let on = |value: String| ["true", "1"].contains(&value.to_lowercase().as_str());
    match env::var("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD") {
        Ok(value) => on(value),
        Err(_) => server.offers_parts().await,
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// Send a file in parts. `false`: the server does not do that for its store.
pub(super) async fn put(proxy: &Proxy, server: &Server, path: &str, source: &Source) -> Result<bool, Error> {
    source.check().await?;
    let size = number("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE").unwrap_or(PART).max(5 << 20);
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let call = |what: &str| {
        let url = proxy.url(server, &format!("mpu/{what}"), folder);
        let base = server.address.url("");
        url.strip_prefix(&base).map_or_else(|| format!("{API}mpu/{what}"), str::to_owned)
    };
    let wanted = json!({ "path": name, "num_parts": source.size().div_ceil(size) });
    let created = match post(server, &call("create"), wanted).await {
        Err(error) if error.code() == "mlflow.not_implemented" => return Ok(false),
        created => created?,
    };
    let created: Created = serde_json::from_value(created.clone()).map_err(|_| {
        errors::not_mlflow("mpu/create", server.address.shown(), created.to_string().as_bytes())
    })?;
    let end = |mut body: Value| {
        if let (Some(body), Some(id)) = (body.as_object_mut(), &created.upload_id) {
            body.insert("upload_id".to_owned(), id.as_str().into());
        }
        body
    };
    match send_all(server, source, &created.credentials, size).await {
        Ok(parts) => {
            let body = end(json!({ "path": name, "parts": parts }));
            post(server, &call("complete"), body).await?;
            Ok(true)
        }
        Err(error) => {
            // What the store keeps of it then is the store's to forget.
            let _ = post(server, &call("abort"), end(json!({ "path": name }))).await;
            Err(error)
        }
    }
}

/// Send the parts, some at a time. Returns what the store said of each, in order.
async fn send_all(
    server: &Server,
    source: &Source,
    parts: &[Credential],
    size: u64,
) -> Result<Vec<Value>, Error> {
    let mut sent = Vec::with_capacity(parts.len());
    for some in parts.chunks(AT_ONCE) {
        let mut under_way = Vec::with_capacity(AT_ONCE);
        for part in some {
            under_way.push(send(server, source, part, size));
        }
        sent.extend(try_join_all(under_way).await?);
    }
    Ok(sent)
}

async fn post(server: &Server, path: &str, body: Value) -> Result<Value, Error> {
    server.ask("POST", path, path.strip_prefix(API).unwrap_or(path), Some(body.to_string().into())).await
}

async fn send(server: &Server, source: &Source, part: &Credential, size: u64) -> Result<Value, Error> {
    let start = size.saturating_mul(part.part_number.saturating_sub(1));
    let length = source.size().saturating_sub(start).min(size);
    let body: Bytes = source.read_part(start, usize::try_from(length).unwrap_or(0)).await?;
    let headers =
        part.headers.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let request = Request { method: "PUT", url: part.url.clone(), headers: headers.collect(), body };
    // The address is signed for whoever has it, so it is never shown.
    let store = "the artifact store";
    let response = server.http.send(request).await.map_err(|failure| errors::unanswered(&failure, store))?;
    if !response.is_success() {
        let text = format!("part {} at {store}: {}", part.part_number, response.status);
        return Err(Error::unavailable("mlflow.part", text)
            .with_hint("nothing to do if it passes: it is tried again"));
    }
    let etag = response.header("etag").unwrap_or_default();
    Ok(json!({ "part_number": part.part_number, "etag": etag, "url": part.url }))
}
