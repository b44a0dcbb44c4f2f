//! Options as they come from a configuration, before a destination reads them.

/// A table of options.
#[derive(Debug, Clone)]
pub struct Options;

/// Options that a destination cannot take.
#[derive(Debug, Clone)]
pub struct OptionsError;

impl Options {
    /// Read the options as a destination's config type.
    ///
    /// # Errors
    /// An unknown key, a wrong type.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, OptionsError> {
        Err(OptionsError)
    }
}
