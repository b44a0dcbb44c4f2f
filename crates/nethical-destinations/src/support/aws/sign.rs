//! Signature Version 4, and the clock that it depends on.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use jiff::Timestamp;
use nethical_core::delivery::Error;

use super::Endpoint;

/// The headers that sign a POST of `body` with `headers`.
pub(super) fn headers(
    endpoint: &Endpoint,
    headers: &[(String, String)],
    body: &[u8],
    credentials: Credentials,
    now: SystemTime,
) -> Result<Vec<(String, String)>, Error> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::config("aws.not_signed", format!("cannot sign a request to {}: {error}", endpoint.url()))
            .with_hint("see whether `endpoint_url` is a whole address, such as `https://logs.example.com`")
    };
    let identity = credentials.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(endpoint.region())
        .name(endpoint.signing_name())
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let named = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request = SignableRequest::new("POST", endpoint.url(), named, SignableBody::Bytes(body))
        .map_err(|error| failed(&error))?;
    let (signed, _) = sign(request, &params).map_err(|error| failed(&error))?.into_parts();
    Ok(signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The time as AWS sees it: the machine's, corrected by what an answer showed.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Seconds that the machine is behind.
    behind: AtomicI64,
}

impl Clock {
    /// What to sign with.
    pub(super) fn now(&self) -> SystemTime {
        let behind = self.behind.load(Ordering::Relaxed);
        let step = Duration::from_secs(behind.unsigned_abs());
        let now = SystemTime::now();
        let corrected = if behind >= 0 { now.checked_add(step) } else { now.checked_sub(step) };
        corrected.unwrap_or(now)
    }

    /// Take over the server's time. `false`: that changes nothing, so a signature would be no better.
    pub(super) fn learn(&self, server: Option<Timestamp>, now: Timestamp) -> bool {
        /// A date has no fractions, and an answer takes its time.
        const TOLERANCE: u64 = 30;
        let Some(server) = server else { return false };
        let behind = server.as_second() - now.as_second();
        let before = self.behind.swap(behind, Ordering::Relaxed);
        let changed = before.abs_diff(behind) > TOLERANCE;
        if changed {
            tracing::warn!(
                target: "nethical",
                hint = "set the clock of this machine, for example with NTP",
                "the clock of this machine differs from that of AWS by {behind} s: requests are signed with theirs"
            );
        }
        changed
    }
}
