//! Contests about the spool: what it costs to have events on disk before they are delivered.

pub(super) mod append;
pub(super) mod fanout;
mod fed;
mod group;
pub(super) mod growth;
pub(super) mod log_call;
mod receiver;
mod sqlite;

/// The payload that is appended: the size of a log entry with some fields.
const PAYLOAD: [u8; 300] = [b'x'; 300];

/// What the spool writes for it: a head of 30 bytes and one destination.
const FRAME: usize = PAYLOAD.len() + 32;
