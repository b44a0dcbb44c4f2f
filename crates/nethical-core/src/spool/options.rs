//! What can be chosen about a spool, and what can go wrong with one.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{DestinationId, frame, segment};

/// What a spool survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Events reach the kernel within [`Options::interval`]; the disk gets them when the kernel likes, at
    /// the latest when a segment is full.
    None,
    /// Events are on the medium within [`Options::interval`].
    #[default]
    Interval,
    /// An event is on the medium when `append` returns.
    Every,
}

/// What gives way when a limit is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Full {
    /// The oldest events of the destination that lags.
    #[default]
    DropOldest,
    /// The event that comes, for the destination that has no room.
    DropNewest,
    /// The caller waits for room so long, then as `DropNewest`.
    Block(Duration),
}

/// How a spool behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it survives.
    pub durability: Durability,
    /// The time in which events become what `durability` promises.
    pub interval: Duration,
    /// Size at which a new file begins.
    pub segment_bytes: u64,
    /// Size of all files together.
    pub max_bytes: u64,
    /// Payload that may wait for one destination.
    pub destination_bytes: u64,
    /// What gives way when there is no room.
    pub full: Full,
    /// Memory for events that are not written yet.
    pub buffer_bytes: usize,
    /// How long `append` waits when that memory is used up because the disk is slower than the callers.
    pub buffer_wait: Duration,
    /// How long a stretch of a file is tried again before it counts as damaged.
    pub unreadable_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            interval: Duration::from_millis(20),
            segment_bytes: 16 * 1024 * 1024,
            max_bytes: 1024 * 1024 * 1024,
            destination_bytes: 1024 * 1024 * 1024,
            full: Full::default(),
            buffer_bytes: 64 * 1024 * 1024,
            buffer_wait: Duration::ZERO,
            unreadable_after: Duration::from_secs(60),
        }
    }
}

impl Options {
    /// The same with values that fit each other: at least four segments fit the budget.
    pub(super) fn sane(mut self) -> Self {
        self.segment_bytes = self.segment_bytes.min(self.max_bytes / 4).max(4 * segment::HEADER);
        self
    }

    /// The largest frame that is accepted.
    pub(super) fn max_event(&self) -> usize {
        frame::MAX_FRAME.min(self.buffer_bytes)
    }
}

/// Why a spool could not be opened or used.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpoolError {
    /// The filesystem refused something without which there is no spool.
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key of a destination is empty or too long.
    Key(String),
    /// All ids for destinations are taken.
    TooManyDestinations,
    /// No such destination.
    UnknownDestination(DestinationId),
    /// Somebody reads this destination already.
    ReaderTaken(DestinationId),
}

impl SpoolError {
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { what, path, source } => write!(f, "cannot {what} {}: {source}", path.display()),
            Self::Key(key) => write!(f, "a destination cannot be called {key:?}"),
            Self::TooManyDestinations => f.write_str("the spool has no id left for another destination"),
            Self::UnknownDestination(id) => write!(f, "the spool has no destination {id}"),
            Self::ReaderTaken(id) => write!(f, "destination {id} is being read already"),
        }
    }
}

impl std::error::Error for SpoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why an event was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// There is no room, and the policy says that the newest gives way. Counted for each destination.
    Full,
    /// Larger than an event may be.
    TooLarge {
        /// Its payload.
        bytes: usize,
        /// The limit for the whole frame.
        limit: usize,
    },
    /// The disk does not take it. In mode `Every` it may be delivered all the same.
    Storage(io::ErrorKind),
    /// Addressed to nobody.
    NoDestination,
    /// Addressed to a destination that was never registered.
    UnknownDestination(DestinationId),
    /// The spool is closed.
    Closed,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the spool is full"),
            Self::TooLarge { bytes, limit } => {
                write!(f, "an event of {bytes} bytes does not fit the limit of {limit}")
            }
            Self::Storage(kind) => write!(f, "the spool's disk does not take events: {kind}"),
            Self::NoDestination => f.write_str("the event is addressed to no destination"),
            Self::UnknownDestination(id) => write!(f, "the spool has no destination {id}"),
            Self::Closed => f.write_str("the spool is closed"),
        }
    }
}

impl std::error::Error for AppendError {}
