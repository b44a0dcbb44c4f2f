//! What it means for the events if a web receiver gives no answer, and what all texts about answers share.

use nethical_core::delivery::Error;

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

/// What the receiver says itself, on one line.
pub(crate) fn said(response: &Response) -> String {
    let line = line(&String::from_utf8_lossy(&response.body), 300);
    if line.is_empty() { line } else { format!(": {line}") }
}

/// A text of the receiver's in so many characters of one line, with nothing in it that a terminal would act upon.
pub(crate) fn line(text: &str, most: usize) -> String {
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    let text: String = text.chars().map(plain).collect();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(most).collect()
}
