//! What the tests of several crates share.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "tests")]

pub mod mlflow;
pub mod peers;
pub mod proxy;
pub mod soak;

use std::time::{Duration, Instant};

use nethical_core::event::{Event, Level, LogEntry, Metadata, Rules};

/// Wait until `holds`, and panic with `what` if it does not within a minute.
///
/// # Panics
/// If it does not hold in time.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A log event with this message.
pub fn event(message: &str) -> Event {
    let metadata = Metadata::new().with("answer", 42).with("name", "é\n\"x\"");
    LogEntry::new(Level::Info, message, "tests").with(metadata).encode(&Rules::default()).event
}

/// Log events with the messages `"0"`, `"1"`, ...
pub fn events(count: usize) -> Vec<Event> {
    (0..count).map(|number| event(&number.to_string())).collect()
}
