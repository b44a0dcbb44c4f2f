//! `[redaction]` and `[limits]`.

use nethical_core::event::{Limits, Redaction};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which values of an entry are hidden.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RedactionTable {
    /// `false`: nothing is hidden.
    enabled: bool,
    /// Also hide the values of keys that hold these words.
    also: Vec<String>,
    /// Never hide the values of these very keys.
    except: Vec<String>,
}

impl Default for RedactionTable {
    fn default() -> Self {
        Self { enabled: true, also: Vec::new(), except: Vec::new() }
    }
}

impl From<RedactionTable> for Redaction {
    fn from(table: RedactionTable) -> Self {
        if !table.enabled {
            return Self::off();
        }
        let also = table.also.iter().fold(Self::default(), |rules, key| rules.also(key));
        table.except.iter().fold(also, |rules, key| rules.except(key))
    }
}

/// How much of an entry is kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsTable {
    /// Bytes of one text, also of the message.
    #[schemars(range(min = 1))]
    max_value_bytes: usize,
    /// Bytes of one key.
    #[schemars(range(min = 1))]
    max_key_bytes: usize,
    /// Bytes of the whole entry after which no further field is taken.
    #[schemars(range(min = 256))]
    max_entry_bytes: usize,
    /// Levels of nesting in the metadata.
    #[schemars(range(min = 1, max = 100))]
    max_depth: usize,
}

impl Default for LimitsTable {
    fn default() -> Self {
        let Limits { max_value_bytes, max_key_bytes, max_entry_bytes, max_depth } = Limits::default();
        Self { max_value_bytes, max_key_bytes, max_entry_bytes, max_depth }
    }
}

impl From<LimitsTable> for Limits {
    fn from(table: LimitsTable) -> Self {
        let LimitsTable { max_value_bytes, max_key_bytes, max_entry_bytes, max_depth } = table;
        Self { max_value_bytes, max_key_bytes, max_entry_bytes, max_depth }
    }
}
