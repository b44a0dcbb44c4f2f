//! What failures of a web receiver mean for the events, where the service has no codes of its own.

use std::time::Duration;

use jiff::Timestamp;
use nethical_core::delivery::{Error, Kind};

use crate::support::http::{Failure, Phase, Response};

/// Whom an error is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The type of the destination; the first part of every code.
    pub(crate) kind: &'static str,
    /// The address, masked.
    pub(crate) at: &'a str,
}

/// The codes of errors, so that they are stable and known.
macro_rules! codes {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// What an error's code ends in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code { $($name),* }

        impl Code {
            /// The whole code.
            pub(crate) fn of(self, kind: &'static str) -> &'static str {
                match (self, kind) {
                    $(
                        (Self::$name, "slack") => concat!("slack.", $text),
                        (Self::$name, "discord") => concat!("discord.", $text),
                        (Self::$name, "api") => concat!("api.", $text),
                        (Self::$name, _) => concat!("http.", $text),
                    )*
                }
            }
        }
    };
}
codes! {
    BadRequest = "bad_request", Certificate = "certificate", Connect = "connect", Gone = "gone", Lookup = "lookup",
    NoAnswer = "no_answer", NotFound = "not_found", RateLimited = "rate_limited", Redirect = "redirect",
    Refused = "refused", TooLarge = "too_large", Unauthorized = "unauthorized", Unavailable = "unavailable",
}

/// A request that was not answered.
pub(crate) fn sort_failure(failure: &Failure, context: Context<'_>) -> Error {
    let Context { kind, at } = context;
    let of = |code: Code| code.of(kind);
    let error = match failure.phase() {
        Phase::Request => {
            Error::config(of(Code::BadRequest), format!("cannot make a request to {at}: {failure}"))
                .with_hint("see the address and the headers")
        }
        Phase::Lookup => Error::unavailable(of(Code::Lookup), format!("cannot find {at}: {failure}"))
            .with_hint("see the host's name, and whether this machine can look up names"),
        Phase::Connect => Error::unavailable(of(Code::Connect), format!("cannot reach {at}: {failure}"))
            .with_hint("see whether the receiver runs, and the network in between"),
        Phase::Tls if is_certificate(failure) => {
            Error::config(of(Code::Certificate), format!("cannot trust {at}: {failure}"))
                .with_hint("see the receiver's certificate, and `SSL_CERT_FILE` for an authority of your own")
        }
        Phase::Tls => {
            Error::unavailable(of(Code::Connect), format!("cannot agree on TLS with {at}: {failure}"))
                .with_hint("see whether the receiver speaks HTTPS on this port")
        }
        Phase::Head | Phase::Body => Error::unavailable(
            of(Code::NoAnswer),
            format!("{at} got a request and gave no answer: {failure}"),
        )
        .with_hint("see whether the receiver is well, or raise `timeout`"),
    };
    if failure.is_in_doubt() { error.in_doubt() } else { error }
}

/// A receiver whose certificate is not to be trusted, unlike one that breaks off.
fn is_certificate(failure: &Failure) -> bool {
    failure.to_string().contains("certificate")
}

/// An answer other than success, by its status (RFC 9110, section 15).
pub(crate) fn sort_answer(response: &Response, context: Context<'_>) -> Error {
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

/// What the receiver says itself, on one line.
fn said(response: &Response) -> String {
    let text = String::from_utf8_lossy(&response.body);
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(status: u16) -> Error {
        let response = Response { status, ..Response::default() };
        sort_answer(&response, Context { kind: "http", at: "https://x.test/…" })
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
    fn a_pause_counts_with_429_and_503_and_never_with_a_redirect() {
        let sorted = |status| {
            let headers = vec![("retry-after".to_owned(), "7".to_owned())];
            let response = Response { status, headers, ..Response::default() };
            sort_answer(&response, Context { kind: "http", at: "x" }).retry_after()
        };
        assert_eq!(sorted(429), Some(Duration::from_secs(7)));
        assert_eq!(sorted(503), Some(Duration::from_secs(7)));
        assert_eq!(sorted(302), None);
        assert_eq!(sorted(400), None);
    }
}
