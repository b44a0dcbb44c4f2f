use schemars::JsonSchema;
use serde::Deserialize;

use super::Memory;

/// Options of `memory`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryConfig {
    /// Events to keep; older ones are forgotten.
    pub max_events: usize,
    #[serde(skip)]
    pub(super) memory: Memory,
}

impl MemoryConfig {
    /// What destinations that are opened with these options will have got.
    pub fn memory(&self) -> Memory {
        self.memory.clone()
    }
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { max_events: 10_000, memory: Memory::default() }
    }
}
