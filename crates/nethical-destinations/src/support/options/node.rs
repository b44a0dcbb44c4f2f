use std::ops::Range;

use super::Options;

/// Bytes of a text.
pub type Span = Range<usize>;

/// One option.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub key: Key,
    /// Its value.
    pub node: Node,
}

/// The name of an option, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub name: String,
    /// Its bytes, if it came from a text.
    pub span: Option<Span>,
}

/// A value, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Its bytes, if it came from a text.
    pub span: Option<Span>,
    /// Whether some of it was taken from the environment: it is never shown, and text of which all
    /// was taken from there may also stand for a number, `true` or `false`.
    pub from_environment: bool,
}

/// What an option can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, which only JSON can say.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with a fraction.
    Float(f64),
    /// Text. A date of TOML is text too.
    String(String),
    /// A list.
    Array(Vec<Node>),
    /// A table.
    Table(Options),
}

impl Node {
    /// A value that came from no text.
    pub fn new(value: impl Into<Value>) -> Self {
        Self { value: value.into(), span: None, from_environment: false }
    }

    pub(super) fn at(span: Span, value: impl Into<Value>) -> Self {
        Self { span: Some(span), ..Self::new(value) }
    }
}

impl Options {
    pub(super) const fn at(span: Span, entries: Vec<Entry>) -> Self {
        Self { span: Some(span), entries }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => { $(impl From<$type> for Value {
        fn from(value: $type) -> Self {
            Self::$variant(value.into())
        }
    })* };
}
from! {
    bool => Bool, i32 => Int, i64 => Int, u32 => Int, u64 => Int, i128 => Int, f64 => Float,
    &str => String, String => String, Vec<Node> => Array, Options => Table,
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => {
                number.as_i128().map_or_else(|| Self::Float(number.as_f64().unwrap_or(f64::NAN)), Self::Int)
            }
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(items) => Self::Array(items.into_iter().map(Node::new).collect()),
            serde_json::Value::Object(map) => Self::Table(map.into()),
        }
    }
}

impl From<serde_json::Map<String, serde_json::Value>> for Options {
    fn from(map: serde_json::Map<String, serde_json::Value>) -> Self {
        let entry = |(name, value): (String, serde_json::Value)| Entry {
            key: Key { name, span: None },
            node: Node::new(value),
        };
        Self { span: None, entries: map.into_iter().map(entry).collect() }
    }
}
