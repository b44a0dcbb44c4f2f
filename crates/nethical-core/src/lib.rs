//! Events, delivery and the spool: everything in Nethical that knows nothing of any one service.
//!
//! * [`event`]: what is delivered. A [`LogEntry`](event::LogEntry) is encoded once, in the caller,
//!   redacted and within its limits, and travels as an [`Event`](event::Event) from then on.
//! * [`delivery`]: how it is delivered. A [`Connector`](delivery::Connector) feeds one
//!   [`Destination`](delivery::Destination): queue, pace, retries and accounts are its.
//! * [`tracking`]: runs of machine learning, as programs tell of them.
//! * [`fork`]: what makes all of it safe in a forked child.

pub mod delivery;
pub mod event;
pub mod fork;
pub mod spool;
pub mod tracking;
