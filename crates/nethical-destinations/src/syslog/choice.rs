//! What options can be, in the words of those who write them.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// How messages travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// One datagram for each message (RFC 5426). Nobody can say whether it arrived.
    #[default]
    Udp,
    /// A stream (RFC 6587).
    Tcp,
    /// An encrypted stream (RFC 5425).
    Tls,
    /// A socket on this machine, such as `/dev/log`.
    Unix,
}

impl Protocol {
    /// The upper-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Unix => "UNIX",
        }
    }

    /// The port that is meant when none is named: 6514 for TLS (RFC 5425), 514 otherwise.
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::Tls => 6514,
            _ => 514,
        }
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Udp, Self::Tcp, Self::Tls, Self::Unix];
        let found = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text.trim()));
        found.ok_or_else(|| "expected \"UDP\", \"TCP\", \"TLS\" or \"UNIX\"".to_owned())
    }
}

/// What kind of program logs (RFC 5424, section 6.2.1): 0 to 23.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facility(u8);

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

impl Facility {
    /// For programs of one's own: 16.
    pub const LOCAL0: Self = Self(16);

    /// The facility of this number; `None` above 23.
    pub fn new(number: u8) -> Option<Self> {
        (number < 24).then_some(Self(number))
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Default for Facility {
    fn default() -> Self {
        Self::LOCAL0
    }
}

impl FromStr for Facility {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(number) = text.parse() {
            return Self::new(number).ok_or_else(|| "a facility is a number from 0 to 23".to_owned());
        }
        let number = FACILITIES.iter().position(|known| known.eq_ignore_ascii_case(text));
        let number = number.and_then(|number| u8::try_from(number).ok());
        number
            .map(Self)
            .ok_or_else(|| "expected a number from 0 to 23, or a name such as \"local0\"".to_owned())
    }
}

/// How messages are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rfc {
    /// As suits the protocol and the port.
    #[default]
    Auto,
    /// RFC 3164, with the time of day in local time.
    Rfc3164,
    /// RFC 3164 with an RFC 3339 timestamp.
    Rfc3164Iso,
    /// RFC 5424.
    Rfc5424,
}

impl FromStr for Rfc {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        match text.strip_prefix("rfc").unwrap_or(&text) {
            "auto" => Ok(Self::Auto),
            "3164" => Ok(Self::Rfc3164),
            "3164-iso" => Ok(Self::Rfc3164Iso),
            "5424" => Ok(Self::Rfc5424),
            _ => Err("expected 5424, 3164, \"3164-iso\" or \"auto\"".to_owned()),
        }
    }
}

/// Where a message ends in a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Framing {
    /// As suits the protocol and the port.
    #[default]
    Auto,
    /// Its length stands before it.
    Octet,
    /// A line feed stands after it.
    Lf,
}

impl FromStr for Framing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "octet" => Ok(Self::Octet),
            "lf" => Ok(Self::Lf),
            _ => Err("expected \"octet\", \"lf\" or \"auto\"".to_owned()),
        }
    }
}

/// Reads a word, or a number as if it were one.
struct Word<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word or a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

macro_rules! words {
    ($($type:ident: $schema:tt),* $(,)?) => { $(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Word(std::marker::PhantomData))
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )* };
}
words! {
    Protocol: { "type": "string", "pattern": "^(?i)(udp|tcp|tls|unix)$" },
    Facility: { "oneOf": [{ "type": "integer", "minimum": 0, "maximum": 23 }, { "enum": FACILITIES }] },
    Rfc: { "enum": [3164, 5424, "3164", "5424", "3164-iso", "auto"] },
    Framing: { "enum": ["auto", "octet", "lf"] },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_any_case() {
        assert_eq!("tcp".parse(), Ok(Protocol::Tcp));
        assert!("http".parse::<Protocol>().is_err());
        assert_eq!("LOCAL7".parse(), Ok(Facility(23)));
        assert_eq!("16".parse(), Ok(Facility::LOCAL0));
        assert!("24".parse::<Facility>().is_err() && "-1".parse::<Facility>().is_err());
        assert_eq!("RFC5424".parse(), Ok(Rfc::Rfc5424));
        assert_eq!("3164-iso".parse(), Ok(Rfc::Rfc3164Iso));
        assert_eq!("Octet".parse(), Ok(Framing::Octet));
    }
}
