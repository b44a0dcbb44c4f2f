//! `[spool]`: what waits on disk, where, and how much of it.

use std::path::PathBuf;

use nethical_core::delivery::SpoolSettings;
use nethical_core::spool::{Durability, Full, Options};
use schemars::JsonSchema;
use serde::Deserialize;

use super::feeding::WhenFull;

/// Events that wait on disk until they are delivered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SpoolTable {
    /// `false`: nothing is kept on disk, unless a destination's own table says `spool = true`.
    enabled: bool,
    /// The directory for everything that is kept. Without it `$NETHICAL_HOME`, else
    /// `$XDG_STATE_HOME/nethical`, else `~/.local/state/nethical`.
    home: Option<PathBuf>,
    /// What is safe from what, and when.
    durability: When,
    /// Bytes of all files together.
    #[schemars(range(min = 1_048_576))]
    max_bytes: u64,
    /// Bytes that may wait for one destination.
    #[schemars(range(min = 65_536))]
    destination_bytes: u64,
    /// Bytes at which a new file begins; at most a quarter of `max_bytes` counts.
    #[schemars(range(min = 65_536))]
    segment_bytes: u64,
    /// What gives way when one of these is reached.
    full: WhenFull,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum When {
    /// With the system within 20 ms, which outlives the process; on the disk when the system likes.
    None,
    /// On the disk within 20 ms.
    Interval,
    /// On the disk before the call returns.
    Every,
}

impl Default for SpoolTable {
    fn default() -> Self {
        let Options { max_bytes, destination_bytes, segment_bytes, .. } = Options::default();
        Self {
            enabled: true,
            home: None,
            durability: When::Interval,
            max_bytes,
            destination_bytes,
            segment_bytes,
            full: WhenFull::DropOldest,
        }
    }
}

impl From<SpoolTable> for SpoolSettings {
    fn from(table: SpoolTable) -> Self {
        let options = Options {
            durability: table.durability.into(),
            max_bytes: table.max_bytes,
            destination_bytes: table.destination_bytes,
            segment_bytes: table.segment_bytes,
            full: table.full.into(),
            ..Options::default()
        };
        // Switched on is what it is anyway, and leaves local files out.
        let enabled = (!table.enabled).then_some(false);
        Self { enabled, home: table.home, options, ..Self::default() }
    }
}

impl From<When> for Durability {
    fn from(when: When) -> Self {
        match when {
            When::None => Self::None,
            When::Interval => Self::Interval,
            When::Every => Self::Every,
        }
    }
}

impl From<WhenFull> for Full {
    fn from(when: WhenFull) -> Self {
        match when {
            WhenFull::DropNewest => Self::DropNewest,
            WhenFull::DropOldest => Self::DropOldest,
            WhenFull::Block(patience) => Self::Block(patience.get()),
        }
    }
}
