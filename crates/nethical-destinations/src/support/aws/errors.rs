//! What AWS answers when something is wrong, and what it means for the events.
//!
//! The codes are those of the page "Common Errors" of each service's API reference, and the same for all
//! of them. What only one service says is sorted by the destination, which looks at [`Answer::code`] first.

use std::time::Duration;

use jiff::Timestamp;
use nethical_core::delivery::{Error, Kind};
use serde::Deserialize;

use crate::support::http::Response;

/// Why a call has no answer of success.
#[derive(Debug)]
pub(crate) enum Fault {
    /// AWS answered an error.
    Answer(Answer),
    /// It did not come to that.
    Failed(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Fault {
    /// The code of the error that was answered.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Answer(answer) => Some(&answer.code),
            Self::Failed(_) => None,
        }
    }

    /// The error, sorted.
    pub(crate) fn sorted(self, context: &Context<'_>) -> Error {
        match self {
            Self::Answer(answer) => answer.sorted(context),
            Self::Failed(error) => error,
        }
    }
}

/// What was tried, for the text of an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The name of the permission that it takes: `logs:PutLogEvents`.
    pub(crate) action: &'static str,
    /// What it was tried with: ``log group `app` ``.
    pub(crate) resource: &'a str,
}

/// An error that AWS answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `AccessDeniedException`, or empty if the answer is not from AWS.
    pub(crate) code: String,
    /// The first line of what it says.
    pub(crate) message: String,
    retry_after: Option<Duration>,
    pub(super) date: Option<Timestamp>,
}

/// The JSON form of an error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(rename = "__type")]
    kind: String,
    code: String,
    message: String,
    #[serde(rename = "Message")]
    message_too: String,
}

impl Answer {
    /// Read it, in JSON or XML.
    pub(super) fn read(response: &Response) -> Self {
        let body: Body = serde_json::from_slice(&response.body).unwrap_or_default();
        let text = String::from_utf8_lossy(&response.body);
        let in_header = response.header("x-amzn-errortype").unwrap_or_default();
        let code = [in_header, &body.kind, &body.code, element(&text, "Code").unwrap_or_default()];
        let message = [&body.message, &body.message_too, element(&text, "Message").unwrap_or_default()];
        let first =
            |texts: &[&str]| texts.iter().find(|text| !text.is_empty()).map_or("", |text| *text).to_owned();
        // `com.amazonaws.logs#LimitExceededException:http://...`
        let code = first(&code);
        let code = code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default();
        Self {
            status: response.status,
            code: code.to_owned(),
            message: first(&message).lines().next().unwrap_or_default().chars().take(400).collect(),
            retry_after: response.retry_after(Timestamp::now()),
            date: response.date(),
        }
    }

    /// Whether other credentials would be taken, such as those that are good for longer.
    pub(super) fn is_expired(&self) -> bool {
        matches!(&*self.code, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired")
    }

    /// Whether the time in the signature is too far from that of AWS.
    pub(super) fn is_clock(&self) -> bool {
        let of_signature = matches!(&*self.code, "InvalidSignatureException" | "SignatureDoesNotMatch");
        let about_time =
            ["Signature expired", "Signature not yet current"].iter().any(|text| self.message.contains(text));
        matches!(&*self.code, "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture")
            || of_signature && about_time
    }

    /// What it means.
    pub(crate) fn sorted(&self, context: &Context<'_>) -> Error {
        let Context { action, resource } = *context;
        let said = self.said();
        let (kind, code, hint) = match &*self.code {
            // "The rate of requests exceeds the allowed amount." "The request was denied due to request throttling."
            "ThrottlingException" | "Throttling" | "ThrottledException" | "RequestLimitExceeded" | "RequestThrottled"
            | "RequestThrottledException" | "TooManyRequestsException" | "SlowDown" | "ProvisionedThroughputExceededException"
            | "BandwidthLimitExceeded" => {
                let hint = "entries wait and are sent more slowly; a higher quota can be asked for in Service Quotas";
                (Kind::RateLimited(self.retry_after), "aws.throttled", hint.to_owned())
            }
            // "You do not have sufficient access to perform this action."
            "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" => {
                let hint = format!("allow `{}` on {resource} in the IAM policy of this identity", self.action().unwrap_or(action));
                (Kind::Unauthorized, "aws.access_denied", hint)
            }
            // "The security token included in the request is expired."
            _ if self.is_expired() => (
                Kind::Unauthorized, "aws.expired",
                "renew them: `aws sso login`, or new temporary keys in the environment or profile".to_owned(),
            ),
            // "Signature expired: 20260301T120000Z is now earlier than 20260301T121000Z." "The difference between the
            // request time and the current time is too large."
            _ if self.is_clock() => (
                Kind::Unauthorized, "aws.clock", "set the clock of this machine, for example with NTP".to_owned(),
            ),
            // "The security token included in the request is invalid." "The AWS access key ID provided does not exist in
            // our records." "The request must contain a valid AWS access key ID."
            "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId" | "AuthFailure"
            | "MissingAuthenticationToken" | "MissingAuthenticationTokenException" | "NotAuthorizedException" => (
                Kind::Unauthorized, "aws.unknown_key",
                "AWS does not know this access key: see whether it was deleted or deactivated, belongs to this region's \
                 partition, and for temporary keys whether `AWS_SESSION_TOKEN` is set".to_owned(),
            ),
            // "The request signature we calculated does not match the signature you provided."
            "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature" | "IncompleteSignatureException" => (
                Kind::Unauthorized, "aws.wrong_secret", "see whether `AWS_SECRET_ACCESS_KEY` belongs to this access key".to_owned(),
            ),
            // "The AWS access key ID needs a subscription for the service."
            "OptInRequired" | "SubscriptionRequiredException" => (
                Kind::Unauthorized, "aws.opt_in", "switch the region or service on for this account".to_owned(),
            ),
            // "The action or operation requested is invalid."
            "UnknownOperationException" | "InvalidAction" => (
                Kind::Config, "aws.wrong_endpoint", "another service is at this address: see `endpoint_url` and `AWS_ENDPOINT_URL`".to_owned(),
            ),
            // "The request processing has failed because of an unknown error, exception or failure." "The request has
            // failed due to a temporary failure of the server."
            _ if self.status >= 500 => (Kind::Unavailable, "aws.unavailable", "nothing to do: entries wait and are sent again".to_owned()),
            _ if self.status == 429 => (
                Kind::RateLimited(self.retry_after), "aws.throttled", "entries wait and are sent more slowly".to_owned(),
            ),
            _ if self.status < 400 => (
                Kind::Config, "aws.redirected", "this is not the address of the service: see `endpoint_url` and the region".to_owned(),
            ),
            "" if matches!(self.status, 401 | 403 | 407) => (
                Kind::Unauthorized, "aws.proxy", "this answer is not from AWS: see `HTTPS_PROXY` and `endpoint_url`".to_owned(),
            ),
            // What nobody knows is held, not given up: it may be about anything.
            _ => (Kind::Unavailable, "aws.unknown", "see the API reference of the service for this code".to_owned()),
        };
        Error::new(kind, code, format!("{action} on {resource}: {said}")).with_hint(hint)
    }

    /// The answer in one line. A wrong signature is answered with the headers of the request, so only the
    /// first sentence is shown.
    fn said(&self) -> String {
        let message = match self.code.contains("Signature") {
            true => self.message.split_inclusive(". ").next().unwrap_or_default().trim_end(),
            false => &self.message,
        };
        match (&*self.code, message) {
            ("", "") => format!("HTTP status {}", self.status),
            ("", message) => format!("HTTP status {}: {message}", self.status),
            (code, "") => format!("{code} (HTTP status {})", self.status),
            (code, message) => format!("{code}: {message}"),
        }
    }

    /// The permission that is missing: "User: arn:... is not authorized to perform: logs:PutLogEvents on resource: ..."
    fn action(&self) -> Option<&str> {
        let (_, rest) = self.message.split_once("not authorized to perform: ")?;
        rest.split_whitespace().next().filter(|word| word.contains(':'))
    }
}

/// The text of the first XML element of this name.
pub(crate) fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}
