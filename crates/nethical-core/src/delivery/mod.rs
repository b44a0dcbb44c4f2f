//! How anything is delivered, to anyone.
//!
//! A destination implements [`Destination`]: deliver one batch once. A [`Connector`] opens it and
//! feeds it through a queue, a worker, retries, a breaker and a pace, and keeps its accounts.
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use nethical_core::delivery::{Batch, Connector, Destination, Error, Profile, Receipt, Settings, SpoolSettings};
//! # use nethical_core::event::{Level, LogEntry, Rules};
//! struct Print;
//!
//! #[async_trait::async_trait]
//! impl Destination for Print {
//!     fn profile(&self) -> Profile {
//!         Profile::default()
//!     }
//!     async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
//!         batch.iter().for_each(|event| println!("{}", String::from_utf8_lossy(event.json())));
//!         Ok(Receipt::all())
//!     }
//!     async fn probe(&self) -> Result<String, Error> {
//!         Ok("prints".to_owned())
//!     }
//! }
//!
//! // Events wait in memory here; on disk, where they outlive the process, is the usual.
//! let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
//! let connector = Connector::open("print", settings, || Ok(Arc::new(Print)))?;
//! let entry = LogEntry::new(Level::Info, "hello", "docs");
//! connector.send(entry.encode(&Rules::default()).event).unwrap();
//! assert!(connector.close(Duration::from_secs(5)));
//! assert_eq!(connector.status()?.ledger.confirmed, 1);
//! # Ok::<(), Error>(())
//! ```

mod answer;
mod attended;
mod backlog;
mod breaker;
mod connector;
mod dead_letters;
mod destination;
mod direct;
mod error;
mod gate;
mod ledger;
mod notice;
mod pace;
mod pipeline;
mod queue;
mod records;
pub mod runtime;
mod schedule;
mod settings;
mod spooled;
mod status;
mod store;
mod turns;

pub use self::answer::{Answer, Delivery, DeliveryStatus, Policy};
pub use self::attended::{Attendance, Attended, attend};
pub use self::backlog::{Flushed, Rejected};
pub use self::breaker::BreakerSettings;
pub use self::connector::{Connector, DROP_PATIENCE, FLUSH_PATIENCE, close_all, flush_all, statuses};
pub use self::dead_letters::{DeadLetter, DeadLetters};
pub use self::destination::{Batch, Destination, Profile, Receipt, ReceiptKind, Refusal, Unfinished};
pub use self::error::{Error, Kind};
pub use self::ledger::{DropReason, Ledger, Outcome};
pub use self::notice::{Change, Notice, Observer, warn_by_tracing};
pub use self::queue::{Full, QueueLimits};
pub use self::records::{Record, RecordFilter, deliveries};
pub use self::schedule::{MAX_RETRY_AFTER, Schedule};
pub use self::settings::{DeliveryObserver, Settings, SpoolSettings};
pub use self::status::{DestinationReport, ErrorReport, ProcessReport, Status, survey};
pub use self::store::{adopt, homes, key_of, orphans, sync};
pub use self::turns::{Condition, Turns};
