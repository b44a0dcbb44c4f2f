//! What opening a spool has to say.

use std::fmt;
use std::path::PathBuf;

use crate::spool::DestinationId;

/// What opening a spool found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that hold events.
    pub segments: usize,
    /// How many of them had to be read through.
    pub scanned: usize,
    /// Torn tails, and their bytes, which were cut off.
    pub torn: usize,
    /// Bytes of the torn tails.
    pub cut_bytes: u64,
    /// Damaged stretches between valid frames.
    pub quarantined: usize,
    /// Bytes of the damaged stretches.
    pub quarantined_bytes: u64,
    /// Segments whose header was damaged and whose frames are intact.
    pub salvaged: Vec<PathBuf>,
    /// Files that are named like segments and are none.
    pub foreign: Vec<PathBuf>,
    /// Segments of a later version of the format.
    pub newer: Vec<PathBuf>,
    /// Segments of nothing but zeros.
    pub zero_filled: Vec<PathBuf>,
    /// Segments that could not be opened or read.
    pub unreadable: Vec<PathBuf>,
    /// Ordinals that are missing between others.
    pub missing: Vec<u64>,
    /// Destinations whose position was ahead of the log.
    pub mended: Vec<DestinationId>,
    /// Destinations that events wait for, and whose key is not known any more.
    pub orphans: Vec<DestinationId>,
}

impl Recovery {
    /// Whether there is nothing in it that somebody should hear of.
    pub fn is_clean(&self) -> bool {
        let calm = Self { segments: self.segments, scanned: self.scanned, ..Self::default() };
        *self == calm
    }
}

impl fmt::Display for Recovery {
    /// What was found wrong, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.torn, "unfinished tails were cut off"),
            (self.quarantined, "damaged stretches were put into quarantine"),
            (self.salvaged.len(), "segments with a damaged header were read nevertheless"),
            (self.foreign.len(), "files that are no segments were left alone"),
            (self.newer.len(), "segments of a later version were left alone"),
            (self.zero_filled.len(), "segments held nothing but zeros"),
            (self.unreadable.len(), "segments could not be read"),
            (self.missing.len(), "segments are missing"),
            (self.mended.len(), "positions were ahead of the log and were mended"),
            (self.orphans.len(), "destinations have events and no name any more"),
        ];
        let found = counts.iter().filter(|(count, _)| *count > 0);
        let found: Vec<_> = found.map(|(count, what)| format!("{count} {what}")).collect();
        write!(f, "the spool was opened after damage: {}", found.join("; "))
    }
}
