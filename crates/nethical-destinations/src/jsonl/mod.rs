//! One JSON object per line in a local file (JSON Lines).

mod config;
mod errors;
mod file;
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
pub use self::config::{Fsync, JsonlConfig};
use self::file::{LogFile, Written};
use crate::{Descriptor, Validated};

/// One JSON object per line in a local file.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "jsonl",
    families: &[Family::Logs, Family::Alerts],
    summary: "Append to a local file, one JSON object per line",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(JsonlConfig),
    parse: |options| Ok(Arc::new(options.read::<JsonlConfig>()?.absolute())),
};

impl Validated for JsonlConfig {
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        if self.buffer_size == 0 {
            return Err(Error::config("jsonl.buffer_size", "buffer_size is 0").with_hint("use 1 or more"));
        }
        let file = LogFile::open(&self.filepath)?;
        Ok(Arc::new(Jsonl {
            file: Arc::new(Mutex::new(file)),
            fsync: self.fsync,
            sync_planned: Arc::new(AtomicBool::new(false)),
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
    file: Arc<Mutex<LogFile>>,
    fsync: Fsync,
    sync_planned: Arc<AtomicBool>,
}

fn lock(file: &Mutex<LogFile>) -> MutexGuard<'_, LogFile> {
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
        let (batch, file, fsync) = (batch.clone(), Arc::clone(&self.file), self.fsync);
        let receipt = runtime::blocking(move || append(&mut lock(&file), &batch, fsync)).await??;
        self.plan_sync();
        Ok(receipt)
    }

    async fn probe(&self) -> Result<String, Error> {
        let file = Arc::clone(&self.file);
        runtime::blocking(move || lock(&file).probe()).await?
    }

    async fn close(&self) {
        let (file, fsync) = (Arc::clone(&self.file), self.fsync);
        // A failed fsync leaves what is written to the system, which is all that `never` promises.
        let _ =
            runtime::blocking(move || if fsync != Fsync::Never { lock(&file).sync() } else { Ok(()) }).await;
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
            let _ = runtime::blocking(move || lock(&file).sync()).await;
        });
    }
}

/// Write the batch; what did not fit stays unfinished.
fn append(file: &mut LogFile, batch: &Batch, fsync: Fsync) -> Result<Receipt, Error> {
    let lines = wire::lines(batch);
    let receipt = match file.append(&lines)? {
        Written::All => Receipt::all(),
        Written::Part { bytes, error } => {
            let done = wire::whole_lines(batch, bytes);
            Receipt {
                unfinished: Some(Unfinished { indices: (done..batch.len()).collect(), error }),
                ..Receipt::all()
            }
        }
    };
    if fsync == Fsync::Batch {
        file.sync()?;
    }
    Ok(receipt)
}
