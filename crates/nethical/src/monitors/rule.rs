//! What is watched, and when that is worth an alert.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use nethical_core::event::Severity;

/// How a value is compared with a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Below, Self::AtMost, Self::Above, Self::AtLeast, Self::Equal, Self::NotEqual];

    /// The sign: `<`, `<=`, `>`, `>=`, `==` or `!=`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    /// Whether a value is such. NaN is none of these, and [`NanRule`] says what it is.
    #[expect(clippy::float_cmp, reason = "that is what `==` and `!=` ask for")]
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Below => value < threshold,
            Self::AtMost => value <= threshold,
            Self::Above => value > threshold,
            Self::AtLeast => value >= threshold,
            Self::Equal => value == threshold,
            Self::NotEqual => value != threshold,
        }
    }

    /// Whether a value is back behind `clear`, on the good side.
    fn is_clear(self, value: f64, clear: f64) -> bool {
        match self {
            Self::Below | Self::AtMost => value >= clear,
            Self::Above | Self::AtLeast => value <= clear,
            Self::Equal | Self::NotEqual => true,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCondition(String);

impl fmt::Display for UnknownCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown condition {:?}: use <, <=, >, >=, == or !=", self.0)
    }
}

impl std::error::Error for UnknownCondition {}

impl FromStr for Condition {
    type Err = UnknownCondition;

    fn from_str(text: &str) -> Result<Self, UnknownCondition> {
        let known = Self::ALL.into_iter().find(|condition| condition.as_str() == text.trim());
        known.ok_or_else(|| UnknownCondition(text.chars().take(40).collect()))
    }
}

/// A threshold, and how a value is compared with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// How.
    pub condition: Condition,
    /// With what.
    pub threshold: f64,
    /// A breach is over only when a value is here or better (hysteresis). Without it: as soon as the condition does
    /// not hold.
    pub clear: Option<f64>,
}

impl Limit {
    /// Whether a value is a breach; while one lasts it must get better than `clear`.
    pub(super) fn is_breached(&self, value: f64, lasts: bool) -> bool {
        let holds = self.condition.holds(value, self.threshold);
        holds || lasts && self.clear.is_some_and(|clear| !self.condition.is_clear(value, clear))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.condition, self.threshold)
    }
}

/// What NaN means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NanRule {
    /// It is a breach: a loss that is not a number is no good sign.
    #[default]
    Breach,
    /// It is as good as a value that is no breach.
    Ok,
    /// It is as if there had been no value, except that there was one.
    Ignore,
}

/// What is watched, and when that is worth an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Its name; its alerts have the key `monitor:NAME`.
    pub name: String,
    /// The metric.
    pub metric: String,
    /// When a value is a breach.
    pub limit: Option<Limit>,
    /// How long a breach must last before there is an alert. Default 0 s.
    pub hold: Duration,
    /// For how long after the end of a breach there is no new alert; what comes is counted as suppressed. Default 0 s.
    pub cooldown: Duration,
    /// How long there may be no value before there is an alert. Default: any time.
    pub missing: Option<Duration>,
    /// What NaN means.
    pub nan: NanRule,
    /// How severe a breach is. Default warning.
    pub severity: Severity,
    /// The title of its alerts. Default `Threshold breach: METRIC`.
    pub title: Option<String>,
    /// The text of its alerts, in which `{metric}`, `{value}`, `{condition}` and `{threshold}` are replaced.
    /// Default: what the value is, and what it must not be.
    pub message: Option<String>,
    /// The source of its alerts. Default `monitors`.
    pub source: String,
    /// The labels of its alerts.
    pub labels: BTreeMap<String, String>,
}

impl Monitor {
    /// For a metric, with nothing to ask yet.
    pub fn new(name: impl Into<String>, metric: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            metric: metric.into(),
            limit: None,
            hold: Duration::ZERO,
            cooldown: Duration::ZERO,
            missing: None,
            nan: NanRule::default(),
            severity: Severity::Warning,
            title: None,
            message: None,
            source: "monitors".to_owned(),
            labels: BTreeMap::new(),
        }
    }

    /// For a metric that must not be such.
    pub fn threshold(metric: &str, condition: Condition, threshold: f64) -> Self {
        let limit = Limit { condition, threshold, clear: None };
        Self { limit: Some(limit), ..Self::new(format!("{metric} {limit}"), metric) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_as_their_signs_say() {
        let holds = |value: f64| Condition::ALL.map(|condition| condition.holds(value, 1.0));
        assert_eq!(holds(0.9), [true, true, false, false, false, true]);
        assert_eq!(holds(1.0), [false, true, false, true, true, false]);
        assert_eq!(holds(1.1), [false, false, true, true, false, true]);
        for condition in Condition::ALL {
            assert_eq!(condition.as_str().parse(), Ok(condition));
        }
        assert!("=<".parse::<Condition>().unwrap_err().to_string().contains("!="));
    }

    #[test]
    fn a_breach_that_lasts_must_get_better_than_clear() {
        let limit = Limit { condition: Condition::Below, threshold: 0.90, clear: Some(0.92) };
        assert!(limit.is_breached(0.89, false) && !limit.is_breached(0.91, false));
        assert!(limit.is_breached(0.91, true) && !limit.is_breached(0.92, true));
        let above = Limit { condition: Condition::AtLeast, threshold: 90.0, clear: Some(80.0) };
        assert!(above.is_breached(81.0, true) && !above.is_breached(80.0, true));
    }
}
