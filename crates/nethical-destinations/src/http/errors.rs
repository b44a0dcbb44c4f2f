//! What a web receiver answers, and what it means for the events. Other services that are spoken to by HTTP
//! sort like this what their own documentation says nothing of.

use std::time::Duration;

use jiff::Timestamp;
use nethical_core::delivery::{Error, Kind};

use crate::support::http::Response;
use crate::support::webhook::{Code, Context, said};

/// An answer other than success, by its status (RFC 9110, section 15).
pub(crate) fn sort(response: &Response, context: Context<'_>) -> Error {
    let Context { kind, at } = context;
    let status = response.status;
    let of = |code: Code| code.of(kind);
    let text = format!("{at} answered {status}{}", said(response));
    let asked = response.retry_after(Timestamp::now());
    match status {
        // "The target resource resides [...] under a different URI": nobody has got the event.
        300..=399 => Error::config(of(Code::Redirect), format!("{text}, a redirect, which is not followed"))
            .with_hint("set the address to which it leads, if it is to be trusted"),
        401 | 403 | 407 => Error::new(Kind::Unauthorized, of(Code::Unauthorized), text)
            .with_hint("see the key, the headers and the secret"),
        // "Access to the target resource is no longer available [...] and this condition is likely to be permanent."
        410 => Error::new(Kind::Gone, of(Code::Gone), format!("{text}: it is gone for good"))
            .with_hint("set its new address, or remove the destination; nothing is sent there until then"),
        // "The user has sent too many requests in a given amount of time" (RFC 6585, section 4).
        429 => Error::new(Kind::RateLimited(asked), of(Code::RateLimited), text)
            .with_hint("send less, or set `rate_limit_per_sec`"),
        413 => Error::refused(of(Code::TooLarge), text).with_hint("send less at once"),
        // "The server is unwilling to risk processing a request that might be replayed" (RFC 8470, section 5.2).
        408 | 425 => unavailable(of(Code::Unavailable), text, asked),
        // "The server does not support the functionality required"; "the major version of HTTP".
        501 | 505 => {
            Error::refused(of(Code::Refused), text).with_hint("see whether this is the address of a webhook")
        }
        500..=599 => unavailable(of(Code::Unavailable), text, asked),
        404 => Error::refused(of(Code::NotFound), text)
            .with_hint("see the address; what was sent is among the dead letters and can be replayed"),
        _ => Error::refused(of(Code::Refused), text)
            .with_hint("see what the receiver says, and what it expects"),
    }
}

fn unavailable(code: &'static str, text: String, asked: Option<Duration>) -> Error {
    Error::unavailable(code, text).with_hint("see whether the receiver is well").with_pause(asked)
}

/// What a request that posts nothing met on its way, if that is what a message would meet too.
pub(crate) fn sort_reached(response: &Response, context: Context<'_>) -> Option<Error> {
    matches!(response.status, 410 | 429 | 500 | 502..=504).then(|| sort(response, context))
}

/// There is no body to send.
pub(super) fn no_body(why: &str) -> Error {
    Error::refused("http.body", format!("there is no body for the message: {why}"))
        .with_hint("see the template in `body`")
}

/// An option that cannot work.
pub(super) fn option(key: &str, why: &str) -> Error {
    Error::config("http.option", format!("`{key}`: {why}"))
        .with_hint("see the options in the guide to `http`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(status: u16) -> Error {
        let response = Response { status, ..Response::default() };
        sort(&response, Context { kind: "http", at: "https://x.test/…" })
    }

    #[test]
    fn each_status_has_its_class() {
        for status in [408, 425, 500, 502, 503, 504, 507, 599] {
            assert_eq!(sorted(status).kind(), Kind::Unavailable, "{status}");
        }
        for status in [400, 404, 405, 409, 413, 415, 418, 422, 451, 501, 505] {
            assert_eq!(sorted(status).kind(), Kind::Refused, "{status}");
        }
        for status in [300, 301, 302, 303, 304, 307, 308] {
            assert_eq!((sorted(status).kind(), sorted(status).code()), (Kind::Config, "http.redirect"));
        }
        assert_eq!(sorted(410).kind(), Kind::Gone);
        assert_eq!(sorted(429).kind(), Kind::RateLimited(None));
        for status in [401, 403, 407] {
            assert_eq!(sorted(status).kind(), Kind::Unauthorized);
        }
        assert!((300..600).filter(|status| *status != 200).all(|status| sorted(status).hint().is_some()));
    }

    #[test]
    fn what_a_receiver_says_cannot_act_upon_a_terminal() {
        let body = b"line\n\x1b[2J\x1b]0;owned\x07 \xff end".to_vec();
        let response = Response { status: 400, body: body.into(), ..Response::default() };
        let error = sort(&response, Context { kind: "http", at: "x" });
        assert_eq!(error.message(), "x answered 400: line [2J ]0;owned \u{fffd} end");
    }

    #[test]
    fn a_pause_counts_with_429_and_503_and_never_with_a_redirect() {
        let sorted = |status| {
            let headers = vec![("retry-after".to_owned(), "7".to_owned())];
            let response = Response { status, headers, ..Response::default() };
            sort(&response, Context { kind: "http", at: "x" }).retry_after()
        };
        assert_eq!(sorted(429), Some(Duration::from_secs(7)));
        assert_eq!(sorted(503), Some(Duration::from_secs(7)));
        assert_eq!(sorted(302), None);
        assert_eq!(sorted(400), None);
    }
}
