//! What destinations share that post messages to web addresses: the address and other secrets, signatures,
//! one exchange within its deadlines, and what failures mean.

mod errors;
mod hidden;
mod options;
mod poster;
mod readable;
mod secret;
pub mod signature;
mod single;
mod text;
mod url;

pub(crate) use self::errors::{Code, Context, line, said};
pub(crate) use self::options::{defaults, options};
pub(crate) use self::poster::{Common, Exchange, Poster};
pub(crate) use self::readable::Readable;
pub use self::secret::{Headers, SecretText};
pub(crate) use self::single::{Service, Single};
pub(crate) use self::text::{cut, cut_as, split, split_as, units};
pub use self::url::WebhookUrl;

use serde::{Deserialize, Deserializer, de};

/// Seconds, as an option gives them: at least so many thousandths of one, at most a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seconds<const LEAST: u16 = 1>(f64);

/// Seconds to wait before something is tried again, which may be none.
pub type Wait = Seconds<0>;

impl<const LEAST: u16> Seconds<LEAST> {
    const FROM: f64 = LEAST as f64 / 1_000.0;
    const TO: f64 = 86_400.0;

    /// So many; `None` if that is too short or too long.
    pub fn new(seconds: f64) -> Option<Self> {
        (Self::FROM..=Self::TO).contains(&seconds).then_some(Self(seconds))
    }

    /// As a default.
    pub(crate) const fn of(seconds: u8) -> Self {
        Self(seconds as f64)
    }

    /// As a duration.
    pub fn get(self) -> std::time::Duration {
        std::time::Duration::from_secs_f64(self.0)
    }
}

impl<'de, const LEAST: u16> Deserialize<'de> for Seconds<LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Self::new(seconds).ok_or_else(|| {
            let expected = format!("seconds, from {} to {}", Self::FROM, Self::TO);
            de::Error::invalid_value(de::Unexpected::Float(seconds), &expected.as_str())
        })
    }
}

impl<const LEAST: u16> schemars::JsonSchema for Seconds<LEAST> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": Self::FROM, "maximum": Self::TO })
    }
}
