//! Signed webhooks, as Standard Webhooks 1.0 has them (<https://www.standardwebhooks.com>), scheme `v1`:
//! HMAC-SHA256 over `id.timestamp.body`, in base64.
//!
//! ```
//! use nethical_destinations::webhook::{Headers, Key, TOLERANCE, sign, verify};
//!
//! let key: Key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
//! let signature = sign(&[key.clone()], "msg_1", 1_700_000_000, b"{}").unwrap();
//! let headers = Headers { id: "msg_1", timestamp: "1700000000", signature: &signature };
//! assert!(verify(&[key], &headers, b"{}", 1_700_000_100, TOLERANCE).is_ok());
//! ```

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Seconds that a message's time may differ from ours, in both directions.
pub const TOLERANCE: u64 = 300;

/// A secret to sign with. Never shown.
///
/// `whsec_` and base64 is what Standard Webhooks has: 24 to 64 bytes. Any other text is taken as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    bytes: Vec<u8>,
    /// The text as it was given: what the plain `sha256=` header is signed with.
    text: String,
}

impl FromStr for Key {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = match text.strip_prefix("whsec_") {
            None if text.is_empty() => return Err("a secret must not be empty"),
            None if text.starts_with("whsk_") || text.starts_with("whpk_") => {
                return Err("this is a key of the scheme v1a, and only v1 is known here");
            }
            None => text.as_bytes().to_vec(),
            Some(encoded) => {
                let bytes = STANDARD.decode(encoded).map_err(|_| "after `whsec_` there must be base64")?;
                if !(24..=64).contains(&bytes.len()) {
                    return Err("a `whsec_` secret has 24 to 64 bytes");
                }
                bytes
            }
        };
        Ok(Self { bytes, text: text.to_owned() })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Why nothing was signed, or a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// There is no secret to sign or verify with.
    NoKey,
    /// The id is empty or holds a dot, which would make what is signed ambiguous.
    Id,
    /// The time is no whole number of seconds.
    Timestamp,
    /// The message is older than is tolerated.
    TooOld,
    /// The message is from further in the future than is tolerated.
    TooNew,
    /// No signature in the list matches any secret.
    NoMatch,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => "there is no secret",
            Self::Id => "the id is empty or holds a dot",
            Self::Timestamp => "the timestamp is no whole number of seconds",
            Self::TooOld => "the message is too old",
            Self::TooNew => "the message is from the future",
            Self::NoMatch => "no signature matches",
        })
    }
}

impl std::error::Error for SignatureError {}

/// The three headers of a signed message.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp: &'a str,
    /// `webhook-signature`: `v1,` and base64, several separated by spaces.
    pub signature: &'a str,
}

/// The value of `webhook-signature`: one signature for each of the keys, in their order.
///
/// # Errors
/// [`SignatureError::NoKey`] and [`SignatureError::Id`].
pub fn sign(keys: &[Key], id: &str, timestamp: i64, body: &[u8]) -> Result<String, SignatureError> {
    if keys.is_empty() {
        return Err(SignatureError::NoKey);
    }
    check_id(id)?;
    let timestamp = timestamp.to_string();
    let one =
        |key: &Key| format!("v1,{}", STANDARD.encode(mac(key, id, &timestamp, body).finalize().into_bytes()));
    Ok(keys.iter().map(one).collect::<Vec<_>>().join(" "))
}

/// Whether a message is from somebody who knows one of the keys, and from now. `now` is in seconds since 1970,
/// `tolerance` in seconds, usually [`TOLERANCE`]. Signatures of other schemes and what is no signature are skipped.
///
/// # Errors
/// What keeps the message from being trusted.
pub fn verify(
    keys: &[Key],
    headers: &Headers<'_>,
    body: &[u8],
    now: i64,
    tolerance: u64,
) -> Result<(), SignatureError> {
    if keys.is_empty() {
        return Err(SignatureError::NoKey);
    }
    check_id(headers.id)?;
    let is_number =
        !headers.timestamp.is_empty() && headers.timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let sent =
        headers.timestamp.parse::<i64>().ok().filter(|_| is_number).ok_or(SignatureError::Timestamp)?;
    if now.saturating_sub(sent) > i64::try_from(tolerance).unwrap_or(i64::MAX) {
        return Err(SignatureError::TooOld);
    }
    if sent.saturating_sub(now) > i64::try_from(tolerance).unwrap_or(i64::MAX) {
        return Err(SignatureError::TooNew);
    }
    let given = headers.signature.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let given: Vec<_> = given.filter_map(|encoded| STANDARD.decode(encoded).ok()).collect();
    let matches = |key: &Key| {
        // Compared in constant time.
        given.iter().any(|tag| mac(key, headers.id, headers.timestamp, body).verify_slice(tag).is_ok())
    };
    if keys.iter().any(matches) { Ok(()) } else { Err(SignatureError::NoMatch) }
}

/// The plain signature that GitHub and others use: `sha256=` and the HMAC-SHA256 of the body in hexadecimal. It
/// covers neither id nor time, so a message can be replayed; it is for receivers that know nothing better. The
/// key is the secret as it is written.
pub fn sign_plain(key: &Key, body: &[u8]) -> String {
    let mut mac = keyed(key.text.as_bytes());
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

fn check_id(id: &str) -> Result<(), SignatureError> {
    if id.is_empty() || id.contains('.') { Err(SignatureError::Id) } else { Ok(()) }
}

fn mac(key: &Key, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = keyed(&key.bytes);
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("any length")
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
