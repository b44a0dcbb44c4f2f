//! Signature Version 4, and the clock that it depends on.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use jiff::Timestamp;
use nethical_core::delivery::Error;

/// What a signature is about, beside headers, body and time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signing<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) region: &'a str,
    /// What signatures call the service.
    pub(crate) service: &'a str,
    /// Whether a header says the digest of the body.
    pub(crate) with_digest: bool,
}

/// The headers that sign a request of now.
pub(crate) fn sign_now(
    signing: &Signing<'_>,
    headers: &[(String, String)],
    body: &[u8],
    credentials: Credentials,
) -> Result<Vec<(String, String)>, Error> {
    sign_at(signing, headers, body, credentials, SystemTime::now())
}

/// The headers that sign a request.
pub(crate) fn sign_at(
    signing: &Signing<'_>,
    headers: &[(String, String)],
    body: &[u8],
    credentials: Credentials,
    now: SystemTime,
) -> Result<Vec<(String, String)>, Error> {
    let Signing { method, url, region, service, with_digest } = *signing;
    let failed = |error: &dyn std::fmt::Display| {
        Error::config("aws.not_signed", format!("cannot sign a request to {url}: {error}"))
            .with_hint("see whether the address is a whole one, such as `https://logs.example.com`")
    };
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    if with_digest {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if service == "s3" {
        // Every other service signs a path that is encoded twice, and with `a//b` as `a/b`.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let named = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request = SignableRequest::new(method, url, named, SignableBody::Bytes(body))
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
