//! What an MLflow server answers, and what it means for the updates.

use jiff::Timestamp;
use nethical_core::delivery::{Error, Kind};
use serde::Deserialize;

use crate::support::http::{Failure, Phase, Response};

/// The body of an error: `{"error_code": "...", "message": "..."}`, with more in later versions.
#[derive(Debug, Deserialize)]
struct Body {
    error_code: String,
    #[serde(default)]
    message: String,
}

/// Bytes of a server's own words that are shown.
const SHOWN: usize = 300;

/// Nothing, or half an answer, came from `server`.
pub(super) fn unanswered(failure: &Failure, server: &str) -> Error {
    let (what, code, hint) = match failure.phase() {
        Phase::Request => {
            let text = format!("cannot ask {server}: {failure}");
            return Error::config("mlflow.request", text).with_hint("see `tracking_uri`");
        }
        Phase::Lookup => {
            ("cannot find", "mlflow.lookup", "see the name in `tracking_uri`, and whether it has an address")
        }
        Phase::Connect => (
            "cannot reach",
            "mlflow.connect",
            "see whether the server runs (`mlflow server`) and `tracking_uri` is right",
        ),
        Phase::Tls => (
            "no trusted connection to",
            "mlflow.tls",
            "name the server's authority in `ca_file` or `MLFLOW_TRACKING_SERVER_CERT_PATH`, or start `tracking_uri` with `http://`",
        ),
        Phase::Head | Phase::Body => {
            ("no whole answer from", "mlflow.no_answer", "nothing to do if it passes: it is tried again")
        }
    };
    let error = Error::unavailable(code, format!("{what} {server}: {failure}")).with_hint(hint);
    if failure.is_in_doubt() { error.in_doubt() } else { error }
}

/// Sort an answer that is none of success. `call` is what was asked for: `runs/create`.
pub(super) fn sort(response: &Response, call: &str, server: &str) -> Error {
    let body: Option<Body> = serde_json::from_slice(&response.body).ok();
    let words = body.as_ref().map_or_else(|| shown(&response.body), |body| shown(body.message.as_bytes()));
    let code = body.as_ref().map_or("", |body| body.error_code.as_str());
    let status = response.status;
    let said = if code.is_empty() { String::new() } else { format!(" {code}") };
    let text = format!("{call} at {server}: {status}{said}: {words}");
    match (status, code) {
        // "Invalid Host header - possible DNS rebinding attack detected"
        (403, _) if words.contains("Invalid Host header") => Error::config("mlflow.host", text).with_hint(
            "the server does not know this name of itself: start it with `--allowed-hosts NAME:PORT`, or set \
             `MLFLOW_SERVER_ALLOWED_HOSTS` there",
        ),
        // "You are not authenticated. Please see documentation for information on how to authenticate."
        (401, _) => Error::new(Kind::Unauthorized, "mlflow.unauthorized", text).with_hint(
            "set `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`",
        ),
        // "Permission denied"
        (403, _) => Error::new(Kind::Unauthorized, "mlflow.forbidden", text)
            .with_hint("have somebody who manages the server give this user `EDIT` on the experiment"),
        (429, _) => {
            let after = response.retry_after(Timestamp::now());
            Error::new(Kind::RateLimited(after), "mlflow.rate_limited", text)
                .with_hint("nothing to do: it is tried again")
        }
        // "UNIQUE constraint failed: metrics.key, metrics.timestamp, ...": some of it is there already.
        (400, "BAD_REQUEST") if is_unique(&words) => Error::refused("mlflow.there_already", text),
        // "Experiment(name=...) already exists."
        (400, "RESOURCE_ALREADY_EXISTS") => Error::refused("mlflow.already_exists", text),
        // "Run with id=... not found", "No Experiment with id=... exists"
        (404, "RESOURCE_DOES_NOT_EXIST") => {
            Error::refused("mlflow.not_found", text).with_hint("see whether somebody deleted it for good")
        }
        // "The run ... must be in the 'active' state. Current state is deleted."
        (400, "INVALID_PARAMETER_VALUE") if words.contains("must be in the 'active' state") => {
            Error::refused("mlflow.deleted", text)
                .with_hint("restore it (`mlflow runs restore`), then replay the dead letters")
        }
        // "Changing param values is not allowed."
        (400, "INVALID_PARAMETER_VALUE") if words.contains("Changing param values") => {
            Error::refused("mlflow.param_changed", text)
                .with_hint("log it under another name, or in a run of its own")
        }
        (501, _) => Error::refused("mlflow.not_implemented", text),
        (413, _) => {
            Error::refused("mlflow.too_large", text).with_hint("a proxy in between may take less than MLflow")
        }
        (400 | 409 | 422, code) if !code.is_empty() => Error::refused("mlflow.refused", text),
        (300..400, _) => Error::config("mlflow.redirect", redirect(response, &text))
            .with_hint("set `tracking_uri` to where it leads, if that is right"),
        (404 | 405, _) => Error::config("mlflow.no_api", text).with_hint(
            "see whether `tracking_uri` lacks the server's `--static-prefix`, or something else is there",
        ),
        // "Artifact serving is disabled."
        (503, _) if words.contains("--no-serve-artifacts") || words.contains("artifact-root") => {
            Error::config("mlflow.no_artifacts", text).with_hint("start the server with `--serve-artifacts`")
        }
        _ if status >= 500 || status == 408 => Error::unavailable("mlflow.unavailable", text)
            .with_hint("see the log of the server; it is tried again"),
        _ => Error::config("mlflow.unexpected", text)
            .with_hint("see whether `tracking_uri` is an MLflow server"),
    }
}

/// Success, but not as MLflow says it.
pub(super) fn not_mlflow(call: &str, server: &str, body: &[u8]) -> Error {
    let text = format!("{call} at {server} answered with success, but not as MLflow does: {}", shown(body));
    Error::unavailable("mlflow.not_mlflow", text)
        .with_hint("see `tracking_uri`, and whether a proxy or a login page answers")
}

/// What databases say of a row that is there already.
fn is_unique(words: &str) -> bool {
    ["UNIQUE constraint", "unique constraint", "Duplicate entry", "duplicate key"]
        .iter()
        .any(|mark| words.contains(mark))
}

fn redirect(response: &Response, text: &str) -> String {
    match response.header("location") {
        Some(to) => format!("{text} (it leads to {})", shown(to.as_bytes())),
        None => text.to_owned(),
    }
}

/// The start of what a server said, on one line.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.get(..line.floor_char_boundary(SHOWN)) {
        Some(start) if start.len() < line.len() => format!("{start}…"),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(status: u16, body: &str) -> (Kind, &'static str) {
        let response = Response { status, body: body.to_owned().into(), ..Response::default() };
        let error = sort(&response, "runs/log-batch", "http://x");
        (error.kind(), error.code())
    }

    #[test]
    fn answers_are_sorted_by_what_they_mean_for_the_updates() {
        let json = |code: &str, message: &str| {
            format!(r#"{{"error_code":"{code}","message":"{message}","sqlstate":"K"}}"#)
        };
        let invalid = "INVALID_PARAMETER_VALUE";
        for (status, body, kind, code) in [
            (400, json(invalid, "Metric name"), Kind::Refused, "mlflow.refused"),
            (400, json(invalid, "The run a must be in the 'active' state."), Kind::Refused, "mlflow.deleted"),
            (
                400,
                json(invalid, "Changing param values is not allowed."),
                Kind::Refused,
                "mlflow.param_changed",
            ),
            (
                400,
                json("BAD_REQUEST", "(sqlite3.IntegrityError) UNIQUE constraint failed"),
                Kind::Refused,
                "mlflow.there_already",
            ),
            (404, json("RESOURCE_DOES_NOT_EXIST", "gone"), Kind::Refused, "mlflow.not_found"),
            (404, "<!doctype html><title>404</title>".to_owned(), Kind::Config, "mlflow.no_api"),
            (
                403,
                "Invalid Host header - possible DNS rebinding attack detected".to_owned(),
                Kind::Config,
                "mlflow.host",
            ),
            (403, "Permission denied".to_owned(), Kind::Unauthorized, "mlflow.forbidden"),
            (401, "You are not authenticated.".to_owned(), Kind::Unauthorized, "mlflow.unauthorized"),
            (429, String::new(), Kind::RateLimited(None), "mlflow.rate_limited"),
            (503, "busy".to_owned(), Kind::Unavailable, "mlflow.unavailable"),
            (302, String::new(), Kind::Config, "mlflow.redirect"),
            (418, "teapot".to_owned(), Kind::Config, "mlflow.unexpected"),
        ] {
            assert_eq!(sorted(status, &body), (kind, code), "{status} {body}");
        }
    }

    #[test]
    fn a_servers_words_are_bounded() {
        let response = Response { status: 500, body: "é".repeat(10_000).into(), ..Response::default() };
        assert!(sort(&response, "x", "y").message().len() < 400);
    }
}
