//! How one destination is fed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::delivery::breaker::BreakerSettings;
use crate::delivery::notice::{Observer, warn_by_tracing};
use crate::delivery::queue::QueueLimits;
use crate::delivery::spooled::Spooled;
use crate::delivery::store::{self, Store};
use crate::delivery::{Delivery, Error};
use crate::spool;

/// A backlog on disk, and what keeps it.
type OnDisk = (Arc<Store>, Arc<Spooled>);

/// How one destination is fed. All have defaults.
#[derive(Clone)]
pub struct Settings {
    /// How much may wait in memory, and what happens beyond.
    pub queue: QueueLimits,
    /// Events that close a batch before its age does. Default 100.
    pub batch_size: usize,
    /// A batch is closed when its first event has waited this long. Default 1 s.
    pub batch_age: Duration,
    /// When to leave a failing endpoint alone.
    pub breaker: BreakerSettings,
    /// Most attempts per second. Default: any number.
    pub rate_limit_per_sec: Option<f64>,
    /// Times that an event may have been sent without an answer before the endpoint is asked whether
    /// it is well; if it is, the event is at fault. Default 5.
    pub max_in_doubt: u32,
    /// Whether and where events wait on disk.
    pub spool: SpoolSettings,
    /// Bytes of dead letters to keep in memory, beside those on disk. Default 16 MiB.
    pub dead_letter_bytes: usize,
    /// Who is told of changes. Default: a `tracing` warning on target `nethical`.
    pub observer: Observer,
    /// Who is told of each queued delivery that came to its end, where a record of them is kept; on a thread that
    /// may be blocked. Default: nobody.
    pub on_delivery: Option<DeliveryObserver>,
}

/// Is told of deliveries.
pub type DeliveryObserver = Arc<dyn Fn(&Delivery) + Send + Sync>;

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue: QueueLimits::default(),
            batch_size: 100,
            batch_age: Duration::from_secs(1),
            breaker: BreakerSettings::default(),
            rate_limit_per_sec: None,
            max_in_doubt: 5,
            spool: SpoolSettings::default(),
            dead_letter_bytes: 16 << 20,
            observer: Arc::new(warn_by_tracing),
            on_delivery: None,
        }
    }
}

/// Whether and where events wait on disk.
#[derive(Debug, Clone, Default)]
pub struct SpoolSettings {
    /// On or off. Without it: on, unless the destination is a file on this machine. `NETHICAL_SPOOL=off`
    /// turns it off in any case.
    pub enabled: Option<bool>,
    /// The directory for this and everything else that is kept. Without it `$NETHICAL_HOME`, else
    /// `$XDG_STATE_HOME/nethical`, else `~/.local/state/nethical`.
    pub home: Option<PathBuf>,
    /// By what the destination is known to a later process, which delivers what this one leaves. Without
    /// it the name.
    pub key: Option<String>,
    /// What identifies a destination that has no name of its own; used instead of the name, hashed.
    pub identity: Option<String>,
    /// Durability and sizes. The sizes count for the first destination that is opened in a home with this
    /// durability.
    pub options: spool::Options,
}

impl SpoolSettings {
    /// Nothing is kept on disk, no dead letters either.
    pub fn off() -> Self {
        Self { enabled: Some(false), ..Self::default() }
    }

    /// Whether the environment allows a spool: `NETHICAL_SPOOL` is not `off`.
    pub fn is_allowed() -> bool {
        store::is_allowed()
    }

    /// The directory, whether or not anything may be kept in it; `None` where the environment names none.
    pub fn directory(&self) -> Option<PathBuf> {
        self.home.clone().or_else(store::default_home)
    }

    /// The directory, if anything may be kept on disk.
    pub fn home(&self) -> Option<PathBuf> {
        let on = self.enabled != Some(false) && store::is_allowed();
        on.then(|| self.directory()).flatten()
    }

    /// The backlog on disk, where there is to be one.
    ///
    /// # Errors
    /// If it was asked for and cannot be had. If it is only usual, memory serves, with a warning.
    pub(crate) fn backlog(&self, name: &str, local: bool) -> Result<Option<OnDisk>, Error> {
        let Some(home) = self.home().filter(|_| self.enabled.unwrap_or(!local)) else { return Ok(None) };
        let open = || {
            let store = Store::at(&home, &self.options)?;
            let hashed = || self.identity.as_ref().map(|identity| store::key_of(&home, name, identity));
            let key = self.key.clone().or_else(hashed).unwrap_or_else(|| name.to_owned());
            let backlog = store.backlog(&key)?;
            Ok((store, backlog))
        };
        match open() {
            Ok(backlog) => Ok(Some(backlog)),
            Err(error) if self.enabled == Some(true) => Err(error),
            Err(error) => {
                let hint = error.hint().unwrap_or_default();
                tracing::warn!(target: "nethical", hint, "{name}: events wait in memory only: {error}");
                Ok(None)
            }
        }
    }
}
