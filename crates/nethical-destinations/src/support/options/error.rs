use std::fmt;

use nethical_core::event::Redaction;
use serde::de::{self, Expected, Unexpected};

use super::words::{expected, found, nearest, one_of};
use super::{Node, Span};

/// An option that cannot be taken, where it stands, and what to do about it.
///
/// Never shows what was taken from the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionsError(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    fault: Fault,
    /// The way to the option, such as `queue.max_events` or `also[2]`.
    path: String,
    /// The first key of the way.
    first: Option<String>,
    span: Option<Span>,
    hint: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    Unknown {
        known: Vec<String>,
    },
    Missing,
    /// `without_value`: the same without the value, if the message shows it.
    Invalid {
        message: String,
        without_value: Option<String>,
    },
}

impl OptionsError {
    fn new(fault: Fault) -> Self {
        Self(Box::new(Inner { fault, path: String::new(), first: None, span: None, hint: None }))
    }

    /// A value that does not do.
    pub fn invalid(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(Fault::Invalid { without_value: None, message })
    }

    /// A key that nobody asked for.
    pub fn unknown<'k>(key: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        let known = known.into_iter().map(str::to_owned).collect();
        Self::new(Fault::Unknown { known }).within_key(key)
    }

    /// Say what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same at these bytes, unless it knows better.
    #[must_use]
    pub fn or_span(mut self, span: Option<&Span>) -> Self {
        self.0.span = self.0.span.or_else(|| span.cloned());
        self
    }

    /// The same, seen from the table in which `key` holds the table that this is about.
    #[must_use]
    pub fn within_key(mut self, key: &str) -> Self {
        if let Fault::Invalid { message, without_value } = &mut self.0.fault
            && is_secret(key)
            && let Some(text) = without_value.take()
        {
            *message = format!("{text} (what is there is not shown)");
        }
        let path = &self.0.path;
        let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
        self.0.path = format!("{key}{dot}{path}");
        self.0.first = Some(key.to_owned());
        self
    }

    /// The same, seen from the list that holds this item.
    #[must_use]
    pub fn within_item(mut self, index: usize) -> Self {
        let path = &self.0.path;
        let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
        self.0.path = format!("[{index}]{dot}{path}");
        self
    }

    /// The same about this very value, unless it is about a part of it.
    pub(super) fn about(mut self, node: &Node) -> Self {
        if self.0.span.is_none()
            && node.from_environment
            && let Fault::Invalid { message, without_value } = &mut self.0.fault
        {
            let text = without_value.take().unwrap_or_else(|| "this value does not do".to_owned());
            *message = format!("{text} (it comes from the environment, and is not shown)");
        }
        self.or_span(node.span.as_ref())
    }

    /// If this is about an unknown key: the same, where these keys are known too.
    #[must_use]
    pub fn also_known(mut self, keys: &[&str]) -> Self {
        if let Fault::Unknown { known } = &mut self.0.fault
            && self.0.first.as_deref() == Some(&*self.0.path)
        {
            known.extend(keys.iter().map(|&key| key.to_owned()));
        }
        self
    }

    /// The bytes of the key or value, if it came from a text.
    pub fn span(&self) -> Option<Span> {
        self.0.span.clone()
    }

    /// The way to the option, such as `queue.max_events`. Empty if it is about the whole.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The first key of the way.
    pub fn first_key(&self) -> Option<&str> {
        self.0.first.as_deref()
    }

    /// Whether a key is missing.
    pub const fn is_missing(&self) -> bool {
        matches!(self.0.fault, Fault::Missing)
    }

    /// If this is about an unknown key: the known one that was meant, most likely.
    pub fn suggestion(&self) -> Option<&str> {
        let Fault::Unknown { known } = &self.0.fault else { return None };
        let last = self.0.path.rsplit('.').next().unwrap_or_default();
        nearest(last, known.iter().map(String::as_str))
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let known = match &self.0.fault {
            Fault::Unknown { known } if self.0.hint.is_none() => known,
            _ => return self.0.hint.clone(),
        };
        if let Some(name) = self.suggestion() {
            return Some(format!("did you mean `{name}`?"));
        }
        let names = one_of(known.iter().map(String::as_str), "and");
        (!known.is_empty()).then(|| format!("known here: {names}"))
    }
}

/// Whether what stands behind a key may be a secret, as the address of a webhook is one.
fn is_secret(key: &str) -> bool {
    let also = ["headers", "secrets"].contains(&key) || key.contains("url") || key.contains("hook");
    also || Redaction::default().hides(key)
}

/// Whether a number, `true` or `false` was asked for and stands in quotes.
fn is_quoted(unexpected: Unexpected<'_>, wanted: &str) -> bool {
    let Unexpected::Str(text) = unexpected else { return false };
    (wanted.contains("number") && text.parse::<f64>().is_ok())
        || (wanted == "true or false" && text.parse::<bool>().is_ok())
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.0.path;
        match &self.0.fault {
            Fault::Unknown { .. } => write!(f, "unknown key `{path}`"),
            Fault::Missing => write!(f, "key `{path}` is missing"),
            Fault::Invalid { message, .. } if path.is_empty() => f.write_str(message),
            Fault::Invalid { message, .. } => write!(f, "`{path}`: {message}"),
        }
    }
}

impl std::error::Error for OptionsError {}

impl de::Error for OptionsError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::invalid(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let wanted = expected(&wanted.to_string());
        let error = Self::new(Fault::Invalid {
            // A text in the place of a table may be a header, with its secret.
            message: match unexpected {
                Unexpected::Str(_) if wanted == "a table" => format!("expected {wanted}, found a text"),
                _ => format!("expected {wanted}, found {}", found(unexpected)),
            },
            without_value: Some(format!("expected {wanted}")),
        });
        if is_quoted(unexpected, &wanted) { error.with_hint("leave out the quotes") } else { error }
    }

    fn invalid_value(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, wanted)
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let hint = match nearest(variant, known.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("use {}", one_of(known.iter().copied(), "or")),
        };
        let fault = Fault::Invalid {
            message: format!("unknown value `{variant}`"),
            without_value: Some("unknown value".to_owned()),
        };
        Self::new(fault).with_hint(hint)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::unknown(field, known.iter().copied())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Fault::Missing).within_key(field)
    }
}
