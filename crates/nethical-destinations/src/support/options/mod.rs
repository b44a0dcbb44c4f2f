//! Options as they come from a configuration, before a destination reads them.
//!
//! [`Options`] is one table of values. Those that came from a text know their bytes in it, so that
//! every error points at what is wrong, whichever type reads them in the end.
//!
//! ```
//! use nethical_destinations::jsonl::JsonlConfig;
//! use nethical_destinations::support::options::Options;
//!
//! let options = Options::from_toml("filepath = 'app.jsonl'\nbufer_size = 10").unwrap();
//! let error = options.read::<JsonlConfig>().unwrap_err();
//! assert_eq!(error.to_string(), "unknown key `bufer_size`");
//! assert_eq!(error.hint().as_deref(), Some("did you mean `buffer_size`?"));
//! assert_eq!(error.span(), Some(23..33));
//! ```

mod de;
mod error;
mod json;
mod node;
mod range;
#[cfg(test)]
mod tests;
mod toml;
mod words;

pub use self::error::OptionsError;
pub use self::node::{Entry, Key, Node, Span, Value};
pub use self::words::{nearest, one_of};

use serde::de::DeserializeOwned;

/// A table of options, in the order in which they were written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    span: Option<Span>,
    entries: Vec<Entry>,
}

impl Options {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tables and values of a TOML document.
    ///
    /// # Errors
    /// Every fault of its syntax.
    pub fn from_toml(text: &str) -> Result<Self, Vec<OptionsError>> {
        toml::parse(text)
    }

    /// The members of a JSON document, which must be an object. Comments and commas after the last
    /// member are taken.
    ///
    /// # Errors
    /// The first fault of its syntax, or every key that is there twice.
    pub fn from_json(text: &str) -> Result<Self, Vec<OptionsError>> {
        json::parse(text)
    }

    /// Where in its text the table stands; for a TOML table that is its header.
    pub fn span(&self) -> Option<Span> {
        self.span.clone()
    }

    /// The options, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The options, in order, to be changed in place.
    pub fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// The option of this name.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.name == key)
    }

    /// Remove the option of this name.
    pub fn take(&mut self, key: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.key.name == key)?;
        Some(self.entries.remove(at))
    }

    /// Set an option, in the place of the one of this name or after all others.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        let (name, node) = (key.into(), Node::new(value));
        match self.entries.iter_mut().find(|entry| entry.key.name == name) {
            Some(entry) => entry.node = node,
            None => self.entries.push(Entry { key: Key { name, span: None }, node }),
        }
    }

    /// Move the options of these names out into a table of their own.
    #[must_use]
    pub fn split_off(&mut self, keys: &[&str]) -> Self {
        let all = std::mem::take(&mut self.entries);
        let (taken, rest) = all.into_iter().partition(|entry| keys.contains(&entry.key.name.as_str()));
        self.entries = rest;
        Self { span: self.span.clone(), entries: taken }
    }

    /// Read the options as a destination's config type.
    ///
    /// # Errors
    /// The first key that is unknown or missing, or the first value that does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, OptionsError> {
        de::read(self)
    }

    /// See whether the numbers are as large and small as a JSON Schema of the options says.
    ///
    /// # Errors
    /// The first one that is not.
    pub fn check_ranges(&self, schema: &schemars::Schema) -> Result<(), OptionsError> {
        range::check(self, schema)
    }

    /// A fault of the value of `key`, or of its absence, that only the destination can see.
    pub fn error_at(&self, key: &str, message: impl Into<String>) -> OptionsError {
        let error = OptionsError::invalid(message);
        match self.get(key) {
            Some(entry) => error.about(&entry.node).within_key(key),
            None => error.within_key(key).or_span(self.span.as_ref()),
        }
    }
}
