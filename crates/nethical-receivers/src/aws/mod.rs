//! What the receivers for AWS share: who calls, whether that is proven, and whether it is allowed.

mod signature;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::json;

use self::signature::Signature;
use crate::http::{Answer, Request};

/// The access key that a receiver knows unless it is told others.
pub const ACCESS_KEY: &str = "AKIDTEST";
/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "secret";
/// The ARN of whoever calls.
pub const CALLER: &str = "arn:aws:iam::123456789012:user/tester";

/// Seconds by which a signature may be off.
const TOLERANCE: u64 = 300;

/// Who may call, and what. Every signature is computed again from the request as it came.
#[derive(Debug, Clone)]
pub struct Access {
    /// The access keys that are known, with their secrets. Empty: any key is, and signatures are looked at for their
    /// form only.
    pub keys: BTreeMap<String, String>,
    /// Session tokens that have expired.
    pub expired_tokens: BTreeSet<String>,
    /// Actions that the caller is not allowed, such as `logs:PutLogEvents`.
    pub denied: BTreeSet<String>,
    /// Seconds that the receiver's clock is ahead of the machine's.
    pub clock_ahead: i64,
}

impl Default for Access {
    /// [`ACCESS_KEY`] may do everything.
    fn default() -> Self {
        Self {
            keys: BTreeMap::from([(ACCESS_KEY.to_owned(), SECRET_KEY.to_owned())]),
            expired_tokens: BTreeSet::new(),
            denied: BTreeSet::new(),
            clock_ahead: 0,
        }
    }
}

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `AccessDeniedException`
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Refused {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// As the protocols AWS JSON 1.0 and 1.1 say it.
    pub(crate) fn json(&self) -> (u16, String) {
        (400, json!({ "__type": self.code, "message": self.message }).to_string())
    }

    /// As the query protocol says it.
    pub(crate) fn xml(&self) -> (u16, String) {
        let Self { code, message } = self;
        let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        (403, format!("<ErrorResponse>{error}</ErrorResponse>"))
    }
}

impl Access {
    /// The receiver's time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(Timestamp::now().as_second() + self.clock_ahead).unwrap_or_default()
    }

    /// The same as HTTP writes it in `Date`.
    pub(crate) fn date(&self) -> String {
        let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
        printer.timestamp_to_rfc9110_string(&self.now()).unwrap_or_default()
    }

    /// Whether the request is signed for `service` (`logs`) by somebody who is known. Returns the access key.
    pub(crate) fn identify(&self, request: &Request, service: &str) -> Result<String, Refused> {
        let signature = Signature::of(request)?;
        if request.header("x-amz-security-token").is_some_and(|token| self.expired_tokens.contains(token)) {
            return Err(Refused::new(
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ));
        }
        let secret = self.keys.get(&signature.key);
        if secret.is_none() && !self.keys.is_empty() {
            return Err(Refused::new(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ));
        }
        self.is_fresh(&signature.date)?;
        signature.is_for(service)?;
        if let Some(secret) = secret {
            signature.verify(request, secret)?;
        }
        Ok(signature.key)
    }

    fn is_fresh(&self, date: &str) -> Result<(), Refused> {
        let ours = self.now();
        let theirs = DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok();
        let theirs = theirs.and_then(|date| TimeZone::UTC.to_timestamp(date).ok()).unwrap_or_default();
        if ours.as_second().abs_diff(theirs.as_second()) <= TOLERANCE {
            return Ok(());
        }
        let (what, which) = match theirs < ours {
            true => ("expired", "earlier"),
            false => ("not yet current", "later"),
        };
        let message = format!(
            "Signature {what}: {date} is now {which} than {} (5 min.)",
            ours.strftime("%Y%m%dT%H%M%SZ")
        );
        Err(Refused::new("InvalidSignatureException", message))
    }

    /// Whether the caller may do this to `resource`.
    pub(crate) fn allow(&self, action: &str, resource: &str) -> Result<(), Refused> {
        if !self.denied.contains(action) {
            return Ok(());
        }
        let message = format!(
            "User: {CALLER} is not authorized to perform: {action} on resource: {resource} because no identity-based policy \
             allows the {action} action"
        );
        Err(Refused::new("AccessDeniedException", message))
    }

    /// The answer to `GetCallerIdentity` of STS, which needs no permission.
    pub(crate) fn caller(&self, request: &Request) -> (u16, String) {
        match self.identify(request, "sts") {
            Ok(_) => {
                let arn = format!("<GetCallerIdentityResult><Arn>{CALLER}</Arn></GetCallerIdentityResult>");
                (200, format!("<GetCallerIdentityResponse>{arn}</GetCallerIdentityResponse>"))
            }
            Err(refused) => refused.xml(),
        }
    }
}

/// An answer with the receiver's time.
pub(crate) fn answer((status, text): (u16, String), content_type: &str, access: &Access) -> Answer {
    Answer::new(status).header("content-type", content_type).header("date", access.date()).body(text)
}
