//! What W&B's answers mean.

use std::time::Duration;

use jiff::Timestamp;
use nethical_core::delivery::{Error, Kind};

use super::graphql::{Query, complaint};
use crate::support::http::{Failure, Phase, Response};

/// A request that was not answered.
pub(super) fn unanswered(failure: &Failure, url: &str) -> Error {
    let host = super::environment::host_of(url);
    let (code, hint) = match failure.phase() {
        Phase::Request => {
            return Error::config("wandb.base_url", format!("`{url}` is no address: {failure}"));
        }
        Phase::Lookup => ("wandb.lookup", "see whether this machine reaches the internet, and `base_url`"),
        Phase::Connect => {
            ("wandb.connect", "see whether W&B can be reached from here; what is logged is kept")
        }
        Phase::Tls => {
            ("wandb.tls", "see the system's certificates, or `SSL_CERT_FILE` for a proxy that inspects")
        }
        Phase::Head | Phase::Body => ("wandb.no_answer", "what is logged is kept and sent again"),
    };
    Error::unavailable(code, format!("wandb: {host}: {failure}")).with_hint(hint)
}

/// The pause that a server asks for: `Retry-After` in seconds, also parts of one, or as a date.
pub(super) fn pause(response: &Response) -> Option<Duration> {
    let text = response.header("retry-after")?.trim();
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).or_else(|| response.retry_after(Timestamp::now()))
}

/// The pause before the next request that the server's own limits ask for: `RateLimit-Remaining` requests for
/// `RateLimit-Reset` seconds, spread evenly; never more than 10 s.
pub(super) fn spread(response: &Response) -> Option<Duration> {
    let number = |name| response.header(name)?.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let (remaining, reset) = (number("ratelimit-remaining")?, number("ratelimit-reset")?);
    let seconds = if remaining < 1.0 { reset } else { reset / remaining };
    Some(Duration::from_secs_f64(seconds.clamp(0.0, 10.0)))
}

/// An answer that is no success.
///
/// | answer | to a query | to `file_stream` | to a signed address |
/// |---|---|---|---|
/// | 408, 429, 5xx | again | again | again |
/// | 409 | `UpsertBucket`: again, unless the run was deleted | again | again |
/// | 401, 403 | hold | hold | again, with a new address |
/// | 404 | hold | see whether the run is gone | again, with a new address |
/// | 400, 413, 422 | the server's words | smaller pieces, down to the row at fault | at fault |
pub(super) fn refused(response: &Response, what: &str) -> Error {
    let status = response.status;
    let said = complaint(&response.body).map_or_else(String::new, |said| format!(": {said}"));
    let text = format!("wandb: {what}: HTTP {status}{said}");
    match status {
        401 | 403 => Error::new(Kind::Unauthorized, "wandb.key", text)
            .with_hint("see `nethical check`, or https://wandb.ai/authorize for a new key"),
        408 | 500..=599 => Error::unavailable("wandb.unavailable", text),
        409 if said.contains("deleted") => deleted(&text),
        409 => Error::unavailable("wandb.conflict", text),
        410 => Error::new(Kind::Gone, "wandb.gone", text),
        429 => Error::new(Kind::RateLimited(pause(response)), "wandb.rate_limit", text),
        300..=399 => {
            Error::config("wandb.redirect", text).with_hint("`base_url` leads somewhere else; correct it")
        }
        404 => Error::new(Kind::Config, "wandb.not_found", text)
            .with_hint("see `base_url`, `entity` and `project`"),
        _ => Error::refused("wandb.refused", text),
    }
}

/// The server says no with words instead of a status.
pub(super) fn complained(query: Query, said: &str) -> Error {
    let text = format!("wandb: {}: {said}", query.name());
    let lower = said.to_lowercase();
    if lower.contains("deleted") {
        return deleted(&text);
    }
    if lower.contains("permission") || lower.contains("not logged in") || lower.contains("unauthorized") {
        return Error::new(Kind::Unauthorized, "wandb.permission", text)
            .with_hint("see whether the key may write to this entity and project: `nethical check`");
    }
    Error::refused("wandb.refused", text)
}

fn deleted(text: &str) -> Error {
    Error::new(Kind::Gone, "wandb.deleted", text)
        .with_hint("the id of a deleted run is never free again: start a new run")
}

/// Something else answers.
pub(super) fn not_an_answer(what: &str) -> Error {
    Error::unavailable("wandb.not_an_answer", format!("wandb: {what}: this is no answer of W&B's"))
        .with_hint("see `base_url`, and whether a proxy or login page stands in between")
        .in_doubt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Response { status, headers, body: body.to_owned().into() }
    }

    #[test]
    fn every_status_has_its_kind() {
        let kind = |status| refused(&answer(status, &[], ""), "file_stream").kind();
        for status in [408, 409, 500, 502, 503, 504] {
            assert_eq!(kind(status), Kind::Unavailable, "{status}");
        }
        for status in [401, 403] {
            assert_eq!(kind(status), Kind::Unauthorized, "{status}");
        }
        for status in [400, 413, 422] {
            assert_eq!(kind(status), Kind::Refused, "{status}");
        }
        let deleted =
            r#"{"errors":[{"message":"run r was previously created and deleted; try a new run name"}]}"#;
        assert_eq!(refused(&answer(409, &[], deleted), "x").kind(), Kind::Gone);
        let slow = refused(&answer(429, &[("retry-after", "1.5")], ""), "x");
        assert_eq!(slow.retry_after(), Some(Duration::from_millis(1_500)));
    }

    #[test]
    fn limits_are_spread_over_their_time() {
        let wait = |remaining, reset| {
            spread(&answer(200, &[("ratelimit-remaining", remaining), ("ratelimit-reset", reset)], ""))
        };
        assert_eq!(wait("10", "30"), Some(Duration::from_secs(3)));
        assert_eq!(wait("1000", "1"), Some(Duration::from_millis(1)));
        assert_eq!(wait("0", "60"), Some(Duration::from_secs(10)));
        assert_eq!(wait("x", "60"), None);
    }
}
