//! Ids that sort by time.

use std::cell::Cell;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Timestamp;
use crate::fork;

/// The id of an event: a UUID of version 7 (RFC 9562, section 5.7), so ids sort by time.
///
/// Within one thread ids rise strictly, also when the clock is set back. An id stays with its event
/// through every repeat and replay, so a receiver can tell a repeat from a new event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(Uuid);

/// What a thread's next id is made of.
#[derive(Clone, Copy)]
struct Source {
    generation: u32,
    last_nanos: u64,
    /// A random start, then counted up: 62 bits that no other thread or process starts near.
    tail: u64,
}

thread_local! {
    static SOURCE: Cell<Option<Source>> = const { Cell::new(None) };
}

const NANOS_PER_MILLI: u64 = 1_000_000;
const TAIL_BITS: u64 = (1 << 62) - 1;

impl EventId {
    /// A new id for an event made now.
    pub fn new() -> Self {
        Self::at(Timestamp::now())
    }

    /// A new id for an event made at `now`. A time before 1970 counts as 1970.
    pub fn at(now: Timestamp) -> Self {
        let nanos = u64::try_from(now.as_nanosecond()).unwrap_or(0);
        let generation = fork::generation();
        let mut source = SOURCE
            .get()
            .filter(|source| source.generation == generation)
            .unwrap_or_else(|| Source { generation, last_nanos: 0, tail: random() });
        source.last_nanos = source.last_nanos.max(nanos);
        source.tail = (source.tail + 1) & TAIL_BITS;
        SOURCE.set(Some(source));
        Self(version_7(source.last_nanos, source.tail))
    }

    /// The 16 bytes, in the order in which ids sort.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id with these 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The id that `text` shows; `None` if it is not a UUID.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// The text form, in a buffer of the caller's.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

/// Milliseconds, then 12 bits of the fraction below (RFC 9562, section 6.2, method 3), then the tail.
fn version_7(nanos: u64, tail: u64) -> Uuid {
    let millis = nanos / NANOS_PER_MILLI;
    let fraction = (nanos % NANOS_PER_MILLI) * 4096 / NANOS_PER_MILLI;
    let high = (millis << 16) | 0x7000 | fraction;
    let low = (0b10 << 62) | tail;
    Uuid::from_u64_pair(high, low)
}

/// Random bits, or the address and time mixed where the system has none to give.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        let here = 0_u8;
        let now = Timestamp::now().as_nanosecond() as u64;
        now ^ (std::ptr::from_ref(&here).addr() as u64).rotate_left(32) ^ u64::from(std::process::id())
    }) & TAIL_BITS
}

impl Default for EventId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 36]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rises_within_a_thread_even_when_the_clock_goes_back() {
        let now = Timestamp::now();
        let first = EventId::at(now);
        let second = EventId::at(now - jiff::SignedDuration::from_secs(60));
        assert!(second > first);
    }

    #[test]
    fn unique_across_threads() {
        let threads: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(|| (0..10_000).map(|_| EventId::new()).collect::<Vec<_>>()))
            .collect();
        let ids: HashSet<_> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        assert_eq!(ids.len(), 80_000);
    }

    #[test]
    fn is_a_version_7_uuid_of_its_time() {
        let at = Timestamp::from_millisecond(1_772_368_496_123).unwrap();
        let id = std::thread::spawn(move || EventId::at(at)).join().unwrap();
        assert_eq!(id.0.get_version_num(), 7);
        assert_eq!(id.0.get_variant(), uuid::Variant::RFC4122);
        let (secs, nanos) = id.0.get_timestamp().unwrap().to_unix();
        assert_eq!((secs, nanos / 1_000_000), (1_772_368_496, 123));
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
        assert_eq!(EventId::from_bytes(*id.as_bytes()), id);
    }

    #[test]
    fn a_clock_before_1970_is_1970() {
        let id = std::thread::spawn(|| EventId::at(Timestamp::from_second(-5).unwrap())).join().unwrap();
        assert!(id.to_string().starts_with("00000000-0000-7000-"));
    }
}
