use schemars::JsonSchema;
use serde::Deserialize;

/// Options of `memory`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryConfig {
    /// Events to keep; older ones are forgotten.
    pub max_events: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { max_events: 10_000 }
    }
}
