//! Who it is, and what they may.

use jiff::Timestamp;

use super::limits::{Refused, refused};
use super::state::State;
use crate::http::Request;

/// Whether the signature has its form, a time near ours, and the scope of this service.
pub(super) fn identified(request: &Request, service: &str) -> Result<(), Refused> {
    let no = |code, message: &str| Err(refused(code, message));
    let Some(credential) =
        request.header("authorization").and_then(|text| text.strip_prefix("AWS4-HMAC-SHA256 Credential="))
    else {
        return no("MissingAuthenticationToken", "Missing Authentication Token");
    };
    let (scope, rest) = credential.split_once(", ").unwrap_or((credential, ""));
    let scope: Vec<_> = scope.split('/').collect();
    if scope.len() != 5 || scope.get(3) != Some(&service) || scope.last() != Some(&"aws4_request") {
        let text = format!("Credential should be scoped to correct service: '{service}'.");
        return no("SignatureDoesNotMatch", &text);
    }
    if !rest.contains("SignedHeaders=") || !rest.contains("host") || !rest.contains("Signature=") {
        return no(
            "IncompleteSignature",
            "Authorization header requires 'SignedHeaders' and 'Signature' parameters.",
        );
    }
    let date = request.header("x-amz-date").unwrap_or_default();
    let theirs = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok();
    let theirs = theirs
        .and_then(|date| jiff::tz::TimeZone::UTC.to_timestamp(date).ok())
        .map_or(0, Timestamp::as_second);
    if Timestamp::now().as_second().abs_diff(theirs) > 300 {
        return no(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        );
    }
    Ok(())
}

/// Whether the identity may do this.
pub(super) fn allowed(state: &State, action: &str) -> Result<(), Refused> {
    if !state.behaviour.denied.contains(action) {
        return Ok(());
    }
    let who = "arn:aws:iam::123456789012:user/tester";
    Err(refused(
        "AccessDeniedException",
        &format!("User: {who} is not authorized to perform: {action} on resource: *"),
    ))
}
