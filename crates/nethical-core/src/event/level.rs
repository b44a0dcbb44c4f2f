//! Severity of a log entry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Severity of a log entry, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Details for whoever is looking for a fault.
    Debug,
    /// What happened as it should.
    Info,
    /// Something that may become a fault.
    Warning,
    /// Something failed.
    Error,
    /// The program, or an important part of it, cannot go on.
    Critical,
}

impl Level {
    /// All levels, in rising order.
    pub const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The upper-case name: `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// From a syslog severity, 0 (emergency) to 7 (debug) (RFC 5424, section 6.2.1); `None` above 7.
    pub const fn from_syslog(severity: u8) -> Option<Self> {
        Some(match severity {
            0..=2 => Self::Critical,
            3 => Self::Error,
            4 => Self::Warning,
            5 | 6 => Self::Info,
            7 => Self::Debug,
            _ => return None,
        })
    }

    /// The syslog severity: 7, 6, 4, 3 or 2.
    pub const fn to_syslog(self) -> u8 {
        match self {
            Self::Debug => 7,
            Self::Info => 6,
            Self::Warning => 4,
            Self::Error => 3,
            Self::Critical => 2,
        }
    }

    /// From an OpenTelemetry `SeverityNumber`, 1 to 24 (logs data model); `None` outside.
    pub const fn from_otel(severity: u8) -> Option<Self> {
        Some(match severity {
            1..=8 => Self::Debug,
            9..=12 => Self::Info,
            13..=16 => Self::Warning,
            17..=20 => Self::Error,
            21..=24 => Self::Critical,
            _ => return None,
        })
    }

    /// The OpenTelemetry `SeverityNumber`: 5, 9, 13, 17 or 21.
    pub const fn to_otel(self) -> u8 {
        match self {
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warning => 13,
            Self::Error => 17,
            Self::Critical => 21,
        }
    }

    /// From the number of a level of Python's `logging`, where 10 is `DEBUG` and 50 `CRITICAL`.
    /// Levels of one's own count as the next named one below, and all under 20 as [`Debug`](Self::Debug).
    pub const fn from_python(levelno: i64) -> Self {
        match levelno {
            i64::MIN..=19 => Self::Debug,
            20..=29 => Self::Info,
            30..=39 => Self::Warning,
            40..=49 => Self::Error,
            50.. => Self::Critical,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownLevel(String);

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown level {:?}: use debug, info, warning, error or critical", self.0)?;
        if self.0.parse::<i64>().is_ok() {
            f.write_str(
                " (numbers mean different levels in syslog, OpenTelemetry and Python, so none is taken)",
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownLevel {}

impl FromStr for Level {
    type Err = UnknownLevel;

    /// In any case, and with the usual short forms: `warn`, `err`, `fatal`, `crit`.
    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        Ok(match text.trim().to_ascii_lowercase().as_str() {
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warning" | "warn" => Self::Warning,
            "error" | "err" => Self::Error,
            "critical" | "crit" | "fatal" => Self::Critical,
            _ => return Err(UnknownLevel(text.chars().take(40).collect())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case_and_short_forms() {
        for (text, level) in [
            ("debug", Level::Debug),
            ("Info", Level::Info),
            ("WARN", Level::Warning),
            (" warning ", Level::Warning),
            ("err", Level::Error),
            ("FATAL", Level::Critical),
            ("crit", Level::Critical),
        ] {
            assert_eq!(text.parse(), Ok(level));
        }
        assert!("notice".parse::<Level>().is_err());
        let number = "30".parse::<Level>().unwrap_err().to_string();
        assert!(number.contains("numbers mean different levels"), "{number}");
    }

    #[test]
    fn other_scales_come_back() {
        for level in Level::ALL {
            assert_eq!(Level::from_syslog(level.to_syslog()), Some(level));
            assert_eq!(Level::from_otel(level.to_otel()), Some(level));
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        assert_eq!(Level::from_syslog(8), None);
        assert_eq!(Level::from_otel(0), None);
        assert_eq!(Level::from_otel(25), None);
        assert_eq!(Level::from_python(25), Level::Info);
        assert_eq!(Level::from_python(-3), Level::Debug);
        assert_eq!(Level::from_python(60), Level::Critical);
        assert!(Level::Warning < Level::Error);
    }
}
