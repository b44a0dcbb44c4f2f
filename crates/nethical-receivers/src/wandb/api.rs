//! Requests to answers.

use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::state::State;
use super::{Call, Trouble};
use crate::http::{Answer, Handler, Request};

/// What an operation says: data, or why not, with a status.
pub(super) type Said = Result<Value, (u16, String)>;

impl Handler for Mutex<State> {
    fn answer(&self, request: Request) -> Answer {
        let mut state = self.lock().unwrap_or_else(PoisonError::into_inner);
        let zipped = request.header("content-encoding") == Some("gzip");
        let body = if zipped { unzip(&request.body) } else { request.body.clone() };
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        let operation = operation(&request, &json);
        let trouble = state.trouble(&operation);
        let kept = if operation == "put" { Value::Null } else { json.clone() };
        let at = Instant::now();
        state.calls.push(Call { operation: operation.clone(), at, body: kept, zipped, trouble });
        if zipped && !state.behaviour.features.contains("FILESTREAM_GZIP") {
            state.violation("a compressed request, which was not offered".to_owned());
        }
        let answer = match trouble {
            Some(Trouble::Status(status)) => error(status, "injected"),
            Some(Trouble::RateLimited(after)) => {
                error(429, "slow down").header("retry-after", after.to_string())
            }
            Some(Trouble::DropRequest) => Answer::close(),
            Some(Trouble::Page) => {
                Answer::new(200).header("content-type", "text/html").body("<html>log in</html>")
            }
            Some(Trouble::DropAnswer) => {
                serve(&mut state, &request, &operation, &json, &body);
                Answer::close()
            }
            None => serve(&mut state, &request, &operation, &json, &body),
        };
        match state.behaviour.rate_limit {
            Some((remaining, reset)) => answer
                .header("ratelimit-remaining", remaining.to_string())
                .header("ratelimit-reset", reset.to_string()),
            None => answer,
        }
    }
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // What does not unpack is no JSON either.
    let _ = flate2::read::GzDecoder::new(bytes).read_to_end(&mut out);
    out
}

fn error(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({ "errors": [{ "message": message }], "data": null }))
}

/// The name of what is wanted.
fn operation(request: &Request, json: &Value) -> String {
    if request.path().ends_with("/file_stream") {
        return "file_stream".to_owned();
    }
    if request.path().starts_with("/storage/") {
        return "put".to_owned();
    }
    let named =
        json.get("operationName").and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned);
    let query = json.get("query").and_then(Value::as_str).unwrap_or_default();
    named.unwrap_or_else(|| {
        let mut words =
            query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        words.by_ref().find(|word| matches!(*word, "query" | "mutation"));
        words.next().unwrap_or("unnamed").to_owned()
    })
}

fn serve(state: &mut State, request: &Request, operation: &str, json: &Value, body: &[u8]) -> Answer {
    if operation == "put" {
        if request.header("authorization").is_some() {
            state.violation("a key sent to an upload address".to_owned());
        }
        return put(state, request, body);
    }
    if !is_authorized(state, request) {
        return error(401, "user is not logged in");
    }
    if operation == "file_stream" {
        return match super::runs::file_stream(state, request.path(), json) {
            Ok(taken) => Answer::json(200, &taken),
            Err((status, message)) => error(status, &message),
        };
    }
    let host = request.header("host").unwrap_or_default();
    match graphql(state, operation, json.get("variables").unwrap_or(&Value::Null), &format!("http://{host}"))
    {
        Ok(data) => Answer::json(200, &json!({ "data": data })),
        Err((status, message)) => error(status, &message),
    }
}

fn is_authorized(state: &State, request: &Request) -> bool {
    let given = request.header("authorization").and_then(|text| text.strip_prefix("Basic "));
    let pair =
        given.and_then(|text| STANDARD.decode(text).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    let key = pair.as_deref().and_then(|pair| pair.strip_prefix("api:")).unwrap_or_default();
    state.behaviour.key.as_ref().map_or(key.len() >= 40, |known| known == key)
}

fn put(state: &mut State, request: &Request, body: &[u8]) -> Answer {
    let number = request.path().trim_start_matches("/storage/").parse::<usize>().ok();
    let Some(slot) = number.and_then(|number| state.slots.get(number).cloned()) else {
        return Answer::new(403);
    };
    match super::artifacts::store(state, slot, request.header("content-md5"), body) {
        Ok(()) => Answer::new(200).header("etag", super::artifacts::tag(body)),
        Err(message) => {
            state.violation(message);
            Answer::new(400)
        }
    }
}

fn graphql(state: &mut State, operation: &str, variables: &Value, base: &str) -> Said {
    match operation {
        "UpsertBucket" => super::runs::upsert(state, variables),
        "RunResumeStatus" => Ok(super::runs::resume_status(state, variables)),
        "CreateRunFiles" => super::runs::files(state, variables, base),
        "Viewer" => Ok(viewer(state)),
        "ServerFeaturesQuery" | "ServerInfo" => Ok(features(state)),
        "Project" => Ok(project(state, variables)),
        "RunStoppedStatus" => {
            let id = variables.get("runId").and_then(Value::as_str).unwrap_or_default();
            Ok(json!({ "project": { "run": { "stopped": state.behaviour.stopped.contains(id) } } }))
        }
        "CreateArtifact" => super::artifacts::create(state, variables),
        "CreateArtifactManifest" => super::artifacts::manifest(state, variables, base),
        "CreateArtifactFiles" => super::artifacts::files(state, variables, base),
        "ArtifactType" => Ok(super::artifacts::kind(state, variables)),
        "CompleteMultipartUploadArtifact" => super::artifacts::complete(state, variables),
        "CommitArtifact" => super::artifacts::commit(state, variables),
        "OrganizationCoreWeaveOrganizationID" => {
            Ok(json!({ "entity": { "organization": { "coreWeaveOrganizationId": null } } }))
        }
        _ => Ok(json!({})),
    }
}

fn viewer(state: &State) -> Value {
    let entity = &state.behaviour.entity;
    json!({ "viewer": { "id": "VXNlcjox", "entity": entity, "username": entity, "email": null, "admin": false,
        "flags": "{}", "deletedAt": null, "apiKeys": { "edges": [] },
        "teams": { "edges": [{ "node": { "name": entity } }] } } })
}

fn features(state: &State) -> Value {
    let one = |name: &String| json!({ "name": name, "isEnabled": true });
    let features: Vec<_> = state.behaviour.features.iter().map(one).collect();
    json!({ "serverInfo": { "features": features, "cliVersionInfo": { "max_cli_version": "0.99.0" },
        "latestLocalVersionInfo": null, "exposesExplicitlyEnabledFeatures": true } })
}

fn project(state: &State, variables: &Value) -> Value {
    let name = variables.get("project").and_then(Value::as_str).unwrap_or_default();
    let known = state.runs.keys().any(|(_, project, _)| project == name);
    json!({ "project": known.then(|| json!({ "id": "UHJvamVjdDox", "name": name })) })
}
