//! One JSON object per line in a local file (JSON Lines).

mod archive;
mod config;
mod errors;
mod file;
mod rotation;
mod schema;
mod tidy;
mod tidying;
mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nethical_core::delivery::{
    Batch, Destination, Error, Profile, Receipt, Schedule, Settings, Unfinished, runtime,
};
use nethical_core::event::Family;

use self::config::FSYNC_INTERVAL;
pub use self::config::{Compress, Fsync, JsonlConfig, Schema};
use self::file::Written;
use self::rotation::Rotating;
use self::tidy::Tidy;
use self::tidying::Tidying;
use self::wire::Lines;
use crate::support::options::{Options, OptionsError};
use crate::{Descriptor, Validated};

/// One JSON object per line in a local file.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "jsonl",
    families: &[Family::Logs, Family::Alerts],
    summary: "Append to a local file, one JSON object per line",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(JsonlConfig),
    parse,
};

fn parse(options: &Options) -> Result<Arc<dyn Validated>, OptionsError> {
    let config: JsonlConfig = options.read()?;
    match config.fault() {
        Some(fault) => Err(options.error_at(fault.key, fault.message).with_hint(fault.hint)),
        None => Ok(Arc::new(config.absolute())),
    }
}

impl Validated for JsonlConfig {
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        if let Some(fault) = self.fault() {
            return Err(fault.into());
        }
        let file = Arc::new(Mutex::new(Rotating::open(self)?));
        let tidying = self.rotates().then(|| Tidying::start(Tidy::new(self))).transpose()?;
        Ok(Arc::new(Jsonl {
            file,
            schema: self.schema,
            fsync: self.fsync,
            sync_planned: Arc::new(AtomicBool::new(false)),
            tidying,
        }))
    }

    /// A full disk may be free again at any moment, and asking costs nothing.
    fn settings(&self, usual: Settings) -> Settings {
        let mut settings = Settings { batch_size: self.buffer_size, ..usual };
        settings.breaker.max_pause = Duration::from_secs(1);
        settings
    }
}

struct Jsonl {
    file: Arc<Mutex<Rotating>>,
    schema: Schema,
    fsync: Fsync,
    sync_planned: Arc<AtomicBool>,
    /// Cares for files that were moved away, where they are.
    tidying: Option<Tidying>,
}

fn lock(file: &Mutex<Rotating>) -> MutexGuard<'_, Rotating> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Destination for Jsonl {
    /// A repeat is a second line with the same `id`; it only happens after a failed fsync.
    fn profile(&self) -> Profile {
        Profile {
            max_events: 8_192,
            max_bytes: 4 << 20,
            event_overhead: 1,
            repeat_safe: true,
            local: true,
            retry: Schedule { first: Duration::from_millis(100), cap: Duration::from_secs(1) },
            log_entries: true,
            ..Profile::default()
        }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        let (batch, file, schema, fsync) = (batch.clone(), Arc::clone(&self.file), self.schema, self.fsync);
        let (receipt, rotated) = runtime::blocking(move || {
            let lines = Lines::of(&batch, schema);
            let mut file = lock(&file);
            (append(&mut file, lines, batch.len(), fsync), file.take_rotated())
        })
        .await?;
        if rotated {
            self.tidying.iter().for_each(Tidying::wake);
        }
        self.plan_sync();
        receipt
    }

    async fn probe(&self) -> Result<String, Error> {
        let file = Arc::clone(&self.file);
        runtime::blocking(move || lock(&file).probe()).await?
    }

    async fn reopen(&self) {
        let file = Arc::clone(&self.file);
        // What keeps it from being opened is met by the next batch.
        let _ = runtime::blocking(move || lock(&file).file.follow().map(drop)).await;
    }

    async fn close(&self) {
        let (file, fsync) = (Arc::clone(&self.file), self.fsync);
        // A failed fsync leaves what is written to the system, which is all that `never` promises.
        let _ =
            runtime::blocking(move || if fsync != Fsync::Never { lock(&file).file.sync() } else { Ok(()) })
                .await;
        if let Some(tidying) = &self.tidying {
            tidying.finish().await;
        }
    }
}

impl Jsonl {
    /// Have the file synced a little later, unless that is planned already.
    fn plan_sync(&self) {
        if self.fsync != Fsync::Interval || self.sync_planned.swap(true, Ordering::AcqRel) {
            return;
        }
        let (file, planned) = (Arc::clone(&self.file), Arc::clone(&self.sync_planned));
        tokio::spawn(async move {
            tokio::time::sleep(FSYNC_INTERVAL).await;
            planned.store(false, Ordering::Release);
            // What could not be synced is tried again after the next batch.
            let _ = runtime::blocking(move || lock(&file).file.sync()).await;
        });
    }
}

/// Write the lines of so many events; what did not fit stays unfinished.
fn append(file: &mut Rotating, lines: Lines, count: usize, fsync: Fsync) -> Result<Receipt, Error> {
    let written = file.append(&lines)?;
    let (done, error) = match written {
        Written::All => (count, None),
        Written::Part { bytes, error } => (lines.whole(bytes), Some(error)),
    };
    if fsync == Fsync::Batch {
        file.file.sync()?;
    }
    let mut refused = lines.refused;
    refused.retain(|refusal| refusal.index < done);
    let unfinished = error.map(|error| Unfinished { indices: (done..count).collect(), error });
    Ok(Receipt { refused, unfinished, ..Receipt::all() })
}
