//! What destinations share that post messages to web addresses: the address and other secrets, signatures,
//! one exchange within its deadlines, and what failures mean.

mod errors;
mod options;
mod poster;
mod readable;
mod secret;
pub mod signature;
mod single;
mod text;
mod url;

pub(crate) use self::errors::{Code, Context, said};
pub(crate) use self::options::{defaults, options};
pub(crate) use self::poster::{Common, Exchange, Poster};
pub(crate) use self::readable::Readable;
pub use self::secret::{Headers, SecretText};
pub(crate) use self::single::{Service, Single};
pub(crate) use self::text::{cut, cut_as, units};
pub use self::url::WebhookUrl;

use serde::{Deserialize, Deserializer, de};

/// Seconds, as an option gives them: more than none, at most a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seconds(f64);

impl Seconds {
    /// So many; `None` if that is no time to wait.
    pub fn new(seconds: f64) -> Option<Self> {
        (0.001..=86_400.0).contains(&seconds).then_some(Self(seconds))
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

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Self::new(seconds).ok_or_else(|| {
            de::Error::invalid_value(de::Unexpected::Float(seconds), &"seconds, from 0.001 to 86400")
        })
    }
}

impl schemars::JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0.001, "maximum": 86_400 })
    }
}
