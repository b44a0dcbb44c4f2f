//! What Slack answers, and what it means for the events ("Sending messages using incoming webhooks", "Handling
//! errors"). The body decides before the status does: for several of these words no status is documented.

use jiff::Timestamp;
use nethical_core::delivery::{Error, Kind};

use crate::http::errors::sort as sort_by_status;
use crate::support::http::Response;
use crate::support::webhook::{Context, line};

/// Whether this is how Slack says that it has the message: 200 and `ok`.
pub(super) fn is_success(response: &Response) -> bool {
    response.status == 200 && response.body.trim_ascii() == b"ok"
}

/// An answer other than success.
pub(super) fn sort(response: &Response, context: Context<'_>) -> Error {
    let word = word(response);
    let text = format!("Slack answered {}: {word}", response.status);
    let asked = response.retry_after(Timestamp::now());
    match &*word {
        // "The data sent in your request cannot be understood as presented."
        "invalid_payload" | "invalid_blocks" | "invalid_attachments" | "no_text" | "too_many_attachments"
        | "msg_blocks_too_long"
        // "The user used in your request does not actually exist."
        | "user_not_found" => Error::refused("slack.invalid", text)
            .with_hint("see the message; Slack's Block Kit Builder says what it does not like"),
        // "The channel associated with your request does not exist." "[...] has been archived".
        "channel_not_found" | "channel_is_archived" => Error::new(Kind::Gone, "slack.channel", text)
            .with_hint("give the webhook another channel, and set its new address"),
        // "Either the team [...] is no longer active" or the webhook was disabled or removed.
        "no_service" | "no_service_id" | "no_active_hooks" | "no_team" | "team_disabled" | "invalid_token" => {
            Error::new(Kind::Gone, "slack.webhook", text)
                .with_hint("the webhook was removed or revoked: make a new one and set its address")
        }
        // "A team admin has placed some kind of restriction on this avenue of posting messages".
        "action_prohibited" | "posting_to_general_channel_denied" => {
            Error::new(Kind::Gone, "slack.prohibited", text)
                .with_hint("an owner of the workspace has to allow it; then open the destination again")
        }
        // "Something strange and unusual happened".
        "rollup_error" => Error::unavailable("slack.unavailable", text)
            .with_hint("nothing to do: it is tried again")
            .with_pause(asked),
        "rate_limited" | "ratelimited" => Error::new(Kind::RateLimited(asked), "slack.rate_limited", text)
            .with_hint("send less: Slack takes one message a second for each webhook"),
        _ if response.is_success() => {
            let text = format!("{} answered {}, but not `ok` as Slack does", context.at, response.status);
            Error::unavailable("slack.no_answer", text)
                .with_hint("see the address, and whether a proxy answers")
                .in_doubt()
        }
        _ => sort_by_status(response, context),
    }
}

/// The word in the body: plain, or in the JSON that says that there were too many.
fn word(response: &Response) -> String {
    let text = String::from_utf8_lossy(&response.body);
    let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let named = json.as_ref().and_then(|json| json.get("error")?.as_str());
    line(named.unwrap_or(&text), 100)
}

/// There is nothing to post.
pub(super) fn no_body(why: &str) -> Error {
    Error::refused("slack.body", format!("Slack cannot take the message: {why}")).with_hint("give it a text")
}

/// An option that cannot work.
pub(super) fn option(key: &str, why: &str) -> Error {
    Error::config("slack.option", format!("`{key}`: {why}"))
        .with_hint("see the options in the guide to `slack`")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn response(status: u16, body: &'static str) -> Response {
        Response { status, body: Bytes::from_static(body.as_bytes()), ..Response::default() }
    }

    fn kind(status: u16, body: &'static str) -> Kind {
        let response = response(status, body);
        assert!(!is_success(&response));
        let error = sort(&response, Context { kind: "slack", at: "https://hooks.slack.com/…" });
        assert!(error.hint().is_some(), "{error:?}");
        error.kind()
    }

    #[test]
    fn the_body_decides_before_the_status() {
        for word in ["invalid_payload", "no_text", "invalid_blocks", "invalid_attachments", "user_not_found"]
        {
            assert_eq!(kind(400, word), Kind::Refused, "{word}");
            assert_eq!(kind(500, word), Kind::Refused, "{word}");
        }
        for word in ["channel_not_found", "channel_is_archived", "no_service", "no_active_hooks", "no_team"] {
            assert_eq!(
                (kind(404, word), kind(403, word), kind(400, word)),
                (Kind::Gone, Kind::Gone, Kind::Gone)
            );
        }
        assert_eq!(kind(403, "invalid_token"), Kind::Gone);
        assert_eq!(kind(403, "action_prohibited"), Kind::Gone);
        assert_eq!(kind(500, "rollup_error"), Kind::Unavailable);
        assert_eq!(kind(502, "<html>"), Kind::Unavailable);
        assert_eq!(
            kind(429, r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#),
            Kind::RateLimited(None)
        );
        assert_eq!(kind(302, ""), Kind::Config);
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_told_in_a_line_with_a_hint_and_a_bounded_wait(
            status in 100..700_u16,
            after in "[ -~]{0,20}|[0-9.]{1,30}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT",
            body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        ) {
            for body in [body.clone(), [b"{\"error\":\"", &body[..], b"\"}"].concat()] {
                let headers = vec![("retry-after".to_owned(), after.clone())];
                let response = Response { status, headers, body: body.into() };
                if is_success(&response) {
                    continue;
                }
                let error = sort(&response, Context { kind: "slack", at: "https://hooks.slack.com/…" });
                proptest::prop_assert!(error.hint().is_some() && error.message().chars().count() < 600);
                proptest::prop_assert!(!error.message().contains(char::is_control), "{:?}", error.message());
                let wait = error.retry_after().unwrap_or_default();
                proptest::prop_assert!(wait <= nethical_core::delivery::MAX_RETRY_AFTER);
            }
        }
    }

    #[test]
    fn only_200_and_ok_is_success() {
        assert!(is_success(&response(200, "ok")) && is_success(&response(200, "ok\n")));
        assert_eq!(kind(200, "<html>Sign in to the hotel's network</html>"), Kind::Unavailable);
        assert_eq!(kind(200, "no_text"), Kind::Refused);
        assert_eq!(kind(204, ""), Kind::Unavailable);
    }
}
