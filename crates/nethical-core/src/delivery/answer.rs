//! What is known of one delivery: for its caller, and for the record.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::delivery::{Error, Schedule};
use crate::event::Timestamp;

/// What a receiver answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The status of its protocol: 200.
    pub code: Option<u16>,
    /// Its headers, names in lower case, without those that are secret.
    pub headers: Vec<(String, String)>,
    /// The start of its body, at most 4 KiB.
    pub excerpt: String,
    /// How long the exchange took.
    pub took: Duration,
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// Accepted, waiting for its turn.
    Pending,
    /// The receiver has it and said so.
    Success,
    /// Given up; it is among the dead letters.
    Failed,
    /// At least one attempt failed, and there will be another.
    Retrying,
}

impl DeliveryStatus {
    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Retrying => "retrying",
        }
    }
}

impl fmt::Display for DeliveryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One delivery of one event to one destination. Holds no secret: the address is masked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// The event's id, which stays the same through every repeat and replay.
    pub delivery_id: String,
    /// The name of the destination.
    pub destination: String,
    /// Its address, with what is secret in it masked.
    #[serde(default)]
    pub url: Option<String>,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// Times that it was sent.
    pub attempt_count: u32,
    /// When it was sent last.
    #[serde(default)]
    pub last_attempt: Option<Timestamp>,
    /// The status that the receiver answered last.
    #[serde(default)]
    pub response_code: Option<u16>,
    /// Milliseconds that the last attempt took.
    #[serde(default)]
    pub duration_ms: Option<f64>,
    /// What failed, and where.
    #[serde(default)]
    pub error_message: Option<String>,
    /// A stable name of what failed, such as `http.refused`.
    #[serde(default)]
    pub error_code: Option<String>,
    /// What to do about it.
    #[serde(default)]
    pub hint: Option<String>,
    /// Headers of the last answer, names in lower case.
    #[serde(default)]
    pub response_headers: Vec<(String, String)>,
    /// The start of the last answer's body, at most 4 KiB.
    #[serde(default)]
    pub response_body_excerpt: Option<String>,
    /// Whether it went through the queue; otherwise its caller waited for it.
    #[serde(default)]
    pub queued: bool,
}

impl Delivery {
    /// One that waits for its turn.
    pub(crate) fn pending(delivery_id: String, destination: &str, url: Option<&str>) -> Self {
        Self {
            delivery_id,
            destination: destination.to_owned(),
            url: url.map(str::to_owned),
            status: DeliveryStatus::Pending,
            attempt_count: 0,
            last_attempt: None,
            response_code: None,
            duration_ms: None,
            error_message: None,
            error_code: None,
            hint: None,
            response_headers: Vec::new(),
            response_body_excerpt: None,
            queued: true,
        }
    }

    /// One that was not accepted: for whoever answers with deliveries.
    pub fn rejected(delivery_id: String, destination: &str, code: &str, message: String, hint: &str) -> Self {
        Self {
            status: DeliveryStatus::Failed,
            error_code: Some(code.to_owned()),
            error_message: Some(message),
            hint: Some(hint.to_owned()),
            queued: false,
            ..Self::pending(delivery_id, destination, None)
        }
    }

    /// Whether the receiver has it and said so.
    pub fn is_success(&self) -> bool {
        self.status == DeliveryStatus::Success
    }

    /// The same after an attempt that ended like this.
    #[must_use]
    pub(crate) fn after(mut self, attempts: u32, answer: Option<&Answer>, error: Option<&Error>) -> Self {
        self.attempt_count = attempts;
        self.last_attempt = (attempts > 0).then(Timestamp::now);
        if let Some(answer) = answer {
            self.response_code = answer.code;
            self.duration_ms = Some(answer.took.as_secs_f64() * 1_000.0);
            self.response_headers.clone_from(&answer.headers);
            self.response_body_excerpt = Some(answer.excerpt.clone());
        }
        self.error_message = error.map(|error| error.message().to_owned());
        self.error_code = error.map(|error| error.code().to_owned());
        self.hint = error.and_then(|error| error.hint().map(str::to_owned));
        self
    }

    /// The same with this status.
    #[must_use]
    pub(crate) const fn with_status(mut self, status: DeliveryStatus) -> Self {
        self.status = status;
        self
    }
}

/// How a delivery is repeated for which its caller waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Attempts in all; 0 counts as 1. Default 3.
    pub max_attempts: u32,
    /// The wait before the second attempt. Default 1 s.
    pub delay: Duration,
    /// By what each wait is longer than the one before it. Default 2.
    pub backoff: f64,
    /// The end of it all, whatever the receiver asks for. Default 60 s.
    pub total: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_attempts: 3, delay: Duration::from_secs(1), backoff: 2.0, total: Duration::from_secs(60) }
    }
}

impl Policy {
    /// The longest wait that a backoff makes.
    const MOST: f64 = 3_600.0;

    /// The wait after this many attempts, between half of its step and the whole (equal jitter): somebody waits.
    /// What the receiver asks for is never shortened. `luck` is in `0.0..1.0`.
    pub fn wait(&self, attempts: u32, asked: Option<Duration>, luck: f64) -> Duration {
        let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let step = self.delay.as_secs_f64() * self.backoff.max(0.0).powi(exponent);
        let step = if step.is_finite() { step.min(Self::MOST) } else { Self::MOST };
        let wait = Duration::from_secs_f64(step * (0.5 + luck.clamp(0.0, 1.0) / 2.0));
        asked.map_or(wait, |asked| wait.max(asked))
    }

    /// The waits of queued deliveries that begin like these.
    pub fn schedule(&self) -> Schedule {
        let usual = Schedule { first: Duration::from_millis(200), cap: Duration::from_secs(30) };
        Schedule { first: self.delay.min(usual.cap), ..usual }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_between_half_and_the_whole_and_the_wish_counts() {
        let policy = Policy { delay: Duration::from_secs(5), backoff: 2.0, ..Policy::default() };
        let waits = |luck| (1..=4).map(|n| policy.wait(n, None, luck).as_secs_f32()).collect::<Vec<_>>();
        assert_eq!(waits(0.0), [2.5, 5.0, 10.0, 20.0]);
        assert_eq!(waits(1.0), [5.0, 10.0, 20.0, 40.0]);
        assert_eq!(policy.wait(1, Some(Duration::from_secs(7)), 1.0).as_secs(), 7);
        let odd = Policy { backoff: f64::INFINITY, ..policy };
        assert_eq!(odd.wait(9, None, 1.0).as_secs(), 3_600);
        assert_eq!(Policy { backoff: f64::NAN, ..policy }.wait(3, None, 1.0).as_secs(), 0);
    }
}
